using Envoy.Config.Listener.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>TCP and passed-through TLS at a gateway: the tcp and tls rules of the VirtualServices bound to it.</summary>
internal static class GatewayTcp
{
    public static IEnumerable<FilterChain> Chains(View view, BoundServer server, Observation observed, ServerPolicies policies)
    {
        var context = view.Routes(server.Server.Port.Number, server.GatewayName);
        var readsSni = server.Server.Port.Protocol is "TLS" or "HTTPS" && server.Terminates is null;
        foreach (var vs in view.World.Registry.VirtualServicesVisibleIn(view.Shape.Namespace))
        {
            if (!vs.Gateways.Contains(server.GatewayName) && !vs.Tls.Concat(vs.Tcp).Any(rule => rule.Match.Any(match => match.Gateways.Contains(server.GatewayName)))) continue;
            var hosts = GatewayHosts.Meeting(server, vs).ToList();
            if (hosts.Count == 0) continue;
            foreach (var rule in vs.Tls)
                foreach (var match in rule.Match)
                {
                    // Where TLS ends here, only the Gateway API's routes by SNI apply; a VirtualService has its tcp rules for that.
                    if (!readsSni && (server.Terminates is null || vs.Semantics != RouteSemantics.Gateway) || !Applies(match, context)) continue;
                    var names = match.SniHosts.Where(sni => sni == "*" || hosts.Exists(host => Hostnames.Matches(sni, host))).ToList();
                    if (names.Count == 0) continue;
                    var chain = Chain(view, rule, context, observed, policies);
                    if (!names.Contains("*")) chain.FilterChainMatch = new() { ServerNames = { names } };
                    if (!match.DestinationSubnets.IsEmpty) (chain.FilterChainMatch ??= new()).PrefixRanges.Add(match.DestinationSubnets.Select(Protos.Cidr));
                    yield return chain;
                }
            if (readsSni) continue;
            foreach (var rule in vs.Tcp)
            {
                if (!rule.Match.IsEmpty && !rule.Match.Any(match => Applies(match, context))) continue;
                yield return Chain(view, rule, context, observed, policies);
                break;
            }
        }
    }

    private static bool Applies(L4Match match, RouteContext context) =>
        (match.Port == 0 || match.Port == context.Port) && context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace);

    private static FilterChain Chain(View view, L4Rule rule, RouteContext context, Observation observed, ServerPolicies policies)
    {
        var chain = new FilterChain();
        chain.Filters.Add(policies.TcpFilters);
        chain.Filters.Add(L4Chains.Among(view, rule, context, observed));
        return chain;
    }
}
