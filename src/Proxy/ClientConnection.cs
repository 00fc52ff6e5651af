using System.Collections.Immutable;
using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Security;

namespace Mesh.Proxy;

/// <summary>What is known about a downstream connection, from its first byte to its end: the same for every request on it. Loop thread only.</summary>
internal sealed class ClientConnection
{
    /// <summary>Counts up per process and loop; %CONNECTION_ID%.</summary>
    public long Id { get; init; }

    public required Listener Listener { get; init; }

    /// <summary>Where it arrived: the socket's own address.</summary>
    public required IPEndPoint LocalSocket { get; init; }

    /// <summary>Where the client was headed: the original destination when redirected, otherwise the socket's address.</summary>
    public required IPEndPoint Destination { get; init; }

    /// <summary>True when <see cref="Destination"/> is not the listener's own address.</summary>
    public bool IsRedirected { get; init; }

    /// <summary>The socket's peer.</summary>
    public required IPEndPoint DirectSource { get; init; }

    /// <summary>The client's address; differs from <see cref="DirectSource"/> behind the PROXY protocol.</summary>
    public required IPEndPoint Source { get; set; }

    /// <summary>Null until a chain was chosen.</summary>
    public FilterChain? Chain { get; set; }

    /// <summary>Set where a host may belong to another chain of the listener than the one that serves this connection.</summary>
    public Downstream.FilterChainMatcher? Rivals { get; set; }

    // What the first bytes showed.
    public bool IsTls { get; set; }
    /// <summary>The server name of the ClientHello, lower case; empty when there was none. %REQUESTED_SERVER_NAME%.</summary>
    public string ServerName { get; set; } = "";
    public ImmutableArray<string> ApplicationProtocols { get; set; } = [];

    // What the handshake showed; only when TLS ends here.
    public string? Alpn { get; set; }
    public string TlsVersion { get; set; } = "";
    public string CipherSuite { get; set; } = "";
    /// <summary>The verified identity of the other side; null over plain text or without a client certificate.</summary>
    public PeerIdentity? Peer { get; set; }
    /// <summary>Timestamp at which the peer's certificate is over; no request is served here after it.</summary>
    public long PeerEndsAt { get; set; } = long.MaxValue;
    /// <summary>Our own identity's URI as presented on this connection; null over plain text.</summary>
    public string? LocalUri { get; set; }

    /// <summary>This connection's part of x-forwarded-client-cert, written once.</summary>
    public byte[]? ClientCertHeader { get; set; }

    public bool IsMutualTls => Peer is not null;

    // Istio's peer metadata, when the peer sent it on this connection.
    public WorkloadLabels? PeerLabels { get; set; }

    public long StartedAt { get; init; }
    public ResponseFlags Flags { get; set; }
    /// <summary>%DOWNSTREAM_TRANSPORT_FAILURE_REASON%.</summary>
    public string? TransportFailure { get; set; }
    /// <summary>%CONNECTION_TERMINATION_DETAILS%.</summary>
    public string? TerminationDetails { get; set; }
    public long BytesReceived { get; set; }
    public long BytesSent { get; set; }

    /// <summary>Exchanges served on it so far.</summary>
    public long Requests { get; set; }

    public bool IsInbound => Listener.Direction == TrafficDirection.Inbound;
}
