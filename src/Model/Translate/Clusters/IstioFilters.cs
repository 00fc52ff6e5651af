using System.Collections.Immutable;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Tcp.Metadataexchange.Config;
using Google.Protobuf.WellKnownTypes;
using Istio.Envoy.Config.Filter.Http.Alpn.V2Alpha1;
using Mesh.Model.Resources;
using Alpn = Istio.Envoy.Config.Filter.Http.Alpn.V2Alpha1.FilterConfig;
using Peer = Io.Istio.Http.PeerMetadata.Config;

namespace Mesh.Model.Translate;

/// <summary>Filters that only Istio's Envoy and our own proxy have; a stock Envoy is not sent them.</summary>
internal static class IstioFilters
{
    private static readonly ImmutableArray<(string Istio, string Name)> MetricNames =
    [
        ("REQUEST_COUNT", "requests_total"), ("REQUEST_DURATION", "request_duration_milliseconds"), ("REQUEST_SIZE", "request_bytes"),
        ("RESPONSE_SIZE", "response_bytes"), ("TCP_OPENED_CONNECTIONS", "tcp_connections_opened_total"), ("TCP_CLOSED_CONNECTIONS", "tcp_connections_closed_total"),
        ("TCP_SENT_BYTES", "tcp_sent_bytes_total"), ("TCP_RECEIVED_BYTES", "tcp_received_bytes_total"),
        ("GRPC_REQUEST_MESSAGES", "request_messages_total"), ("GRPC_RESPONSE_MESSAGES", "response_messages_total"), ("ALL_METRICS", ""),
    ];

    /// <summary>Network level: who is at the other end of a TCP connection.</summary>
    public static Any TcpExchange { get; } = Protos.Pack(new MetadataExchange { Protocol = "istio-peer-exchange", EnableDiscovery = true });

    /// <summary>Chooses the ALPN list by the protocol spoken upstream.</summary>
    public static HttpFilter AlpnFilter { get; } = HttpManagers.Filter("istio.alpn", new Alpn
    {
        AlpnOverride =
        {
            Override(Alpn.Types.Protocol.Http10, "istio-http/1.0", "istio", "http/1.0"),
            Override(Alpn.Types.Protocol.Http11, "istio-http/1.1", "istio", "http/1.1"),
            Override(Alpn.Types.Protocol.Http2, "istio-h2", "istio", "h2"),
        },
    });

    /// <summary>Who is at the other end of a request: told and learned in headers, which are taken off before the application sees them.</summary>
    public static HttpFilter PeerMetadata(bool isOutbound, ProxyHeaders? headers)
    {
        var made = new Peer();
        if (isOutbound)
        {
            made.UpstreamDiscovery.Add(new Peer.Types.DiscoveryMethod { IstioHeaders = new() });
            made.UpstreamDiscovery.Add(new Peer.Types.DiscoveryMethod { WorkloadDiscovery = new() });
            made.UpstreamPropagation.Add(new Peer.Types.PropagationMethod { IstioHeaders = new() { SkipExternalClusters = headers?.MetadataExchange == "IN_MESH" } });
        }
        else
        {
            made.DownstreamDiscovery.Add(new Peer.Types.DiscoveryMethod { IstioHeaders = new() });
            made.DownstreamDiscovery.Add(new Peer.Types.DiscoveryMethod { WorkloadDiscovery = new() });
            made.DownstreamPropagation.Add(new Peer.Types.PropagationMethod { IstioHeaders = new() });
        }
        return HttpManagers.Filter("istio.peer_metadata", made);
    }

    /// <summary>The standard metrics with what Telemetry changes; null when all of them are switched off.</summary>
    public static Stats.PluginConfig? Metrics(ImmutableArray<MetricsSetting> layers, TrafficSide side, bool isGateway)
    {
        var made = new Stats.PluginConfig { DisableHostHeaderFallback = side == TrafficSide.Server || isGateway };
        if (isGateway) made.Reporter = Stats.Reporter.ServerGateway;
        foreach (var layer in layers)
        {
            if (layer.ReportingInterval is { } interval) made.TcpReportingDuration = Protos.Span(interval);
            foreach (var change in layer.Overrides.Where(change => change.Side == TrafficSide.ClientAndServer || change.Side == side))
            {
                var known = MetricNames.FirstOrDefault(metric => metric.Istio == change.Metric);
                var metric = new Stats.MetricConfig { Name = known.Istio is null ? change.Metric : known.Name, Drop = change.Disabled == true };
                foreach (var tag in change.Tags)
                    if (tag.Removes) metric.TagsToRemove.Add(tag.Name);
                    else metric.Dimensions[tag.Name] = tag.Value;
                made.Metrics.Add(metric);
            }
        }
        return made.Metrics.LastOrDefault(metric => metric.Name.Length == 0) is { Drop: true } ? null : made;
    }

    private static Alpn.Types.AlpnOverride Override(Alpn.Types.Protocol protocol, params string[] names) => new() { UpstreamProtocol = protocol, AlpnOverride_ = { names } };
}
