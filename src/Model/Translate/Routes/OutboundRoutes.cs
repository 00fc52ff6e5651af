using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>A sidecar's route tables: one for each HTTP port, and one for each service on a port whose protocol is detected.</summary>
internal static class OutboundRoutes
{
    // Below this a table is some twenty kilobytes, and one message is the simpler way.
    private const int HostsApartMin = 32;

    /// <param name="hosts">Gets every encoded host, so that somebody holds it.</param>
    /// <param name="apart">Gets the hosts that are sent one by one, to a proxy that takes them so: then one change does not send the whole table again.</param>
    public static NamedResource Build(View view, Parts parts, RouteNeed need, List<EncodedHost> hosts, List<NamedResource> apart)
    {
        var isForAllPorts = need.Egress.IsHttpProxy;
        var head = new RouteConfiguration
        {
            Name = need.Name,
            ValidateClusters = false,
            IgnorePortInHostMatching = !isForAllPorts,
            MaxDirectResponseBodySizeBytes = 1_048_576,
        };
        var table = new List<EncodedHost>();
        if (isForAllPorts) AddAllPorts(view, need, table);
        else AddPort(view, parts, need, table, hosts);
        var isPatched = view.Patches.Touches("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE");
        if (view.Shape.TakesVirtualHosts && table.Count >= HostsApartMin && !isPatched)
        {
            apart.AddRange(table.Select(host => host.In(need.Name)));
            table.Clear();
            head.Vhds = new() { ConfigSource = Protos.Ads };
        }
        if (need.Only is null) table.Add(HostBytes.Encode(VirtualHosts.CatchAll(view.Scope, view.Shape.CountsAttempts)));
        var whole = HostBytes.Table(head, table);
        return isPatched
            ? NamedResource.Of(need.Name, Patching.Apply(RouteConfiguration.Parser.ParseFrom(whole.Body), view.Patches, "SIDECAR_OUTBOUND"))
            : whole;
    }

