using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Net;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Upstream;

/// <summary>An HTTP/1.1 connection to an endpoint, which is also the stream of the one exchange it carries at a time.</summary>
internal sealed class H1Upstream : IUpstreamStream
{
    private static readonly HttpLimits Limits = HttpLimits.Default;

    private readonly ConnectionPool _pool;
    private readonly Connection _io;
    private readonly H1Parser _parser = new(Limits);
    private readonly H1BodyReader _reader;
    private readonly Action<Connection, PeerNews> _onPeerNews;
    private H1BodyWriter _writer;
    private ResponseContext _asked;
    private bool _requestEnded, _headRead, _keepAlive, _inUse, _closed;
    private int _served;

    public H1Upstream(ConnectionPool pool, UpstreamConnection connection)
    {
        (_pool, Connection, _io) = (pool, connection, connection.Io);
        _reader = new(_io, Limits);
        _onPeerNews = (_, _) => Close();
    }

    public UpstreamConnection Connection { get; }
    public ResponseHead Head { get; private set; } = null!;
    public long IdleSince { get; set; }
    public bool RequestSent { get; private set; }
    public bool IsReused => _served > 1;
    public ProtocolError Problem => _parser.Error.IsNone ? _reader.Problem : _parser.Error;
    public Headers Trailers => _reader.Trailers;
    public int Backlog => _io.Output.Length;

    /// <returns>False when the connection has ended, or said something nobody asked for, while it was idle.</returns>
    public bool TryBegin()
    {
        _io.WatchPeer(null);
        if (!_io.IsOpen || !_io.IsQuiet || !_io.Input.IsEmpty) return false;

        var limits = _pool.Endpoint.Cluster.Config;
        if (limits.MaxConnectionDuration is { } age && _io.Loop.Clock.GetElapsedTime(Connection.OpenedAt) >= age) return false;

        if (_io.Loop.Clock.GetTimestamp() >= Connection.EndsAt) return false;

        _served++;
        _inUse = true;
        _requestEnded = _headRead = _keepAlive = RequestSent = false;
        _parser.Reset();
        return true;
    }

    public void WatchWhileIdle() => _io.WatchPeer(_onPeerNews);

    public void WriteHead(RequestHead head)
    {
        _asked = ResponseContext.For(head);
        head.KeepAlive = true;
        if (head.IsWebSocket && !head.Headers.Has(KnownHeader.SecWebsocketKey)) AddWebSocketKey(head);
        _writer = new(head.IsUpgrade || head.IsConnect ? BodyFraming.Tunnel : head.Body);
        H1Writer.WriteRequest(head, _io.Output);
        RequestSent = true;
    }

    // It came over HTTP/2, which has no key; a server of HTTP/1.1 wants one.
    private void AddWebSocketKey(RequestHead head)
    {
        Span<byte> nonce = stackalloc byte[16];
        _io.Loop.Random.NextBytes(nonce);
        WebSocket.PrepareForHttp1(head, nonce);
    }

    public void Write(ReadOnlySpan<byte> bytes) => _writer.Write(_io, bytes);

    public void End(Headers? trailers)
    {
        _requestEnded = true;
        _writer.End(_io, null);
        if (_headRead && Head.Body.Kind == BodyKind.Tunnel) _io.ShutdownWrite();
    }

    public ValueTask<IoStatus> FlushAsync(Deadline deadline) => _io.FlushWithBatchAsync(deadline);

    public bool TryReadHead(ResponseHead room, out IoStatus status)
    {
        Head = room;
        status = IoStatus.Ok;
        if (_headRead) _reader.Settle();
        if (_io.Input.IsEmpty) return false;

        var parsed = _parser.ParseResponse(_io.Input.Span, room, _asked, out var consumed);
        if (parsed == ParseStatus.NeedMore) return false;
        if (parsed == ParseStatus.Error)
        {
            status = IoStatus.Reset;
            return true;
        }
        _io.Input.Consume(consumed);
        if (room.IsInterim) return true;

        _headRead = true;
        _keepAlive = room.KeepAlive;
        _reader.Begin(room.Body);
        return true;
    }

    public ValueTask<IoStatus> WaitHeadAsync(Deadline deadline) => _io.FillAsync(deadline);

    public FailureKind Explain(IoStatus status) => status switch
    {
        IoStatus.TimedOut => FailureKind.Timeout,
        IoStatus.Aborted => FailureKind.LocalReset,
        _ => Problem.IsNone ? FailureKind.UpstreamClosed : FailureKind.UpstreamProtocolError,
    };

    public void BeginTunnel()
    {
        _writer = new(BodyFraming.Tunnel);
        _requestEnded = false;
    }

    public bool TryRead(out BodyPiece piece) => _reader.TryRead(out piece);

    public ValueTask<IoStatus> WaitAsync(Deadline deadline) => _reader.WaitAsync(deadline);

    public bool Finish()
    {
        _reader.Settle();
        if (!_requestEnded || !_headRead || !_reader.HasEnded || !_keepAlive || !_io.IsOpen || !_io.Input.IsEmpty || !_io.Output.IsEmpty) return false;

        var most = _pool.Endpoint.Cluster.Config.RequestsPerConnectionMax;
        if (most > 0 && _served >= most) return false;

        _inUse = false;
        _pool.TakeBack(this);
        return true;
    }

    public void Release()
    {
        if (!_inUse) return;

        if (_requestEnded && _headRead && _reader.HasEnded) Close();
        else Abort();
    }

    public void Abort()
    {
        if (_closed) return;

        _inUse = false;
        _closed = true;
        _io.WatchPeer(null);
        _io.Abort();
        _pool.Forget(this);
    }

    public void Close()
    {
        if (_closed) return;

        _inUse = false;
        _closed = true;
        _io.WatchPeer(null);
        _io.Close();
        _pool.Forget(this);
    }
}
