using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Upstream;

/// <summary>One exchange's stream on an HTTP/2 connection to an endpoint. Used again for later exchanges on the same connection.</summary>
internal sealed class H2UpstreamStream(H2Upstream connection) : IUpstreamStream
{
    /// <summary>Says on our own HTTP/2 that the exchange is one of HTTP/1.1; taken off again by the sidecar that reads it.</summary>
    public static ReadOnlySpan<byte> VersionHeader => "x-mesh-http-version"u8;

    private readonly LoopSignal _news = new(connection.Loop);
    private readonly ByteQueue _received = new(connection.Loop.Buffers, roomMin: BufferPool.SmallBytes);
    private readonly ByteQueue _unsent = new(connection.Loop.Buffers, roomMin: BufferPool.SmallBytes);
    private H2Stream? _stream;
    private Headers? _trailersToSend;
    private int _given;
    private bool _headArrived, _remoteEnded, _endIsDue, _localEnded, _isRefused, _wasReset, _inUse;
    private IoStatus _connectionEnd;

    public UpstreamConnection Connection => connection.Connection;
    public ResponseHead Head => _stream!.Response;
    public ProtocolError Problem { get; set; }
    public Headers Trailers => _stream!.Trailers;
    public bool RequestSent { get; private set; }
    public bool IsReused { get; private set; }
    public int Backlog => _unsent.Length;

    private bool IsDead => _wasReset || _connectionEnd != IoStatus.Ok || _stream is null;

    public void Begin(bool isReused)
    {
        _stream = null;
        _trailersToSend = null;
        _given = 0;
        _headArrived = _remoteEnded = _endIsDue = _localEnded = _isRefused = _wasReset = RequestSent = false;
        _connectionEnd = IoStatus.Ok;
        _inUse = true;
        Problem = default;
        IsReused = isReused;
    }

    public void WriteHead(RequestHead head)
    {
        if (connection.IsMesh)
        {
            if (connection.CarriesHttp1) head.Headers.Set(VersionHeader, "1.1"u8);
            else head.Headers.Remove(VersionHeader);
        }
        _localEnded = head.Body.IsEmpty && !head.IsUpgrade && !head.IsConnect;
        _stream = connection.Session.OpenStream(head, _localEnded, connection.NowMs);
        if (_stream is null)
        {
            _isRefused = _wasReset = true;
            return;
        }
        _stream.Tag = this;
        RequestSent = true;
        connection.FlushSoon();
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (IsDead || bytes.IsEmpty) return;

        var taken = _unsent.IsEmpty ? connection.Session.SendData(_stream!, bytes, false) : 0;
        if (taken < bytes.Length) _unsent.Write(bytes[taken..]);
        connection.FlushSoon();
    }

    public void End(Headers? trailers)
    {
        if (IsDead || _localEnded) return;

        _trailersToSend = trailers is { Count: > 0 } ? trailers : null;
        _endIsDue = true;
        OnWritable();
    }

    public ValueTask<IoStatus> FlushAsync(Deadline deadline)
    {
        if (IsDead) return new(DeadStatus());

        connection.FlushSoon();
        return _unsent.IsEmpty ? connection.RoomAsync(deadline) : DrainAsync(deadline);
    }

    public bool TryReadHead(ResponseHead room, out IoStatus status)
    {
        var isHere = _headArrived;
        _headArrived = false;
        status = isHere ? IoStatus.Ok : DeadStatus();
        return isHere || IsDead;
    }

    public ValueTask<IoStatus> WaitHeadAsync(Deadline deadline) => _news.WaitAsync(deadline);

