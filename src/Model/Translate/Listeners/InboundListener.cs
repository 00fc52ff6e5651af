using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>15006: every connection that enters the pod. Which chain serves it is a matter of port, TLS and ALPN.</summary>
internal static class InboundListener
{
    private const string ServerName = "istio-envoy";

    private static readonly string[] IstioHttp = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
    private static readonly string[] IstioTcp = ["istio-peer-exchange", "istio"];
    /// <summary>What callers offer who speak mesh mTLS, and nobody else.</summary>
    internal static readonly string[] IstioAny = ["istio", "istio-peer-exchange", .. IstioHttp];
    private static readonly string[] PlainHttp = ["http/1.0", "http/1.1", "h2c"];

    /// <returns>The one that catches what is redirected, and one for each port that is listened on by itself.</returns>
    public static IEnumerable<Listener> Build(View view, ImmutableArray<InboundTarget> targets, Observation observed, ServerPolicies policies)
    {
        var modes = view.World.Policies.ModeFor(view.Shape.Namespace, view.Shape.Labels);
        foreach (var target in targets.Where(target => target.IsBound))
        {
            var address = target.Bind.Length > 0 ? target.Bind : "0.0.0.0";
            var listener = Empty(view, observed, Names.Listener(address, target.Port), Protos.Address(address, target.Port));
            AddChains(listener, view, target, listener.Name, modes.For(target.Port), observed, policies);
            AddInspectors(listener);
            yield return listener;
        }
        if (view.Shape.IsCaptured) yield return Captured(view, targets.RemoveAll(target => target.IsBound), modes, observed, policies);
    }

    private static Listener Captured(View view, ImmutableArray<InboundTarget> targets, MutualTls modes, Observation observed, ServerPolicies policies)
    {
        var listener = Empty(view, observed, Names.VirtualInbound, Protos.Address("0.0.0.0", 15006));
        listener.ListenerFilters.Insert(0, ListenerFilters.OriginalDestination());
        listener.FilterChains.Add(new FilterChain
        {
            Name = "virtualInbound-blackhole",
            FilterChainMatch = new() { DestinationPort = 15006 },
            Filters = { TcpProxies.To(Names.BlackHole, []) },
        });
        foreach (var target in targets)
            AddChains(listener, view, target, $"{(target.Bind.Length > 0 ? target.Bind : "0.0.0.0")}_{target.Port}", modes.For(target.Port), observed, policies);
        // A port with a mode of its own that no service names is guarded by that mode too.
        foreach (var (port, mode) in modes.Ports)
            if (targets.All(target => target.Port != port)) AddPassthrough(listener, view, port, mode, observed, policies);
        AddPassthrough(listener, view, 0, modes.Mode, observed, policies);
        AddInspectors(listener);
        return listener;
    }

    private static Listener Empty(View view, Observation observed, string name, Address address)
    {
        var listener = new Listener
        {
            Name = name,
            Address = address,
            TrafficDirection = TrafficDirection.Inbound,
            ListenerFiltersTimeout = Protos.Span(view.Mesh.ProtocolDetectionTimeout),
            ContinueOnListenerFiltersTimeout = true,
        };
        listener.AccessLog.Add(observed.ListenerLogs);
        return listener;
    }

    /// <summary>Bytes are looked at only on ports where a chain asks what they are: a port that is declared need not wait for its caller.</summary>
    private static void AddInspectors(Listener listener)
    {
        var byPort = listener.FilterChains.Where(chain => chain.FilterChainMatch.DestinationPort is not null and not 15006)
            .ToLookup(chain => chain.FilterChainMatch.DestinationPort!.Value, chain => chain.FilterChainMatch);
        listener.ListenerFilters.Add(ListenerFilters.Except(
            ListenerFilters.Tls(), [.. byPort.Where(port => !port.Any(match => match.TransportProtocol == "tls")).Select(port => port.Key)]));
        listener.ListenerFilters.Add(ListenerFilters.Except(
            ListenerFilters.Http(), [.. byPort.Where(port => !port.Any(IsSniffed)).Select(port => port.Key)]));
    }

    private static bool IsSniffed(FilterChainMatch match) => match.ApplicationProtocols.Any(PlainHttp.Contains);

    private static void AddPassthrough(Listener listener, View view, int port, MutualTlsMode mode, Observation observed, ServerPolicies policies) =>
        AddChains(listener, view, new(port, AppProtocol.Auto, [], ""), port == 0 ? "virtualInbound" : $"virtualInbound-{port}", mode, observed, policies);

