using Envoy.Config.Core.V3;
using Envoy.Extensions.TransportSockets.ProxyProtocol.V3;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Model.Translate;

/// <summary>Tells the upstream who the caller was, before anything else on the connection.</summary>
internal static class ProxyProtocol
{
    public static void Wrap(Proto.Cluster cluster, int version)
    {
        foreach (var match in cluster.TransportSocketMatches) match.TransportSocket = Around(match.TransportSocket, version);
        if (cluster.TransportSocketMatches.Count > 0) return;
        cluster.TransportSocket = Around(
            cluster.TransportSocket ?? Protos.Socket("envoy.transport_sockets.raw_buffer", new Envoy.Extensions.TransportSockets.RawBuffer.V3.RawBuffer()), version);
    }

    private static TransportSocket Around(TransportSocket inner, int version) => Protos.Socket(
        "envoy.transport_sockets.upstream_proxy_protocol",
        new ProxyProtocolUpstreamTransport
        {
            Config = new() { Version = version == 2 ? ProxyProtocolConfig.Types.Version.V2 : ProxyProtocolConfig.Types.Version.V1 },
            TransportSocket = inner,
        });
}
