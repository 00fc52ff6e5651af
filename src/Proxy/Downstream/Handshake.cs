using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Downstream;

/// <summary>Room 2b of 8: TLS with the caller. Afterwards it is known who it is.</summary>
internal static class Handshake
{
    private static readonly TimeSpan TimeoutMax = TimeSpan.FromSeconds(10);

    /// <returns>Null when it failed; the connection is closed then.</returns>
    public static async ValueTask<Connection?> RunAsync(Worker worker, ClientConnection client, FilterChain chain, Connection io)
    {
        var offersMesh = chain.Http is not null && chain.Tls!.RequireClientCertificate && worker.Node.Http2BetweenSidecars;
        var (context, reason) = worker.Secure.ForServer(chain.Tls!, offersMesh);
        if (context is null)
        {
            client.TransportFailure = reason;
            worker.Counters.TlsFailures++;
            return null;
        }

        var deadline = Deadline.After(io.Loop.Clock, chain.HandshakeTimeout is { Ticks: > 0 } limit ? limit : TimeoutMax);
        var outcome = await context.HandshakeAsync(io, deadline);
        if (outcome.Connection is not { } secured)
        {
            client.TransportFailure = outcome.Reason;
            worker.Counters.TlsFailures++;
            return null;
        }

        worker.Counters.TlsHandshakes++;
        client.Alpn = secured.Alpn;
        client.Peer = secured.PeerIdentity as PeerIdentity;
        client.PeerEndsAt = client.Peer?.EndsAt(worker.Loop.Clock) ?? long.MaxValue;
        client.TlsVersion = Observe.TlsNames.Of(secured.Version) ?? "";
        client.CipherSuite = secured.CipherSuite;
        client.LocalUri = worker.Secure.OwnUri(chain.Tls!);
        if (secured.ServerName is { Length: > 0 } name) client.ServerName = name.ToLowerInvariant();
        return secured;
    }
}
