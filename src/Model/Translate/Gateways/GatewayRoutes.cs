using Envoy.Config.Route.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>The route table behind one or more HTTP servers of a gateway. On a host that several claim, the older Gateway's rules come first.</summary>
internal static class GatewayRoutes
{
    /// <param name="servers">All servers that share the table: those of one plain port, or one TLS server.</param>
    public static RouteConfiguration Build(View view, string name, IReadOnlyList<BoundServer> servers)
    {
        var hosts = new Dictionary<string, VirtualHost>();
        var order = new List<VirtualHost>();
        VirtualHost At(BoundServer server, string host)
        {
            if (hosts.TryGetValue(host, out var known)) return known;
            var made = new VirtualHost
            {
                Name = Names.HostAndPort(host, server.Server.Port.Number),
                Domains = { host },
                IncludeRequestAttemptCount = view.Shape.CountsAttempts,
            };
            hosts[host] = made;
            order.Add(made);
            return made;
        }

        foreach (var server in servers)
        {
            var context = view.Routes(server.Server.Port.Number, server.GatewayName) with { Https = !server.IsPlainHttp };
            var redirects = server.IsPlainHttp && server.Server.Tls?.HttpsRedirect == true;
            foreach (var vs in view.World.Registry.VirtualServicesVisibleIn(view.Shape.Namespace))
            {
                if (vs.Http.IsEmpty || !IsBound(vs, server.GatewayName)) continue;
                List<Route>? routes = null;
                foreach (var host in GatewayHosts.Meeting(server, vs))
                {
                    routes ??= RouteBuilder.Build(vs, context);
                    if (routes.Count == 0) break;
                    var target = At(server, host);
                    target.Routes.Add(routes.Select(route => route.Clone()));
                    if (redirects) target.RequireTls = VirtualHost.Types.TlsRequirementType.All;
                }
            }
            if (!redirects) continue;
            // Redirects need no rule: every host that the server names is sent on.
            foreach (var host in server.Hosts) At(server, host).RequireTls = VirtualHost.Types.TlsRequirementType.All;
        }
        if (order.Count == 0)
            order.Add(new() { Name = $"blackhole:{servers[0].Server.Port.Number}", Domains = { "*" } });
        foreach (var host in order) CatchAllLast(host);
        var table = new RouteConfiguration
        {
            Name = name, ValidateClusters = false, IgnorePortInHostMatching = true, MaxDirectResponseBodySizeBytes = 1_048_576,
        };
        table.VirtualHosts.Add(order);
        return table;
    }

    private static bool IsBound(VirtualService vs, string gateway) =>
        vs.Gateways.Contains(gateway) || vs.Http.Any(rule => rule.Match.Any(match => match.Gateways.Contains(gateway)));

    /// <summary>Routes of several teams meet on one host: nobody's catch-all may hide another's rules.</summary>
    private static void CatchAllLast(VirtualHost host)
    {
        var ordered = host.Routes.Where(route => !RouteMatches.TakesAll(route)).Concat(host.Routes.Where(RouteMatches.TakesAll)).ToList();
        host.Routes.Clear();
        host.Routes.Add(ordered);
    }
}