    public bool TryRead(out BodyPiece piece)
    {
        GiveWindowBack();
        _given = _received.Length;
        piece = new(_received.Memory, _remoteEnded);
        return _given > 0 || _remoteEnded;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<IoStatus> WaitAsync(Deadline deadline)
    {
        GiveWindowBack();
        while (_received.IsEmpty && !_remoteEnded)
        {
            if (IsDead) return DeadStatus();

            var status = await _news.WaitAsync(deadline);
            if (status != IoStatus.Ok) return status;
        }
        return IoStatus.Ok;
    }

    public FailureKind Explain(IoStatus status)
    {
        if (status == IoStatus.TimedOut) return FailureKind.Timeout;
        if (!Problem.IsNone) return FailureKind.UpstreamProtocolError;
        if (_isRefused) return FailureKind.UpstreamRefusedStream;
        if (_wasReset) return FailureKind.UpstreamReset;

        return _connectionEnd is IoStatus.Ok or IoStatus.Aborted ? FailureKind.LocalReset : FailureKind.UpstreamClosed;
    }

    public void BeginTunnel() { }

    public bool Finish() => false; // other streams need not wait for this one

    public void Release()
    {
        if (!_inUse) return;

        _inUse = false;
        GiveWindowBack();
        if (_stream is not null)
        {
            // Bytes that nobody will read must not keep the window of the others.
            if (_received.Length > 0) connection.Session.Consumed(_stream, _received.Length);
            _stream.Tag = null;
            connection.Session.Release(_stream);
            if (!connection.IsClosed) connection.FlushSoon();
        }
        _stream = null;
        _received.Release();
        _unsent.Release();
        connection.GiveBack(this);
    }

    public void Abort()
    {
        if (_stream is not null && !_wasReset) connection.Session.Reset(_stream, H2ErrorCode.Cancel);
        if (!connection.IsClosed) connection.FlushSoon();
        _connectionEnd = IoStatus.Aborted;
        _news.WakeAll(IoStatus.Aborted);
    }

    // ---- what the connection tells

    public void OnHead(bool ends)
    {
        _headArrived = true;
        _remoteEnded |= ends;
        _news.Wake();
    }

    public void OnData(ReadOnlySpan<byte> data, bool ends)
    {
        _received.Write(data);
        _remoteEnded |= ends;
        _news.Wake();
    }

    public void OnTrailers()
    {
        _remoteEnded = true;
        _news.Wake();
    }

    public void OnReset(H2ErrorCode code, ProtocolError error)
    {
        _wasReset = true;
        _isRefused = code == H2ErrorCode.RefusedStream;
        Problem = error;
        _news.Wake();
    }

    public void OnWritable()
    {
        if (IsDead) return;

        if (!_unsent.IsEmpty)
        {
            var ends = _endIsDue && _trailersToSend is null;
            var taken = connection.Session.SendData(_stream!, _unsent.Span, ends);
            _unsent.Consume(taken);
            _localEnded = ends && _unsent.IsEmpty;
        }
        if (_unsent.IsEmpty && _endIsDue && !_localEnded)
        {
            _localEnded = true;
            if (_trailersToSend is not null) connection.Session.SendTrailers(_stream!, _trailersToSend);
            else connection.Session.SendData(_stream!, default, true);
        }
        connection.FlushSoon();
        if (_unsent.IsEmpty) _news.Wake();
    }

    public void OnConnectionEnded(IoStatus status)
    {
        _connectionEnd = status;
        _news.Wake();
    }

    private IoStatus DeadStatus() => _connectionEnd == IoStatus.Aborted ? IoStatus.Aborted : IoStatus.Reset;

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<IoStatus> DrainAsync(Deadline deadline)
    {
        while (!_unsent.IsEmpty)
        {
            if (IsDead) return DeadStatus();

            var status = await _news.WaitAsync(deadline);
            if (status != IoStatus.Ok) return status;
        }
        return await connection.RoomAsync(deadline);
    }

    private void GiveWindowBack()
    {
        if (_given == 0) return;

        _received.Consume(_given);
        if (_stream is not null && !IsDead)
        {
            connection.Session.Consumed(_stream, _given);
            connection.FlushSoon();
        }
        _given = 0;
        if (_received.IsEmpty) _received.Trim();
    }
}
