using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>Why one resource was not taken. Its last good version, if there is one, stays in force.</summary>
internal sealed record Refusal(string TypeUrl, string Name, string Why);

/// <summary>
/// Collects what the control plane sends and makes the next <see cref="Snapshot"/> of it. What is new enters only when what it stands on is there:
/// a cluster with its endpoints, a route table with its clusters, a listener with its route tables and certificates. Until then the former version
/// serves, so that no request meets half a change. No wait is longer than <see cref="WarmWaitMax"/>.
/// </summary>
/// <remarks>One thread at a time; what it hands out is immutable.</remarks>
internal sealed class SnapshotBuilder(TimeProvider time)
{
    public static readonly TimeSpan WarmWaitMax = TimeSpan.FromSeconds(5);

    private readonly Room<Cluster> clusters = new();
    private readonly Room<RouteTable> routes = new();
    private readonly Room<Listener> listeners = new();
    private readonly HostsApart hosts = new();
    private bool changed;

    /// <summary>What was made last.</summary>
    public Snapshot Current { get; private set; } = Snapshot.Empty;

    private ImmutableDictionary<string, ClusterEndpoints> endpoints = ImmutableDictionary<string, ClusterEndpoints>.Empty;
    private ImmutableDictionary<string, Secret> secrets = ImmutableDictionary<string, Secret>.Empty;
    private ImmutableDictionary<string, HttpFilterSettings> extensions = ImmutableDictionary<string, HttpFilterSettings>.Empty;
    private NameTable? names;

    /// <summary>Takes one decoded resource. Null when it was accepted, if only to wait for what it needs.</summary>
    public string? Put(string name, object resource)
    {
        switch (resource)
        {
            case Cluster cluster: clusters.Put(name, cluster); break;
            case RouteTable { HasHostsApart: true } table: hosts.Put(name, table); break;
            case RouteTable table:
                hosts.RemoveTable(name);
                routes.Put(name, table);
                break;
            case VirtualHost host: hosts.Put(name, host); break;
            case Listener listener when Clash(name, listener) is { } other:
                return $"Listener '{name}': field address: {listener.Address} is already taken by listener '{other}'";
            case Listener listener: listeners.Put(name, listeners.Latest.TryGetValue(name, out var before) ? listener.KeepingChainsOf(before) : listener); break;
            case ClusterEndpoints assignment: endpoints = endpoints.SetItem(name, assignment); break;
            case Secret secret: secrets = secrets.SetItem(name, secret); break;
            case HttpFilterSettings filter: extensions = extensions.SetItem(name, filter); break;
            case NameTable table: names = table; break;
            default: throw new ArgumentException($"{resource.GetType()} is no resource", nameof(resource));
        }
        changed = true;
        return null;
    }

    public void Remove(string typeUrl, string name)
    {
        switch (typeUrl)
        {
            case ResourceFromXds.ClusterType: clusters.Remove(name); break;
            case ResourceFromXds.RouteType:
                hosts.RemoveTable(name);
                routes.Remove(name);
                break;
            case ResourceFromXds.VirtualHostType: hosts.Remove(name); break;
            case ResourceFromXds.ListenerType: listeners.Remove(name); break;
            case ResourceFromXds.EndpointsType: endpoints = endpoints.Remove(name); break;
            case ResourceFromXds.SecretType: secrets = secrets.Remove(name); break;
            case ResourceFromXds.ExtensionType: extensions = extensions.Remove(name); break;
            case ResourceFromXds.NamesType: names = null; break;
        }
        changed = true;
    }

    /// <summary>Names to ask the control plane for, of types that are not wanted as a whole. In order, each once.</summary>
    public ImmutableSortedSet<string> Wanted(string typeUrl) => typeUrl switch
    {
        ResourceFromXds.EndpointsType => clusters.Latest.Values.Where(c => c.Discovery == ClusterDiscovery.Eds).Select(c => c.EndpointsName).ToImmutableSortedSet(StringComparer.Ordinal),
        ResourceFromXds.RouteType => listeners.Latest.Values.SelectMany(RoutesOf).ToImmutableSortedSet(StringComparer.Ordinal),
        ResourceFromXds.VirtualHostType => [.. Wanted(ResourceFromXds.RouteType).Where(hosts.IsTable)],
        ResourceFromXds.SecretType => clusters.Latest.Values.SelectMany(SecretsOf).Concat(listeners.Latest.Values.SelectMany(SecretsOf)).ToImmutableSortedSet(StringComparer.Ordinal),
        ResourceFromXds.ExtensionType => listeners.Latest.Values.SelectMany(ExtensionsOf).ToImmutableSortedSet(StringComparer.Ordinal),
        _ => [],
    };

    /// <summary>Resources that still wait, and for what; for the admin port and for readiness.</summary>
    public IEnumerable<string> Waiting()
    {
        foreach (var name in clusters.Waiting) yield return $"cluster '{name}' for its endpoints or secrets";
        foreach (var name in routes.Waiting) yield return $"route table '{name}' for its clusters";
        foreach (var name in listeners.Waiting) yield return $"listener '{name}' for its route tables or secrets";
    }

    /// <summary>When <see cref="TryBuild"/> should be called again though nothing came; null when nothing waits.</summary>
    public DateTimeOffset? NextLook
    {
        get
        {
            DateTimeOffset? first = null;
            foreach (var since in clusters.Since.Concat(routes.Since).Concat(listeners.Since))
                if (first is null || since + WarmWaitMax < first) first = since + WarmWaitMax;
            return first;
        }
    }

