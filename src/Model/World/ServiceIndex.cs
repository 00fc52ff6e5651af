using System.Collections.Concurrent;
using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>
/// The services and the rules for them, and who sees which. Stays the same object while only routes, gateways and Sidecars change, and with it
/// whatever was made of services alone.
/// </summary>
internal sealed class ServiceIndex
{
    private readonly Dictionary<string, ImmutableArray<MeshService>> byHost;
    private readonly ConcurrentDictionary<string, (ImmutableArray<MeshService> Services, Seen Seen)> visible = [];
    private readonly ConcurrentDictionary<Seen, Seen> shared = [];
    private readonly ImmutableArray<DestinationRule> rulesByAge;

    private ServiceIndex(MeshConfig mesh, ImmutableArray<MeshService> services, ImmutableArray<DestinationRule> rulesByAge, ServiceIndex? before)
    {
        (Mesh, Services, this.rulesByAge) = (mesh, services, rulesByAge);
        var isSameMesh = ReferenceEquals(before?.Mesh, mesh);
        Rules = isSameMesh && before!.rulesByAge == rulesByAge ? before.Rules : new(rulesByAge, mesh, isSameMesh ? before!.Rules : null);
        byHost = before?.Services == services ? before.byHost : services.GroupBy(service => service.Host).ToDictionary(group => group.Key, group => group.ToImmutableArray());
        HasAliases = services.Any(service => service.Resolution == Resolution.Alias);
        CallersChoose = rulesByAge.Any(rule => IsPassthrough(rule.TrafficPolicy) || rule.Subsets.Any(subset => IsPassthrough(subset.TrafficPolicy)));
        RulesAskForLabels = rulesByAge.Any(rule => rule.WorkloadSelector is not null);
    }

    public MeshConfig Mesh { get; }

    /// <summary>Oldest first.</summary>
    public ImmutableArray<MeshService> Services { get; }
    public DestinationRuleIndex Rules { get; }
    public bool HasAliases { get; }
    public bool RulesAskForLabels { get; }

    /// <summary>True when some rule leaves the choice of the address to the caller.</summary>
    public bool CallersChoose { get; }

    /// <summary>Keeps <paramref name="before"/> when it is made of the same objects.</summary>
    public static ServiceIndex Of(MeshConfig mesh, ImmutableArray<MeshService> services, ImmutableArray<DestinationRule> rulesByAge, ServiceIndex? before) =>
        before is not null && ReferenceEquals(before.Mesh, mesh) && before.Services == services && before.rulesByAge == rulesByAge ? before : new(mesh, services, rulesByAge, before);

    /// <summary>The service of that host as seen from a namespace: its own first, then Kubernetes', then the oldest.</summary>
    public MeshService? Find(string host, string ns)
    {
        if (!byHost.TryGetValue(host, out var all)) return null;
        MeshService? best = null;
        foreach (var service in all)
        {
            if (!service.IsVisibleIn(ns)) continue;
            if (service.Namespace == ns) return service;
            if (best is null || service.IsKubernetes && !best.IsKubernetes) best = service;
        }
        return best;
    }

    /// <summary>All that a namespace may call, each host once, oldest first; and the same with what the mesh itself calls.</summary>
    public (ImmutableArray<MeshService> Services, Seen Seen) VisibleIn(string ns) => visible.GetOrAdd(ns, name =>
    {
        var services = OncePerHost(Services.Where(service => service.IsVisibleIn(name)), name);
        var seen = See(name, services);
        // The same array for all namespaces that see the same.
        return (seen.Services.AsSpan().SequenceEqual(services.AsSpan()) ? seen.Services : services, seen);
    });

    /// <summary>These services, and those that the mesh itself calls, with their rules: one object for equal views.</summary>
    public Seen See(string ns, IEnumerable<MeshService> services)
    {
        var hosts = new HashSet<string>();
        var all = ImmutableArray.CreateBuilder<MeshService>();
        foreach (var service in services)
            if (hosts.Add(service.Host)) all.Add(service);
        // What the mesh itself calls (collectors, authorizers) is called by every proxy, whatever its Sidecar imports.
        foreach (var provider in Mesh.Providers)
            if (provider.Service.Length > 0 && ProviderService(provider.Service) is { } called && hosts.Add(called.Host)) all.Add(called);
        var seen = new Seen(all.ToImmutable(), [.. all.Select(service => Rules.For(ns, LabelSet.Empty, service.Host, service.Namespace))]);
        return shared.GetOrAdd(seen, seen);
    }

    public static ImmutableArray<MeshService> OncePerHost(IEnumerable<MeshService> byAge, string ns)
    {
        var best = new Dictionary<string, MeshService>();
        var order = new List<string>();
        foreach (var service in byAge)
        {
            if (!best.TryGetValue(service.Host, out var known))
            {
                order.Add(service.Host);
                best[service.Host] = service;
            }
            else if (!known.IsKubernetes && (service.IsKubernetes || service.Namespace == ns && known.Namespace != ns)) best[service.Host] = service;
        }
        return [.. order.Select(host => best[host])];
    }

    private static bool IsPassthrough(TrafficPolicy? policy) =>
        policy is not null && (policy.LoadBalancer?.Simple == LoadBalancerKind.Passthrough || policy.Ports.Any(port => IsPassthrough(port.Policy)));

    /// <param name="name"><c>host</c> or <c>namespace/host</c>.</param>
    private MeshService? ProviderService(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var host = name[(slash + 1)..];
        return Services.FirstOrDefault(service => service.Host == host && (slash < 0 || service.Namespace == name[..slash]));
    }
}
