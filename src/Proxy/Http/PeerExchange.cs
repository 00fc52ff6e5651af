using Mesh.Http;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>
/// Istio's exchange of workload metadata in headers, over mutual TLS of the mesh only: each side tells the other what its metrics need, and neither application sees it.
/// Between our own sidecars it is told once a connection.
/// </summary>
internal static class PeerExchange
{
    public static void ToUpstream(Exchange exchange, IUpstreamStream stream)
    {
        var headers = exchange.Request.Headers;
        var node = exchange.Worker.Node;
        if (!stream.Connection.IsMeshTls || node.PeerMetadata.Length == 0 || stream.Connection.ToldPeer && stream.Connection.Alpn == Security.TlsContexts.MeshH2)
        {
            headers.Remove(KnownHeader.XEnvoyPeerMetadata);
            headers.Remove(KnownHeader.XEnvoyPeerMetadataId);
            return;
        }
        stream.Connection.ToldPeer = true;
        headers.Set(KnownHeader.XEnvoyPeerMetadata, exchange.Worker.Bytes(node.PeerMetadata));
        headers.Set(KnownHeader.XEnvoyPeerMetadataId, exchange.Worker.Bytes(node.Id));
    }

    public static void FromUpstream(Exchange exchange, UpstreamConnection connection)
    {
        var headers = exchange.Response.Headers;
        if (headers.TryGet(KnownHeader.XEnvoyPeerMetadata, out var text))
        {
            if (connection.IsMeshTls) connection.PeerLabels = exchange.Worker.PeerLabels(text);
            headers.Remove(KnownHeader.XEnvoyPeerMetadata);
            headers.Remove(KnownHeader.XEnvoyPeerMetadataId);
        }
        exchange.UpstreamLabels = connection.PeerLabels;
    }

    public static void FromDownstream(Exchange exchange)
    {
        var headers = exchange.Request.Headers;
        if (!exchange.Client.IsInbound || !headers.TryGet(KnownHeader.XEnvoyPeerMetadata, out var text)) return;

        exchange.OwesPeerMetadata = true;
        exchange.DownstreamLabels = exchange.Client.PeerLabels = exchange.Worker.PeerLabels(text);
        headers.Remove(KnownHeader.XEnvoyPeerMetadata);
        headers.Remove(KnownHeader.XEnvoyPeerMetadataId);
    }

    /// <summary>Only whoever told is told.</summary>
    public static void ToDownstream(Exchange exchange)
    {
        if (!exchange.OwesPeerMetadata) return;

        var node = exchange.Worker.Node;
        exchange.Response.Headers.Set(KnownHeader.XEnvoyPeerMetadata, exchange.Worker.Bytes(node.PeerMetadata));
        exchange.Response.Headers.Set(KnownHeader.XEnvoyPeerMetadataId, exchange.Worker.Bytes(node.Id));
    }
}
