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

    public static RouteTable Build(View view, Parts parts, RouteNeed need)
    {
        var head = new RouteConfiguration
        {
            Name = need.Name,
            ValidateClusters = false,
            IgnorePortInHostMatching = !need.Egress.IsHttpProxy,
            MaxDirectResponseBodySizeBytes = 1_048_576,
        };
        var (hosts, keptAlive) = HostsOf(view, parts, need);
        var isPatched = view.Patches.Touches("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE");
        ImmutableArray<NamedResource> apart = [];
        if (view.Shape.TakesVirtualHosts && hosts.Length >= HostsApartMin && !isPatched)
        {
            // Sent one by one to a proxy that takes them so: then one change does not send the whole table again.
            apart = [.. hosts.Select(host => host.In(need.Name))];
            hosts = [];
            head.Vhds = new() { ConfigSource = Protos.Ads };
        }
        if (need.Only is null) hosts = hosts.Add(HostBytes.Encode(VirtualHosts.CatchAll(view.Scope, view.Shape.CountsAttempts)));
        var whole = HostBytes.Table(head, hosts);
        return new(
            parts.Share(isPatched
                ? NamedResource.Of(need.Name, Patching.Apply(RouteConfiguration.Parser.ParseFrom(whole.Body), view.Patches, "SIDECAR_OUTBOUND"))
                : whole),
            apart, keptAlive);
    }

    /// <returns>The hosts, and what must be kept so that the next table need not encode them again.</returns>
    private static (ImmutableArray<EncodedHost> Hosts, object KeptAlive) HostsOf(View view, Parts parts, RouteNeed need)
    {
        if (!need.Egress.IsHttpProxy && CommonTable.Find(view, parts, need) is { } common
            && common.For(view.Shape.Namespace, told => Usual(view, parts, told, need.Port, view.Shape.Namespace)) is { } hosts) return (hosts, (common, hosts));

        var table = new List<EncodedHost>();
        if (need.Egress.IsHttpProxy) AddAllPorts(view, need, table);
        else AddPort(view, parts, need, table);
        ImmutableArray<EncodedHost> all = [.. table];
        return (all, all);
    }

    private static void AddPort(View view, Parts parts, RouteNeed need, List<EncodedHost> table)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var told in HostList.Of(view, need))
        {
            if (need.Only is not null && table.Count > 0) break;
            if (Encoded(view, parts, told, need, taken) is { } made) table.Add(made);
        }
    }

    /// <summary>A forward proxy's table: the port is part of the name that is asked for, and left away where it is 80.</summary>
    private static void AddAllPorts(View view, RouteNeed need, List<EncodedHost> table)
    {
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var ports = need.Egress.Services.SelectMany(service => service.Ports).Where(port => port.Protocol.IsHttpOrAuto()).Select(port => port.Number).Append(80).Distinct().Order();
        foreach (var port in ports)
            foreach (var told in HostList.Of(view, need with { Port = port }))
            {
                var names = Domains(view, told.Service, told.Host).SelectMany(name => port == 80 ? [name, $"{name}:80"] : new[] { $"{name}:{port}" }).Where(taken.Add).ToList();
                if (names.Count > 0) table.Add(HostBytes.Encode(Host(view, told, port, names, isForAllPorts: true)));
            }
    }

    /// <returns>Null when other hosts took all its names.</returns>
    private static EncodedHost? Encoded(View view, Parts parts, Told told, RouteNeed need, HashSet<string> taken)
    {
        if (need.Only is null && !view.Scope.AliasesOf(told.Host).Any())
        {
            var usual = Usual(view, parts, told, need.Port, view.Shape.Namespace);
            if (!usual.Domains.Any(taken.Contains))
            {
                taken.UnionWith(usual.Domains);
                return usual;
            }
        }
        var free = need.Only is not null ? ["*"] : Domains(view, told.Service, told.Host).Where(taken.Add).ToList();
        return free.Count == 0 ? null : HostBytes.Encode(Host(view, told, need.Port, free));
    }

    /// <summary>A host with all its names, for callers in <paramref name="home"/>; no namespace: the names that callers in all others may use.</summary>
    public static EncodedHost Usual(View view, Parts parts, Told told, int port, string home) => parts.Hosts.Get(KeyOf(view, told, port, home), _ => HostBytes.Encode(Host(
        view, told, port, told.Service is null ? [told.Host] : VirtualHosts.DomainsOf(told.Service, told.Host, home, view.Mesh.Domain, view.Shape.AnswersDns))));

    private static HostKey KeyOf(View view, Told told, int port, string home)
    {
        var near = VirtualHosts.HomeOf(told.Host, view.Mesh.Domain) == home ? home : "";
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

    private static IEnumerable<string> Domains(View view, MeshService? service, string host)
    {
        if (service is null) return [host];
        var own = VirtualHosts.DomainsOf(service, host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns);
        return own.Concat(view.Scope.AliasesOf(host)
            .SelectMany(alias => VirtualHosts.DomainsOf(alias, alias.Host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns)));
    }
}

/// <param name="Apart">Hosts that are sent one by one.</param>
internal sealed record RouteTable(NamedResource Table, ImmutableArray<NamedResource> Apart, object KeptAlive);