    /// <summary>False when all is as before.</summary>
    public bool TryBuild(out Snapshot next)
    {
        var now = time.GetUtcNow();
        if (!changed && !(NextLook <= now))
        {
            next = Current;
            return false;
        }
        changed = false;

        foreach (var table in hosts.TakeChanged()) routes.Put(table.Name, table);
        var liveClusters = clusters.Settle(Current.Clusters, now, IsReady);
        var liveRoutes = routes.Settle(Current.Routes, now, table => ClustersOf(table).All(name => !clusters.Latest.ContainsKey(name) || !clusters.IsWaiting(name)));
        var liveListeners = listeners.Settle(Current.Listeners, now, IsReady);
        next = Current with
        {
            Clusters = liveClusters,
            Routes = liveRoutes,
            Listeners = liveListeners,
            Endpoints = Unneeded(endpoints),
            Secrets = secrets,
            Extensions = extensions,
            Names = names,
        };
        if (next == Current) return false;

        next = Current = next with { Number = Current.Number + 1 };
        return true;
    }

    private bool IsReady(Cluster cluster) =>
        (cluster.Discovery != ClusterDiscovery.Eds || endpoints.ContainsKey(cluster.EndpointsName)) && SecretsOf(cluster).All(secrets.ContainsKey);

    /// <summary>A chain that serves already holds nobody up, whatever it lacks: one host's missing certificate must not delay another host's change.</summary>
    private bool IsReady(Listener listener)
    {
        HashSet<FilterChain> serving = Current.Listeners.TryGetValue(listener.Name, out var live) ? new(ChainsOf(live), ReferenceEqualityComparer.Instance) : [];
        return ChainsOf(listener).Where(chain => !serving.Contains(chain)).All(chain =>
            (chain.Http?.RoutesName is not { } table || routes.Latest.ContainsKey(table) && !routes.IsWaiting(table)) && (chain.Tls?.SecretNames ?? []).All(secrets.ContainsKey));
    }

    // Endpoints that no cluster asks for any more are let go, or a mesh that changes would grow for ever.
    private ImmutableDictionary<string, ClusterEndpoints> Unneeded(ImmutableDictionary<string, ClusterEndpoints> all)
    {
        if (all.Count <= clusters.Latest.Count) return all;

        var wanted = Wanted(ResourceFromXds.EndpointsType);
        return endpoints = all.RemoveRange(all.Keys.Where(name => !wanted.Contains(name)));
    }

    private string? Clash(string name, Listener listener)
    {
        if (!listener.BindToPort || listener.Address.Ip is not { } address) return null;
        foreach (var (otherName, other) in listeners.Latest)
            if (otherName != name && other.BindToPort && address.Equals(other.Address.Ip)) return otherName;
        return null;
    }

    private static IEnumerable<FilterChain> ChainsOf(Listener listener) => listener.DefaultChain is { } last ? listener.Chains.Append(last) : listener.Chains;

    private static IEnumerable<string> RoutesOf(Listener listener) => ChainsOf(listener).Select(chain => chain.Http?.RoutesName).OfType<string>();

    private static IEnumerable<string> SecretsOf(Listener listener) => ChainsOf(listener).Where(chain => chain.Tls is not null).SelectMany(chain => chain.Tls!.SecretNames);

    private static IEnumerable<string> SecretsOf(Cluster cluster) =>
        cluster.TransportMatches.Select(match => match.Tls).Append(cluster.Tls).OfType<UpstreamTls>().SelectMany(tls => tls.SecretNames);

    private static IEnumerable<string> ExtensionsOf(Listener listener) =>
        ChainsOf(listener).Where(chain => chain.Http is not null).SelectMany(chain => chain.Http!.Filters).OfType<DiscoveredFilter>().Select(filter => filter.Name);

    private static IEnumerable<string> ClustersOf(RouteTable table) =>
        table.VirtualHosts.SelectMany(host => host.Routes).Select(route => route.Action).OfType<Forward>().SelectMany(forward => forward.Clusters).Select(cluster => cluster.Name);

    /// <summary>The latest accepted versions of one type, and those among them that do not serve yet.</summary>
    private sealed class Room<T> where T : class
    {
        private readonly Dictionary<string, DateTimeOffset?> pending = new(StringComparer.Ordinal);

        public ImmutableDictionary<string, T> Latest { get; private set; } = ImmutableDictionary<string, T>.Empty;

        public IEnumerable<string> Waiting => pending.Where(pair => pair.Value is not null && Latest.ContainsKey(pair.Key)).Select(pair => pair.Key);

        public IEnumerable<DateTimeOffset> Since => pending.Values.Where(since => since is not null).Select(since => since!.Value);

        public bool IsWaiting(string name) => pending.ContainsKey(name);

        public void Put(string name, T resource)
        {
            Latest = Latest.SetItem(name, resource);
            pending.TryAdd(name, null);
        }

        public void Remove(string name)
        {
            Latest = Latest.Remove(name);
            pending[name] = null;
        }

        public ImmutableDictionary<string, T> Settle(ImmutableDictionary<string, T> live, DateTimeOffset now, Func<T, bool> isReady)
        {
            foreach (var name in pending.Keys.ToArray())
            {
                if (!Latest.TryGetValue(name, out var resource))
                {
                    live = live.Remove(name);
                    pending.Remove(name);
                }
                else if (isReady(resource) || pending[name] + WarmWaitMax <= now)
                {
                    live = live.SetItem(name, resource);
                    pending.Remove(name);
                }
                else
                {
                    pending[name] ??= now;
                }
            }
            return live;
        }
    }
}
