using System.Net;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Upstream;

/// <summary>What an established connection to an endpoint is. Shared by all exchanges on it.</summary>
internal sealed class UpstreamConnection(EndpointState endpoint, Connection io)
{
    public EndpointState Endpoint => endpoint;
    public Connection Io => io;
    public TlsConnection? Tls { get; } = io as TlsConnection;
    public IPEndPoint? Local { get; } = io.Addresses.Local as IPEndPoint;
    public IPEndPoint? Remote { get; } = io.Addresses.Peer as IPEndPoint;
    public PeerIdentity? Peer { get; } = (io as TlsConnection)?.PeerIdentity as PeerIdentity;
    public string Alpn { get; } = (io as TlsConnection)?.Alpn ?? "";
    public long OpenedAt { get; } = io.Loop.Clock.GetTimestamp();
    /// <summary>Timestamp at which the peer's certificate is over; no exchange begins here after it.</summary>
    public long EndsAt { get; } = ((io as TlsConnection)?.PeerIdentity as PeerIdentity)?.EndsAt(io.Loop.Clock) ?? long.MaxValue;

    /// <summary>Mutual TLS with another proxy of the mesh.</summary>
    public bool IsMeshTls => Peer is { SpiffeId.Length: > 0 };
    /// <summary>Our own metadata was sent on it.</summary>
    public bool ToldPeer { get; set; }

    /// <summary>Istio's peer metadata, once the upstream has told it on this connection.</summary>
    public Observe.WorkloadLabels? PeerLabels { get; set; }
}
