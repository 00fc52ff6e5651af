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
        var rules = egress.VirtualServices.Where(vs => !(vs.Tls.IsEmpty && vs.Tcp.IsEmpty) && vs.Hosts.Any(host => Hostnames.Matches(host, service.Host))).ToList();
        if (port.Protocol.IsTls())
        {
            var tls = Tls(view, rules, ref cidrs, context, observed);
            if (tls.Count > 0) return tls;
        }
        else if (Tcp(view, rules, service, port, context, cidrs, observed) is { Count: > 0 } tcp) return tcp;

        var chain = new FilterChain { Filters = { To(view, service, port, observed) } };
        if (port.Protocol.IsTls() && isAnywhere) chain.FilterChainMatch = new() { ServerNames = { ServerName(service.Host) } };
        Narrow(chain, cidrs);
        return [chain];
    }

    public static string ServerName(string host) => host == "*" ? "" : host;

    /// <summary>One chain for each set of names, of all VirtualServices that speak for the host. A name that none has leads nowhere in particular: it passes through.</summary>
    /// <param name="cidrs">The subnets of a match hold for those after it too, as in Istio.</param>
    private static List<FilterChain> Tls(View view, List<VirtualService> rules, ref ImmutableArray<string> cidrs, RouteContext context, Observation observed)
    {
        var chains = new List<FilterChain>();
        var taken = new HashSet<string>();
        foreach (var rule in rules.SelectMany(vs => vs.Tls).Where(rule => !rule.Route.IsEmpty))
            foreach (var match in rule.Match)
            {
                if (!Applies(match, context)) continue;
                if (!match.DestinationSubnets.IsEmpty) cidrs = match.DestinationSubnets;
                if (!taken.Add($"{string.Join(',', match.SniHosts)}|{string.Join(',', match.DestinationSubnets)}")) continue;
                var chain = new FilterChain { FilterChainMatch = new() { ServerNames = { match.SniHosts.Select(ServerName) } }, Filters = { Among(view, rule, context, observed) } };
                Narrow(chain, cidrs);
                chains.Add(chain);
            }
        return chains;
    }

    private static List<FilterChain> Tcp(
        View view, List<VirtualService> rules, MeshService service, ServicePort port, RouteContext context, ImmutableArray<string> cidrs, Observation observed)
    {
        var chains = new List<FilterChain>();
        foreach (var rule in rules.SelectMany(vs => vs.Tcp).Where(rule => !rule.Route.IsEmpty))
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
        (match.Port == 0 || match.Port == context.Port) && context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace)
        && match.SourceLabels.Selects(context.Labels) && (match.SourceNamespace.Length == 0 || match.SourceNamespace == context.Namespace);

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
}
