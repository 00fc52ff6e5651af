using System.Net.Security;
using System.Security.Authentication;

namespace Mesh.Net.Tls;

/// <summary>One SslStream over an inner connection, on its loop: with no SynchronizationContext installed its continuations run there too.</summary>
internal sealed class SslStreamConnection : TlsConnection
{
    private static readonly TimeSpan AlertLinger = TimeSpan.FromSeconds(1);

    private readonly Connection _inner;
    private readonly BytePump _pump;

    private SslStreamConnection(Connection inner, SslStream ssl, ConnectionStream stream, SslStreamPeer peer, string? askedName)
        : base(inner.Loop)
    {
        _inner = inner;
        _pump = new(Loop, new SslBytes(ssl, stream, inner), OnReadable, OnWritable);
        PeerCertificates = peer.Certificates;
        PeerIdentity = peer.Identity;
        Alpn = ssl.NegotiatedApplicationProtocol is { Protocol.IsEmpty: false } protocol ? protocol.ToString() : null;
        ServerName = askedName ?? (ssl.TargetHostName.Length > 0 ? ssl.TargetHostName : null);
        Version = ssl.SslProtocol == SslProtocols.Tls13 ? TlsVersion.Tls13 : TlsVersion.Tls12;
        CipherSuite = ssl.NegotiatedCipherSuite.ToString();
        _pump.Start();
    }

    public override ConnectionAddresses Addresses => _inner.Addresses;

    protected override bool MayReceive => _pump.MayReceive;

    protected override bool HasPeerClosed => _pump.HasPeerClosed;

    internal static async ValueTask<TlsOutcome> HandshakeAsync(SslStreamContext context, Connection inner, Deadline deadline, string? serverName)
    {
        var stream = new ConnectionStream(inner) { Deadline = deadline };
        var ssl = new SslStream(stream, leaveInnerStreamOpen: true);
        var peer = new SslStreamPeer();
        string? reason;
        try
        {
            if (context.Settings.Side == TlsSide.Client) await ssl.AuthenticateAsClientAsync(context.ClientOptions(serverName, peer));
            else await AuthenticateAsServerAsync(ssl, context, peer);

            await inner.Loop.SwitchTo();
            stream.Deadline = Deadline.Never;
            return new(new SslStreamConnection(inner, ssl, stream, peer, serverName), IoStatus.Ok);
        }
        catch (Exception e) when (e is AuthenticationException or IOException or InvalidOperationException)
        {
            reason = peer.Refusal ?? e.InnerException?.Message ?? e.Message;
        }

        await inner.Loop.SwitchTo();
        await ssl.DisposeAsync();
        var status = stream.ReadEnd is IoStatus.Ok or IoStatus.End ? IoStatus.TlsFailed : stream.ReadEnd;
        _ = inner.CloseGentlyAsync(Deadline.After(inner.Loop.Clock, AlertLinger));
        return new(null, status, reason);
    }

    // The end stands behind bytes that the pump holds: take them in.
    protected override void LookForNews()
    {
        while (TryFill() == IoStatus.Ok)
        {
            // Into Input, up to its bound.
        }
    }

    protected override IoStatus Receive(Span<byte> buffer, out int count) => _pump.Receive(buffer, out count);

    protected override IoStatus Send(ReadOnlySpan<byte> bytes, out int sent) => _pump.Send(bytes, out sent);

    protected override void SendEnd() => _pump.SendEnd();

    protected override void Release(bool reset) => _pump.Release(reset);

    private static Task AuthenticateAsServerAsync(SslStream ssl, SslStreamContext context, SslStreamPeer peer) =>
        ssl.AuthenticateAsServerAsync(
            (_, hello, _, _) =>
            {
                var chosen = hello.ServerName.Length > 0 ? context.Settings.ChooseByServerName?.Invoke(hello.ServerName) as SslStreamContext : null;
                return new((chosen ?? context).ServerOptions(peer));
            },
            null);

    private sealed class SslBytes(SslStream ssl, ConnectionStream stream, Connection inner) : IAsyncBytes
    {
        private bool _hasEnded;

        public async ValueTask<(int Count, IoStatus Status)> ReadAsync(Memory<byte> buffer)
        {
            try
            {
                var count = await ssl.ReadAsync(buffer);
                return count > 0 ? (count, IoStatus.Ok) : (0, IoStatus.End);
            }
            catch (Exception e) when (IsBreak(e))
            {
                return (0, stream.ReadEnd == IoStatus.Ok ? IoStatus.TlsFailed : IoStatus.Reset);
            }
        }

        public async ValueTask<IoStatus> WriteAsync(ReadOnlyMemory<byte> source)
        {
            try
            {
                await ssl.WriteAsync(source);
                return IoStatus.Ok;
            }
            catch (Exception e) when (IsBreak(e))
            {
                return IoStatus.Reset;
            }
        }

        public async ValueTask EndAsync()
        {
            if (_hasEnded) return;

            _hasEnded = true;
            try
            {
                await ssl.ShutdownAsync();
            }
            catch (Exception e) when (IsBreak(e))
            {
                // The other side is gone: nobody to say goodbye to.
            }

            inner.ShutdownWrite();
        }

        public ValueTask CloseAsync()
        {
            inner.Close();
            return ssl.DisposeAsync();
        }

        public void Abort()
        {
            inner.Abort();
            _ = ssl.DisposeAsync();
        }

        private static bool IsBreak(Exception e) => e is IOException or ObjectDisposedException or InvalidOperationException;
    }
}
