using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Downstream;

/// <summary>One stream of a caller's HTTP/2 connection, with the exchange it carries. Used again for later streams of the connection.</summary>
internal sealed class H2DownstreamStream : IDownstreamStream
{
    private readonly H2Downstream _connection;
    private readonly LoopSignal _news;
    private readonly ByteQueue _received, _unsent;
    private readonly Action _onDone;
    private Exchange _exchange = null!;
    private ValueTask _running;
    private H2Stream? _stream;
    private Headers? _trailersToSend;
    private int _given;
    private bool _remoteEnded, _endIsDue, _localEnded, _isDead, _watches;

    public H2DownstreamStream(H2Downstream connection)
    {
        _connection = connection;
        _news = new(connection.Loop);
        _received = new(connection.Loop.Buffers, roomMin: BufferPool.SmallBytes);
        _unsent = new(connection.Loop.Buffers, roomMin: BufferPool.SmallBytes);
        _onDone = () => _running.GetAwaiter().GetResult();
    }

    /// <summary>An exchange of HTTP/1.1 that travels on our own HTTP/2 ends as if it had had a connection of its own.</summary>
    public FailureKind GoneAs => _exchange.Request is { Version: not HttpVersion.Http2 } ? FailureKind.DownstreamClosed : FailureKind.DownstreamReset;
    public FailureKind BrokenAs => FailureKind.DownstreamProtocolError;
    public ProtocolError Problem { get; private set; }
    public Headers Trailers => _stream!.Trailers;
    public int Backlog => _unsent.Length;

    public void Start(H2Stream wire, bool ends)
    {
        Prepare(wire, ends);
        Await(RunAsync(ends));
    }

    /// <summary>A request that is well-formed but not to be passed on: answered where an answer was agreed on, otherwise reset, and logged.</summary>
    public void Reject(H2Stream wire, ProtocolError error)
    {
        Prepare(wire, true);
        Await(RejectAsync(error));
    }

    /// <summary>A request that could not be read: its stream has been reset already.</summary>
    public void Mourn(ProtocolError error)
    {
        _exchange = _connection.Worker.RentExchange();
        _exchange.Begin(_connection.Client, _connection.Chain.Settings, _connection.Worker.Snapshot, new(), this);
        _exchange.Upload.EndWithoutBody();
        Record(error, ResponseFlag.DPE);
        _exchange.Rest();
        _connection.GiveBack(this);
    }

    private void Prepare(H2Stream wire, bool ends)
    {
        wire.Tag = this;
        _stream = wire;
        _exchange = _connection.Worker.RentExchange();
        _trailersToSend = null;
        _given = 0;
        _remoteEnded = ends;
        _endIsDue = _localEnded = _isDead = _watches = false;
        Problem = default;
    }

    private void Await(ValueTask running)
    {
        _running = running;
        // Whoever began a pooled task must see its end, or it never goes back to its pool.
        if (_running.IsCompleted) _onDone();
        else _running.GetAwaiter().UnsafeOnCompleted(_onDone);
    }

    private async ValueTask RejectAsync(ProtocolError error)
    {
        var isTooLarge = error.Status == 431;
        if (isTooLarge) _stream!.Request.Clear();
        _exchange.Begin(_connection.Client, _connection.Chain.Settings, _connection.Worker.Snapshot, _stream!.Request, this);
        _exchange.Upload.EndWithoutBody();
        if (isTooLarge)
        {
            Record(error, ResponseFlag.DR);
            _connection.Session.Reset(_stream!, H2ErrorCode.ProtocolError);
        }
        else
        {
            await _connection.Chain.Runner.RejectAsync(_exchange, new(FailureKind.BadHttp1, Side.Local) { Answer = new(error.Status, error.Details) { Flag = ResponseFlag.None } });
            _connection.Chain.Runner.Record(_exchange);
        }
        _isDead = true;
        Release();
    }