    private static void AddPort(View view, Parts parts, RouteNeed need, List<EncodedHost> table, List<EncodedHost> hosts)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (service, host, vs) in Hosts(view, need))
        {
            if (need.Only is not null && table.Count > 0) break;
            if (Encoded(view, parts, new(service, host, vs), need, taken, hosts) is { } made) table.Add(made);
        }
    }

    /// <summary>A forward proxy's table: the port is part of the name that is asked for, and left away where it is 80.</summary>
    private static void AddAllPorts(View view, RouteNeed need, List<EncodedHost> table)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var ports = need.Egress.Services.SelectMany(service => service.Ports).Where(port => port.Protocol.IsHttpOrAuto()).Select(port => port.Number).Append(80).Distinct().Order();
        foreach (var port in ports)
            foreach (var (service, host, vs) in Hosts(view, need with { Port = port }))
            {
                var names = Domains(view, service, host).SelectMany(name => port == 80 ? [name, $"{name}:80"] : new[] { $"{name}:{port}" }).Where(taken.Add).ToList();
                if (names.Count > 0) table.Add(HostBytes.Encode(Host(view, new(service, host, vs), port, names, isForAllPorts: true)));
            }
    }

    /// <returns>Null when other hosts took all its names.</returns>
    private static EncodedHost? Encoded(View view, Parts parts, Told told, RouteNeed need, HashSet<string> taken, List<EncodedHost> hosts)
    {
        if (need.Only is null && !view.Scope.AliasesOf(told.Host).Any())
        {
            var usual = parts.Hosts.Get(KeyOf(view, told, need.Port), _ => HostBytes.Encode(Host(view, told, need.Port, Domains(view, told.Service, told.Host))));
            if (!usual.Domains.Any(taken.Contains))
            {
                taken.UnionWith(usual.Domains);
                hosts.Add(usual);
                return usual;
            }
        }
        var free = need.Only is not null ? ["*"] : Domains(view, told.Service, told.Host).Where(taken.Add).ToList();
        return free.Count == 0 ? null : HostBytes.Encode(Host(view, told, need.Port, free));
    }

    private static HostKey KeyOf(View view, Told told, int port)
    {
        var near = told.Service is null || told.Service.Namespace == view.Shape.Namespace ? view.Shape.Namespace : "";
        var rule = told.Service is null ? null : view.RuleFor(told.Service);
        if (told.Rule is not { } vs)
            return new(view.Mesh, told.Service, told.Host, port, rule, near, view.Shape.AnswersDns, view.Shape.CountsAttempts, null, LabelSet.Empty, "", ObjectList.Empty);
        var asks = RouteBuilder.AsksWhoCalls(vs);
        return new(
            view.Mesh, told.Service, told.Host, port, rule, near, view.Shape.AnswersDns, view.Shape.CountsAttempts, vs, asks ? view.Shape.Labels : LabelSet.Empty,
            asks ? view.Shape.Namespace : "", RouteBuilder.Needs(vs, view.Find, view.RuleFor));
    }

    private static VirtualHost Host(View view, Told told, int port, IEnumerable<string> domains, bool isForAllPorts = false)
    {
        var made = new VirtualHost { Name = Names.HostAndPort(told.Host, port), IncludeRequestAttemptCount = view.Shape.CountsAttempts };
        made.Domains.Add(domains);
        var context = view.Routes(port, "mesh") with { MeansListenerPort = !isForAllPorts };
        if (told.Rule is not null) made.Routes.Add(RouteBuilder.Build(told.Rule, context));
        else made.Routes.Add(RouteBuilder.Default(told.Service!, told.Service!.PortNumbered(port)!, context));
        return made;
    }

    /// <summary>A host, the service of that name if there is one, and the VirtualService that speaks for it if one does.</summary>
    private readonly record struct Told(MeshService? Service, string Host, VirtualService? Rule);

    private static IEnumerable<string> Domains(View view, MeshService? service, string host)
    {
        if (service is null) return [host];
        var own = VirtualHosts.DomainsOf(service, host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns);
        return own.Concat(view.Scope.AliasesOf(host)
            .SelectMany(alias => VirtualHosts.DomainsOf(alias, alias.Host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns)));
    }

    /// <summary>Hosts that a VirtualService speaks for, oldest first, then the services that none speaks for.</summary>
    private static IEnumerable<(MeshService? Service, string Host, VirtualService? Rule)> Hosts(View view, RouteNeed need)
    {
        var (egress, port, only) = (need.Egress, need.Port, need.Only);
        var services = new Dictionary<string, MeshService>();
        foreach (var service in only is null ? egress.Services : [only])
            if (service.Resolution != Resolution.Alias && service.PortNumbered(port) is { } at && at.Protocol.IsHttpOrAuto()) services.TryAdd(service.Host, service);

        var left = new HashSet<string>(services.Keys);
        var context = view.Routes(port, "mesh");
        var wildcards = WildcardOwners(egress, services.Keys);
        foreach (var vs in egress.VirtualServices)
        {
            if (vs.Http.IsEmpty) continue;
            if (!RouteBuilder.Says(vs, context)) continue;
            var servesPort = port == 80 || vs.Hosts.Any(host => services.ContainsKey(host) || Covered(host, vs).Count > 0);
            foreach (var host in vs.Hosts)
            {
                if (services.TryGetValue(host, out var exact))
                {
                    left.Remove(host);
                    yield return (exact, host, vs);
                    continue;
                }
                var covered = Covered(host, vs);
                foreach (var service in covered)
                {
                    left.Remove(service.Host);
                    yield return (service, service.Host, vs);
                }
                // A host that no service has at this port is served on port 80 only, or where another host of the same rule has the port.
                if (covered.Count == 0 && only is null && servesPort) yield return (null, host, vs);
            }
        }
        foreach (var service in services.Values)
            if (left.Contains(service.Host)) yield return (service, service.Host, null);

        List<MeshService> Covered(string pattern, VirtualService vs) => Hostnames.IsWildcard(pattern)
            ? [.. services.Values.Where(service => wildcards.GetValueOrDefault(service.Host) == vs && Hostnames.IsWithin(service.Host, pattern))] : [];
    }

    /// <summary>For services without a rule of their own name: the most specific wildcard wins, then the oldest.</summary>
    private static Dictionary<string, VirtualService> WildcardOwners(EgressScope egress, IEnumerable<string> hosts)
    {
        var patterns = new List<(string Pattern, VirtualService Owner)>();
        var exact = new HashSet<string>();
        foreach (var vs in egress.VirtualServices.Where(vs => !vs.Http.IsEmpty))
            foreach (var host in vs.Hosts)
                if (Hostnames.IsWildcard(host)) patterns.Add((host, vs));
                else exact.Add(host);
        var owners = new Dictionary<string, VirtualService>();
        if (patterns.Count == 0) return owners;
        foreach (var host in hosts)
        {
            if (exact.Contains(host)) continue;
            var best = patterns.Where(pattern => Hostnames.IsWithin(host, pattern.Pattern)).OrderByDescending(pattern => pattern.Pattern.Length).FirstOrDefault();
            if (best.Owner is not null) owners[host] = best.Owner;
        }
        return owners;
    }
}
