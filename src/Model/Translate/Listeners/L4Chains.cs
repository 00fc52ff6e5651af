using System.Collections.Immutable;
using Envoy.Config.Listener.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>The filter chains for one service's TCP or TLS port: VirtualService tls and tcp rules, else the service itself.</summary>
internal static class L4Chains
{
    public static List<FilterChain> Build(
        View view, EgressScope egress, MeshService service, ServicePort port, bool isAnywhere, ImmutableArray<string> cidrs, Observation observed)
    {
        var context = view.Routes(port.Number, "mesh");
        var vs = RuleFor(egress, service);
        if (port.Protocol.IsTls())
        {
            var tls = vs is null ? [] : Tls(view, vs, service, port, context, cidrs, observed);
            if (tls.Count > 0) return tls;
        }
        if (vs is not null && !port.Protocol.IsTls() && Tcp(view, vs, service, port, context, cidrs, observed) is { Count: > 0 } tcp) return tcp;

        var chain = new FilterChain { Filters = { To(view, service, port, observed) } };
        if (port.Protocol.IsTls() && isAnywhere) chain.FilterChainMatch = new() { ServerNames = { ServerName(service.Host) } };
        Narrow(chain, cidrs);
        return [chain];
    }

    public static string ServerName(string host) => host == "*" ? "" : host;

    private static List<FilterChain> Tls(
        View view, VirtualService vs, MeshService service, ServicePort port, RouteContext context, ImmutableArray<string> cidrs, Observation observed)
    {
        var chains = new List<FilterChain>();
        foreach (var rule in vs.Tls)
            foreach (var match in rule.Match)
            {
                if (!Applies(match, context)) continue;
                var hosts = match.SniHosts.Where(host => Hostnames.Matches(host, service.Host) || vs.Hosts.Any(own => Hostnames.IsWithin(host, own))).ToList();
                if (hosts.Count == 0) continue;
                var chain = new FilterChain { FilterChainMatch = new() { ServerNames = { hosts.Select(ServerName) } }, Filters = { Among(view, rule, context, observed) } };
                Narrow(chain, match.DestinationSubnets.IsEmpty ? cidrs : match.DestinationSubnets);
                chains.Add(chain);
            }
        if (chains.Count > 0 && !service.Addresses.IsEmpty && cidrs.IsEmpty) chains.Add(new() { FilterChainMatch = new(), Filters = { To(view, service, port, observed) } });
        return chains;
    }

    private static List<FilterChain> Tcp(
        View view, VirtualService vs, MeshService service, ServicePort port, RouteContext context, ImmutableArray<string> cidrs, Observation observed)
    {
        var chains = new List<FilterChain>();
        foreach (var rule in vs.Tcp)
        {
            if (rule.Match.IsEmpty)
            {
                var all = new FilterChain { Filters = { Among(view, rule, context, observed) } };
                Narrow(all, cidrs);
                chains.Add(all);
                return chains;
            }
            foreach (var match in rule.Match)
            {
                if (!Applies(match, context)) continue;
                var chain = new FilterChain { Filters = { Among(view, rule, context, observed) } };
                Narrow(chain, match.DestinationSubnets.IsEmpty ? cidrs : match.DestinationSubnets);
                chains.Add(chain);
                if (match.DestinationSubnets.IsEmpty) return chains;
            }
        }
        if (chains.Count > 0) chains.Add(new() { Filters = { To(view, service, port, observed) } });
        return chains;
    }

    private static bool Applies(L4Match match, RouteContext context) =>
        (match.Port == 0 || match.Port == context.Port) && context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace);

    public static Filter Among(View view, L4Rule rule, RouteContext context, Observation observed)
    {
        var shares = rule.Route.Select(share => (Cluster: share.IsBroken ? Names.BlackHole : context.ClusterOf(share.Destination), share.Weight)).ToList();
        var first = rule.Route[0].Destination;
        var policy = view.Find(first.Host) is { } service ? view.PolicyOf(service, context.PortOf(first), first.Subset) : null;
        return TcpProxies.Among(string.Join('_', shares.Select(share => share.Cluster).Distinct()), shares, observed.Logs, policy?.ConnectionPool?.TcpIdleTimeout, policy?.Tunnel);
    }

    public static Filter To(View view, MeshService service, ServicePort port, Observation observed)
    {
        var policy = view.PolicyOf(service, port.Number, "");
        return TcpProxies.To(Names.Outbound(port.Number, "", service.Host), observed.Logs, policy.ConnectionPool?.TcpIdleTimeout, policy.Tunnel);
    }

    private static void Narrow(FilterChain chain, ImmutableArray<string> cidrs)
    {
        if (cidrs.IsEmpty) return;
        chain.FilterChainMatch ??= new();
        chain.FilterChainMatch.PrefixRanges.Add(cidrs.Select(Protos.Cidr));
    }

    private static VirtualService? RuleFor(EgressScope egress, MeshService service)
    {
        VirtualService? best = null;
        var bestHost = "";
        foreach (var vs in egress.VirtualServices)
        {
            if (vs.Tls.IsEmpty && vs.Tcp.IsEmpty) continue;
            foreach (var host in vs.Hosts)
                if (Hostnames.IsWithin(service.Host, host) && (best is null || Hostnames.BySpecificity(host, bestHost) < 0)) (best, bestHost) = (vs, host);
        }
        return best;
    }
}