    private void Record(ProtocolError error, ResponseFlag flag)
    {
        _exchange.Cut(FailureKind.DownstreamReset);
        _exchange.Raise(flag);
        _exchange.Details = error.Details;
        _connection.Chain.Runner.Record(_exchange);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    private async ValueTask RunAsync(bool ends)
    {
        _exchange.Begin(_connection.Client, _connection.Chain.Settings, _connection.Worker.Snapshot, _stream!.Request, this);
        if (ends)
        {
            _exchange.Upload.EndWithoutBody();
            _watches = true;
        }
        var runner = _connection.Chain.Runner;
        var failure = await runner.RunAsync(_exchange);
        _watches = false;
        runner.Record(_exchange);
        if (failure is { } broken && !_isDead) _connection.Session.Reset(_stream!, CodeOf(broken));
        else if (!_isDead && !_remoteEnded) _connection.Session.Reset(_stream!, H2ErrorCode.NoError); // RFC 9113 §8.1: the answer was complete without the rest of the request

        // A pump that still waits for the body must come to its end before the stream is anybody else's.
        _isDead = true;
        _news.Wake();
        await _exchange.Upload.DiscardAsync();
        Release();
    }

    private static H2ErrorCode CodeOf(in Failure failure) => failure.Side == Side.Upstream ? H2ErrorCode.InternalError : H2ErrorCode.Cancel;

    private void Release()
    {
        if (_received.Length > 0 && !_connection.IsClosed) _connection.Session.Consumed(_stream!, _received.Length);
        _stream!.Tag = null;
        _connection.Session.Release(_stream);
        _connection.FlushSoon();
        _stream = null;
        _received.Release();
        _unsent.Release();
        _exchange.Rest();
        _exchange = null!;
        _connection.GiveBack(this);
    }

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
            if (_isDead) return IoStatus.Reset;

            var status = await _news.WaitAsync(deadline);
            if (status != IoStatus.Ok) return status;
        }
        return IoStatus.Ok;
    }

    public void WriteHead(ResponseHead head)
    {
        if (_isDead) return;

        var ends = head.Body.Kind == BodyKind.None || _exchange.Request.Method == Method.Head || head.Body is { Kind: BodyKind.Length, Length: 0 };
        _localEnded = ends;
        // HTTP/2 needs no length, but whoever reads the answer as HTTP/1.1 behind us does.
        if (head.Body.Kind == BodyKind.Length && !head.Headers.Has(KnownHeader.ContentLength)) head.Headers.Set(KnownHeader.ContentLength, head.Body.Length);
        _connection.Session.SendResponse(_stream!, head, ends);
        _connection.FlushSoon();
    }

    public void WriteInterim(ResponseHead head)
    {
        if (_isDead) return;

        _connection.Session.SendResponse(_stream!, head, false);
        _connection.FlushSoon();
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_isDead || _localEnded || bytes.IsEmpty) return;

        var taken = _unsent.IsEmpty ? _connection.Session.SendData(_stream!, bytes, false) : 0;
        if (taken < bytes.Length) _unsent.Write(bytes[taken..]);
        _connection.FlushSoon();
    }

    public void End(Headers? trailers)
    {
        if (_isDead || _localEnded) return;

        _trailersToSend = trailers is { Count: > 0 } ? trailers : null;
        _endIsDue = true;
        OnWritable();
    }

    public ValueTask<IoStatus> FlushAsync(Deadline deadline)
    {
        if (_isDead) return new(IoStatus.Reset);

        _connection.FlushSoon();
        return _unsent.IsEmpty ? _connection.RoomAsync(deadline) : DrainAsync(deadline);
    }

    public void WatchCaller(bool watch) => _watches = watch;

    public void BeginTunnel() { }

    public void Abort(ProtocolError reason = default)
    {
        if (_isDead) return;

        _isDead = true;
        _connection.Session.Reset(_stream!, reason.IsNone ? H2ErrorCode.InternalError : reason.Code);
        _connection.FlushSoon();
        _news.Wake();
    }

    // ---- what the connection tells

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

    public void OnReset(ProtocolError error)
    {
        Problem = error;
        Die(error.IsNone ? GoneAs : FailureKind.DownstreamProtocolError);
    }

    public void OnConnectionEnded() => Die(FailureKind.DownstreamClosed);

    public void OnWritable()
    {
        if (_isDead) return;

        if (!_unsent.IsEmpty)
        {
            var ends = _endIsDue && _trailersToSend is null;
            _unsent.Consume(_connection.Session.SendData(_stream!, _unsent.Span, ends));
            _localEnded = ends && _unsent.IsEmpty;
        }
        if (_unsent.IsEmpty && _endIsDue && !_localEnded)
        {
            _localEnded = true;
            if (_trailersToSend is not null) _connection.Session.SendTrailers(_stream!, _trailersToSend);
            else _connection.Session.SendData(_stream!, default, true);
        }
        _connection.FlushSoon();
        if (_unsent.IsEmpty) _news.Wake();
    }

    private void Die(FailureKind why)
    {
        _isDead = true;
        if (_watches || !_exchange.Upload.HasEnded) _exchange.Cut(why);
        _news.Wake();
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<IoStatus> DrainAsync(Deadline deadline)
    {
        while (!_unsent.IsEmpty)
        {
            if (_isDead) return IoStatus.Reset;

            var status = await _news.WaitAsync(deadline);
            if (status != IoStatus.Ok) return status;
        }
        return await _connection.RoomAsync(deadline);
    }

    private void GiveWindowBack()
    {
        if (_given == 0) return;

        _received.Consume(_given);
        if (!_isDead && !_connection.IsClosed)
        {
            _connection.Session.Consumed(_stream!, _given);
            _connection.FlushSoon();
        }
        _given = 0;
        if (_received.IsEmpty) _received.Trim();
    }
}