    private static void AddChains(Listener listener, View view, InboundTarget target, string name, MutualTlsMode mode, Observation observed, ServerPolicies policies)
    {
        foreach (var (isHttp, transport, protocols, isMutual) in ChainsFor(target.Protocol, mode))
        {
            var match = new FilterChainMatch { TransportProtocol = transport };
            if (target.Port > 0 && !target.IsBound) match.DestinationPort = (uint)target.Port;
            match.ApplicationProtocols.Add(protocols);
            var chain = new FilterChain { Name = target.Services.IsEmpty && isHttp ? $"{name}-catchall-http" : name, FilterChainMatch = match };
            if (isMutual) chain.TransportSocket = Protos.Socket(ClusterTls.SocketName, ServerTls(view.Mesh, isHttp, view.Shape.Kind.HasIstioFilters));
            if (isHttp) chain.Filters.Add(Http(view, target, observed, policies));
            else
            {
                if (isMutual && view.Shape.Kind.HasIstioFilters) chain.Filters.Add(new Filter { Name = "istio.metadata_exchange", TypedConfig = IstioFilters.TcpExchange });
                chain.Filters.Add(policies.TcpFilters);
                chain.Filters.Add(TcpProxies.To(ClusterOf(target), observed.Logs));
            }
            listener.FilterChains.Add(chain);
        }
    }

    private static string ClusterOf(InboundTarget target) =>
        target.Services.IsEmpty && target.Endpoint.Length == 0 && target.Bind.Length == 0 && target.Protocol == AppProtocol.Auto && target.Pool is null
            ? Names.InboundPassthrough : target.Cluster;

    /// <summary>Istio's table: protocol and mode to (HTTP?, transport, ALPN, mutual TLS?).</summary>
    private static IEnumerable<(bool IsHttp, string Transport, string[] Protocols, bool IsMutual)> ChainsFor(AppProtocol protocol, MutualTlsMode mode)
    {
        var (secured, open) = (mode != MutualTlsMode.Disable, mode != MutualTlsMode.Strict);
        if (protocol.IsHttp())
        {
            if (secured) yield return (true, "tls", open ? IstioAny : [], true);
            if (open) yield return (true, secured ? "raw_buffer" : "", [], false);
        }
        else if (protocol == AppProtocol.Auto)
        {
            if (secured)
            {
                yield return (true, "tls", IstioHttp, true);
                yield return (false, "tls", open ? IstioTcp : [], true);
            }
            if (!open) yield break;
            yield return (true, secured ? "raw_buffer" : "", PlainHttp, false);
            yield return (false, secured ? "raw_buffer" : "", [], false);
            if (secured) yield return (false, "tls", [], false);
        }
        else
        {
            if (secured) yield return (false, "tls", open ? IstioAny : [], true);
            if (!open) yield break;
            if (secured) yield return (false, "tls", [], false);
            yield return (false, secured ? "raw_buffer" : "", [], false);
        }
    }

    private static DownstreamTlsContext ServerTls(MeshConfig mesh, bool isHttp, bool hasIstioFilters)
    {
        var common = new CommonTlsContext
        {
            TlsParams = MeshTls.Parameters(mesh),
            TlsCertificateSdsSecretConfigs = { MeshTls.Certificate },
            CombinedValidationContext = MeshTls.Believing([.. new[] { mesh.TrustDomain }.Concat(mesh.TrustDomainAliases).Select(domain => $"spiffe://{domain}/*")]),
        };
        if (hasIstioFilters && !isHttp) common.AlpnProtocols.Add("istio-peer-exchange");
        common.AlpnProtocols.Add(["h2", "http/1.1"]);
        return new() { CommonTlsContext = common, RequireClientCertificate = true };
    }

    private static Filter Http(View view, InboundTarget target, Observation observed, ServerPolicies policies)
    {
        var cluster = ClusterOf(target);
        var manager = HttpManagers.Create($"inbound_0.0.0.0_{target.Port}", view.Mesh, view.Shape, observed);
        var headers = view.Shape.Settings.Headers;
        manager.ServerName = headers is { ServerValue.Length: > 0 } ? headers.ServerValue : ServerName;
        ClientCertificates.Apply(manager, headers, HttpConnectionManager.Types.ForwardClientCertDetails.AppendForward);
        manager.RouteConfig = Patching.Apply(Route(view, target, cluster), view.Patches, "SIDECAR_INBOUND");
        manager.HttpFilters.Add(policies.HttpFilters);
        HttpManagers.AddCommonFilters(manager, view.Shape, observed, isOutbound: false);
        return HttpManagers.AsNetworkFilter(manager);
    }

    private static RouteConfiguration Route(View view, InboundTarget target, string cluster)
    {
        var operation = target.Services is [var (service, port), ..] ? $"{Names.HostAndPort(service.Host, port.Number)}/*" : ":" + target.Port + "/*";
        return new()
        {
            Name = cluster,
            ValidateClusters = false,
            VirtualHosts =
            {
                new VirtualHost
                {
                    Name = $"inbound|http|{(target.Services is [var first, ..] ? first.Port.Number : target.Port)}",
                    Domains = { "*" },
                    Routes =
                    {
                        new Route
                        {
                            Name = "default",
                            Match = new() { Prefix = "/" },
                            Decorator = new() { Operation = operation },
                            Route_ = new()
                            {
                                Cluster = cluster,
                                Timeout = new(),
                                MaxStreamDuration = new() { MaxStreamDuration_ = new(), GrpcTimeoutHeaderMax = new() },
                                RetryPolicy = Retries.Inbound(view.Mesh, target.Protocol is AppProtocol.Grpc or AppProtocol.GrpcWeb),
                            },
                        },
                    },
                },
            },
        };
    }
}
