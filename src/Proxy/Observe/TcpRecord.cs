using System.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>What a TCP connection's log line tells beside the connection itself: where it went and how it ended.</summary>
internal sealed class TcpRecord
{
    public string UpstreamCluster { get; set; } = "";
    public string UpstreamClusterAlias { get; set; } = "";
    public Endpoint? UpstreamEndpoint { get; set; }
    public IPEndPoint? UpstreamLocal { get; set; }
    public IPEndPoint? UpstreamRemote { get; set; }
    public Security.PeerIdentity? UpstreamPeer { get; set; }
    public Net.Tls.TlsConnection? UpstreamTls { get; set; }
    public Cluster? UpstreamConfig { get; set; }
    /// <summary>What the upstream's proxy told of itself, or its endpoint's metadata.</summary>
    public WorkloadLabels? UpstreamLabels { get; set; }
    public ResponseFlags Flags { get; set; }
    /// <summary>%RESPONSE_CODE_DETAILS%, where a filter has refused the connection.</summary>
    public string Details { get; set; } = "";
    public string? UpstreamFailure { get; set; }
    /// <summary>Bytes the client sent, and bytes it got.</summary>
    public long BytesReceived { get; set; }
    public long BytesSent { get; set; }
    public long UpstreamConnectedAt { get; set; }
    public DateTimeOffset StartedUtc { get; set; }
    public long EndedAt { get; set; }
    public int ConnectAttempts { get; set; }
}
