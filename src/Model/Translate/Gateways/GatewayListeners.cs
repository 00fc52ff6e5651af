using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One listener for each address and port, one chain for all plain HTTP, one for each TLS server.</summary>
internal static class GatewayListeners
{
    /// <summary>
    /// On a Gateway: what becomes of a request on a connection that was made for a host of another server. "serve": it is routed all the same, as in Istio;
    /// "strict": it is answered 421, even where a wildcard of this server covers its host. Otherwise 421 where it would be 404.
    /// </summary>
    private const string MisdirectedRequests = "mesh.local/misdirected-requests";

    public static (List<Listener> Listeners, Dictionary<string, List<BoundServer>> Routes, List<string> Secrets) Build(
        View view, IEnumerable<BoundServer> servers, Observation observed, ServerPolicies policies)
    {
        var listeners = new List<Listener>();
        var routes = new Dictionary<string, List<BoundServer>>();
        var secrets = new List<string>();
        foreach (var group in servers.GroupBy(server => (server.Bind, server.Port)))
        {
            var listener = new Listener
            {
                Name = Names.Listener(group.Key.Bind, group.Key.Port),
                Address = Protos.Address(group.Key.Bind, group.Key.Port),
                TrafficDirection = TrafficDirection.Outbound,
                ContinueOnListenerFiltersTimeout = true,
            };
            var taken = new HashSet<string>();
            foreach (var server in group)
            {
                if (server.IsPlainHttp)
                {
                    if (routes.TryGetValue(server.RouteName, out var sharing)) sharing.Add(server);
                    else
                    {
                        routes[server.RouteName] = [server];
                        listener.FilterChains.Add(new FilterChain { Filters = { Http(view, server, observed, policies) } });
                    }
                    continue;
                }
                foreach (var chain in Secured(view, server, observed, policies, routes, secrets))
                    AddOnce(listener, chain, taken);
            }
            if (listener.FilterChains.Count == 0) continue;
            if (view.Shape.Settings.AcceptsProxyProtocol) listener.ListenerFilters.Add(ListenerFilters.ProxyProtocol());
            // Only where something depends on it: a server that speaks first must not wait for the caller's first byte.
            if (listener.FilterChains.Any(chain => chain.FilterChainMatch is { ServerNames.Count: > 0 } || chain.TransportSocket is not null))
                listener.ListenerFilters.Add(ListenerFilters.Tls());
            listener.AccessLog.Add(observed.ListenerLogs);
            listeners.Add(listener);
        }
        return (listeners, routes, secrets);
    }

    /// <summary>Envoy refuses a listener in which two chains ask for the same; the older server keeps the host.</summary>
    private static void AddOnce(Listener listener, FilterChain chain, HashSet<string> taken)
    {
        if (chain.FilterChainMatch is { ServerNames.Count: > 0 } match)
        {
            var prefix = string.Join(',', match.PrefixRanges.Select(range => range.ToString()));
            var free = match.ServerNames.Where(name => taken.Add($"{prefix}|{name}")).ToList();
            if (free.Count == 0) return;
            match.ServerNames.Clear();
            match.ServerNames.Add(free);
        }
        else if (!taken.Add(chain.FilterChainMatch?.ToString() ?? "*")) return;
        listener.FilterChains.Add(chain);
    }

    private static IEnumerable<FilterChain> Secured(
        View view, BoundServer server, Observation observed, ServerPolicies policies, Dictionary<string, List<BoundServer>> routes, List<string> secrets)
    {
        if (server.Terminates is not { } tls)
        {
            foreach (var chain in server.Server.Tls?.Mode == ServerTlsMode.AutoPassthrough ? AutoPassthrough(view, server, observed) : GatewayTcp.Chains(view, server, observed, policies))
                yield return chain;
            yield break;
        }
        var context = GatewayTls.Build(server, tls, view.Mesh);
        secrets.AddRange(GatewaySecrets.Wanted(context));
        var socket = Protos.Socket(ClusterTls.SocketName, context);
        var names = server.Hosts.Where(host => host != "*").ToList();
        if (server.Hosts.Contains("*")) names.Clear();
        if (server.IsHttp)
        {
            routes[server.RouteName] = [server];
            var chain = new FilterChain { TransportSocket = socket, Filters = { Http(view, server, observed, policies) } };
            if (server.Gateway.Meta.Annotations[MisdirectedRequests] is ("serve" or "strict") and var mode)
                chain.Metadata = new() { FilterMetadata = { ["mesh"] = Protos.Struct(("misdirected_requests", Google.Protobuf.WellKnownTypes.Value.ForString(mode))) } };
            if (names.Count > 0) chain.FilterChainMatch = new() { ServerNames = { names } };
            yield return chain;
            yield break;
        }
        foreach (var chain in GatewayTcp.Chains(view, server, observed, policies))
        {
            chain.TransportSocket = socket;
            if (names.Count > 0 && chain.FilterChainMatch is not { ServerNames.Count: > 0 }) (chain.FilterChainMatch ??= new()).ServerNames.Add(names);
            yield return chain;
        }
    }

    private static Filter Http(View view, BoundServer server, Observation observed, ServerPolicies policies)
    {
        var settings = view.Shape.Settings;
        var manager = HttpManagers.Create($"outbound_{server.Bind}_{server.Port}", view.Mesh, view.Shape, observed);
        manager.UseRemoteAddress = true;
        manager.XffNumTrustedHops = settings.TrustedProxies;
        manager.ServerName = settings.Headers is { ServerValue.Length: > 0 } headers ? headers.ServerValue : "istio-envoy";
        ClientCertificates.Apply(
            manager, settings.Headers,
            ClientCertificates.Named(settings.ForwardClientCertDetails, HttpConnectionManager.Types.ForwardClientCertDetails.SanitizeSet));
        if (settings.Headers?.SetCurrentClientCertDetails.Exists != true && manager.SetCurrentClientCertDetails is { } details) details.Cert = true;
        manager.Rds = new() { ConfigSource = Protos.Ads, RouteConfigName = server.RouteName };
        manager.HttpFilters.Add(policies.HttpFilters);
        HttpManagers.AddCommonFilters(manager, view.Shape, observed, isOutbound: true);
        return HttpManagers.AsNetworkFilter(manager);
    }

    /// <summary>Between networks: the SNI of mesh mTLS names the cluster, and nothing is decrypted.</summary>
    private static IEnumerable<FilterChain> AutoPassthrough(View view, BoundServer server, Observation observed)
    {
        foreach (var service in view.Scope.Services)
        {
            if (service.IsExternal || !server.Hosts.Any(host => Hostnames.IsWithin(service.Host, host))) continue;
            foreach (var port in service.Ports)
            {
                if (port.Protocol == AppProtocol.Udp) continue;
                foreach (var subset in (view.RuleFor(service)?.Subsets.Select(subset => subset.Name) ?? []).Prepend(""))
                {
                    var name = Names.Sni(port.Number, subset, service.Host);
                    // The protocol of mesh mTLS, so that nobody reaches a workload's plain text this way.
                    yield return new FilterChain
                    {
                        FilterChainMatch = new() { ServerNames = { name }, ApplicationProtocols = { InboundListener.IstioAny } }, Filters = { TcpProxies.To(name, observed.Logs) },
                    };
                }
            }
        }
    }
}
