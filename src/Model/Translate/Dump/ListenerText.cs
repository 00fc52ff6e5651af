using Envoy.Config.Listener.V3;
using Envoy.Config.Rbac.V3;
using Envoy.Extensions.Filters.Http.JwtAuthn.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Extensions.Filters.Network.TcpProxy.V3;

namespace Mesh.Model.Translate;

/// <summary>Listeners and their chains: which connections, and what becomes of them.</summary>
internal static class ListenerText
{
    public static IEnumerable<string> Lines(Listener listener)
    {
        yield return DumpText.Join(listener.Name, listener.BindToPort == false ? null : $"listens on {DumpText.Of(listener.Address)}");
        foreach (var chain in listener.FilterChains)
            foreach (var line in Chain(chain, Match(chain.FilterChainMatch))) yield return line;
        if (listener.DefaultFilterChain is not { } rest) yield break;
        foreach (var line in Chain(rest, "else")) yield return line;
    }

    public static IEnumerable<string> HttpFilters(Listener listener) => listener.FilterChains.SelectMany(chain => chain.Filters
        .Where(filter => filter.Name == HttpManagers.Name)
        .Select(filter => $"{chain.Name}  {string.Join(" → ", filter.TypedConfig.Unpack<HttpConnectionManager>().HttpFilters.Select(http => http.Name))}")).Distinct();

    private static string Match(FilterChainMatch? match)
    {
        if (match is null) return "all";
        var text = DumpText.Join(
            match.DestinationPort is { } port ? $"port {port}" : null, match.PrefixRanges.Count > 0 ? string.Join(' ', match.PrefixRanges.Select(range => $"{range.AddressPrefix}/{range.PrefixLen}")) : null,
            match.TransportProtocol == "tls" ? "tls" : match.TransportProtocol == "raw_buffer" ? "plain" : null, string.Join(',', match.ApplicationProtocols),
            match.ServerNames.Count > 0 ? $"sni {string.Join(' ', match.ServerNames)}" : null);
        return text.Length == 0 ? "all" : text;
    }

    private static IEnumerable<string> Chain(FilterChain chain, string match)
    {
        var terminates = chain.TransportSocket is null ? null : "ends tls";
        // What guards comes first in the chain, and is told below it.
        foreach (var filter in chain.Filters.OrderBy(filter => filter.Name is TcpProxies.Name or HttpManagers.Name ? 0 : 1))
        {
            if (filter.Name == HttpManagers.Name)
            {
                var manager = filter.TypedConfig.Unpack<HttpConnectionManager>();
                yield return $"  {DumpText.Join(match, "→", terminates, "http", manager.Rds is { } rds ? $"routes {rds.RouteConfigName}" : Inline(manager))}";
                foreach (var line in manager.HttpFilters.SelectMany(Policy)) yield return $"    {line}";
            }
            else if (filter.Name == TcpProxies.Name)
            {
                var proxy = filter.TypedConfig.Unpack<TcpProxy>();
                yield return $"  {DumpText.Join(match, "→", terminates, proxy.TunnelingConfig is { } tunnel ? $"tunnel to {tunnel.Hostname}" : null, proxy.WeightedClusters is { } many ? string.Join(", ", many.Clusters.Select(one => $"{one.Weight} {one.Name}")) : proxy.Cluster)}";
            }
            else if (filter.Name == "envoy.filters.network.rbac")
                foreach (var line in Rbac(filter.TypedConfig.Unpack<Envoy.Extensions.Filters.Network.Rbac.V3.RBAC>().Rules)) yield return $"    tcp {line}";
        }
    }

    private static string Inline(HttpConnectionManager manager) => manager.RouteConfig.VirtualHosts[0].Routes[0].Route_.Cluster;

    private static IEnumerable<string> Policy(HttpFilter filter) => filter.Name switch
    {
        "envoy.filters.http.rbac" => Rbac(filter.TypedConfig.Unpack<Envoy.Extensions.Filters.Http.Rbac.V3.RBAC>().Rules),
        "envoy.filters.http.jwt_authn" => Tokens(filter.TypedConfig.Unpack<JwtAuthentication>()),
        "envoy.filters.http.ext_authz" => ["asks an external check"],
        _ => [],
    };

    private static IEnumerable<string> Tokens(JwtAuthentication tokens)
    {
        var requirement = tokens.Rules[0].Requires;
        var required = requirement.RequiresAll is { } all ? all.Requirements : [requirement];
        return tokens.Providers.Select(provider => $"tokens of {provider.Value.Issuer}{(required.Any(one => one.ProviderName == provider.Key) ? " required" : "")}");
    }

    private static IEnumerable<string> Rbac(RBAC? rules)
    {
        if (rules is null) yield break;
        var action = rules.Action switch { RBAC.Types.Action.Deny => "deny", RBAC.Types.Action.Log => "audit", _ => "allow" };
        if (rules.Policies.Count == 0) yield return $"{action} nothing";
        foreach (var (name, policy) in rules.Policies)
            yield return $"{action} {name}: {string.Join(" or ", policy.Principals.Select(AccessText.Of))} may {string.Join(" or ", policy.Permissions.Select(AccessText.Of))}";
    }
}
