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

    private static Alpn.Types.AlpnOverride Override(Alpn.Types.Protocol protocol, params string[] names) => new() { UpstreamProtocol = protocol, AlpnOverride_ = { names } };
}
