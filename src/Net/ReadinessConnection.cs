using System.Diagnostics;

namespace Mesh.Net;

/// <summary>
/// A connection whose transport says "readable" and "writable" and then moves bytes without waiting: epoll, memory.
/// All waiting, queueing, half-closing and watching is here, once; a transport adds four small calls.
/// </summary>
public abstract class ReadinessConnection(Loop loop) : Connection(loop), ILoopWaitOwner
{
    private const int BulkReceiveBytes = 64 * 1024;

    private LoopWait? _fillWait;
    private LoopWait? _flushWaits;
    private LoopWait? _roomWait;
    private bool _fillOnlyWaits;
    private bool _receivesBulk;
    private Action<Connection, PeerNews>? _watcher;
    private IoStatus _readEnd = IoStatus.Ok;
    private IoStatus _writeEnd = IoStatus.Ok;
    private bool _watchesBytes;
    private bool _endIsDue;
    private bool _isClosed;

    public override bool IsOpen => !_isClosed && _readEnd != IoStatus.Reset;

    public override bool IsQuiet => IsOpen && _readEnd == IoStatus.Ok && _writeEnd == IoStatus.Ok && Input.IsEmpty && !MayReceive;

    public override IoStatus TryFill()
    {
        if (_readEnd != IoStatus.Ok) return _readEnd;
        if (!MayReceive) return IoStatus.WouldBlock;

        var room = Input.LengthMax - Input.Length;
        if (room <= 0) return IoStatus.Full;

        var buffer = Input.GetSpan(Math.Min(room, _receivesBulk ? BulkReceiveBytes : ReceiveBytesMin));
        if (buffer.Length > room) buffer = buffer[..room];
        var status = Receive(buffer, out var count);
        if (status == IoStatus.Ok)
        {
            // A read that fills a usual buffer is followed by others: fewer and larger ones, and several TLS records in each.
            _receivesBulk = count == buffer.Length ? count >= BufferPool.UsualBytes / 2 : _receivesBulk && count > BulkReceiveBytes / 4;
            Input.Advance(count);
        }
        else if (status != IoStatus.WouldBlock) _readEnd = status;
        return status;
    }

    public override ValueTask<IoStatus> FillAsync(Deadline deadline)
    {
        Debug.Assert(_fillWait is null, "one reader at a time");
        var status = TryFill();
        if (status != IoStatus.WouldBlock) return new(status);
        if (deadline.HasPassed(Loop.Clock)) return new(IoStatus.TimedOut);

        Input.Trim();
        var wait = _fillWait = Loop.RentWait();
        wait.Begin(this, deadline);
        AwaitReadable();
        return wait.Task;
    }

    public override IoStatus TryFlush()
    {
        var status = SendOutput();
        if (status != IoStatus.WouldBlock) EndFlushWaits(status);
        return status;
    }

    public override ValueTask<IoStatus> FlushAsync(Deadline deadline)
    {
        var status = TryFlush();
        if (status != IoStatus.WouldBlock) return new(status);
        if (deadline.HasPassed(Loop.Clock)) return new(IoStatus.TimedOut);

        var wait = Loop.RentWait();
        wait.NextWait = _flushWaits;
        _flushWaits = wait;
        wait.Begin(this, deadline);
        return wait.Task;
    }

    public override ValueTask<IoStatus> WriteAsync(ReadOnlyMemory<byte> bytes, Deadline deadline)
    {
        if (Output.IsEmpty && _writeEnd == IoStatus.Ok)
        {
            var status = Send(bytes.Span, out var sent);
            if (status == IoStatus.Ok && sent == bytes.Length) return IsSent ? new(IoStatus.Ok) : FlushAsync(deadline);

            if (status is IoStatus.Ok or IoStatus.WouldBlock) bytes = bytes[sent..];
            else _writeEnd = status;
        }

        if (_writeEnd != IoStatus.Ok) return new(_writeEnd);

        Output.Write(bytes.Span);
        return FlushAsync(deadline);
    }

    public override void ShutdownWrite()
    {
        if (_writeEnd != IoStatus.Ok || _endIsDue) return;

        _endIsDue = true;
        TryFlush();
    }

    public override void Abort() => End(reset: true);

    public override void Close()
    {
        if (_isClosed) return;

        TryFlush();
        End(reset: false);
    }

    public override void WatchPeer(Action<Connection, PeerNews>? callback, bool bytesToo = false)
    {
        _watcher = callback;
        _watchesBytes = bytesToo;
        if (callback is null) return;

        if (MayReceive || HasPeerClosed || _readEnd != IoStatus.Ok || !Input.IsEmpty) Loop.Soon(TellWatcherOf, this);
        else if (_fillWait is null) AwaitReadable();
    }

    /// <summary>Waits until there is something to receive, and leaves it there: for whoever moves bytes past <see cref="Connection.Input"/>.</summary>
    internal ValueTask<IoStatus> ReadableAsync(Deadline deadline)
    {
        Debug.Assert(_fillWait is null, "one reader at a time");
        if (_readEnd != IoStatus.Ok) return new(_readEnd);
        if (MayReceive) return new(IoStatus.Ok);

        _fillOnlyWaits = true;
        var wait = _fillWait = Loop.RentWait();
        wait.Begin(this, deadline);
        AwaitReadable();
        return wait.Task;
    }

    /// <summary>Waits until there may be room to send, after a send past <see cref="Connection.Output"/> found none.</summary>
    internal ValueTask<IoStatus> RoomAsync(Deadline deadline)
    {
        Debug.Assert(_roomWait is null, "one sender at a time");
        if (_writeEnd != IoStatus.Ok) return new(_writeEnd);

        var wait = _roomWait = Loop.RentWait();
        wait.Begin(this, deadline);
        return wait.Task;
    }

    void ILoopWaitOwner.OnTimedOut(LoopWait wait)
    {
        if (_fillWait == wait)
        {
            _fillWait = null;
            _fillOnlyWaits = false;
            return;
        }

        if (_roomWait == wait)
        {
            _roomWait = null;
            return;
        }

        if (_flushWaits == wait)
        {
            _flushWaits = wait.NextWait;
        }
        else
        {
            var before = _flushWaits;
            while (before is not null && before.NextWait != wait) before = before.NextWait;
            if (before is not null) before.NextWait = wait.NextWait;
        }

        wait.NextWait = null;
    }

    /// <summary>A read asks for at least so much room.</summary>
    protected virtual int ReceiveBytesMin => 1024;

    /// <summary>False while it is known that a receive would find nothing.</summary>
    protected abstract bool MayReceive { get; }

    /// <summary>The peer's end or break has been heard of, read or not.</summary>
    protected abstract bool HasPeerClosed { get; }

    protected bool IsClosed => _isClosed;

    /// <summary>The peer sent something that nobody has consumed.</summary>
    protected virtual bool HasBytes => MayReceive || !Input.IsEmpty;

    /// <summary>A watcher is about to be told: for a layer in which an end stands behind bytes, the moment to take them in.</summary>
    protected virtual void LookForNews()
    {
    }

    /// <summary>Somebody begins to wait: for a layer above another connection, the moment to wait below.</summary>
    protected virtual void AwaitReadable()
    {
    }

    /// <returns>Ok with a count above zero, WouldBlock, or how reading ended.</returns>
    protected abstract IoStatus Receive(Span<byte> buffer, out int count);

    /// <returns>Ok with what was taken (all, or less when there is no more room: then OnWritable follows), WouldBlock, or how writing ended.</returns>
    protected abstract IoStatus Send(ReadOnlySpan<byte> bytes, out int sent);

    /// <summary>False while a layer below still holds what Send took; OnWritable follows when it does no longer.</summary>
    protected virtual bool IsSent => true;

    /// <summary>Everything is sent: tell the peer that this was the end.</summary>
    protected abstract void SendEnd();

    /// <summary>Gives the descriptor back. Called once.</summary>
    protected abstract void Release(bool reset);

    /// <summary>The transport: there may be something to receive, or the peer ended it. The waiter continues before this returns.</summary>
    protected void OnReadable()
    {
        if (_fillWait is { } wait)
        {
            var status = _fillOnlyWaits ? _readEnd : TryFill();
            if (status == IoStatus.WouldBlock)
            {
                Input.Trim();
                AwaitReadable();
                return;
            }

            _fillWait = null;
            _fillOnlyWaits = false;
            wait.Complete(status);
        }
        else if (_watcher is not null)
        {
            TellWatcher();
        }
    }

    /// <summary>The transport: there is room to send again.</summary>
    protected void OnWritable()
    {
        if (_roomWait is { } wait)
        {
            _roomWait = null;
            wait.Complete(IoStatus.Ok);
        }

        if (!Output.IsEmpty || _flushWaits is not null || _endIsDue) TryFlush();
    }

    /// <summary>A layer below broke with bytes of ours: whoever waits for them to be sent hears of it.</summary>
    protected void OnSendBroken(IoStatus status)
    {
        if (_writeEnd is not (IoStatus.Ok or IoStatus.End)) return;

        _writeEnd = status;
        Output.Release();
        EndFlushWaits(status);
    }

    private static readonly Action<object?> TellWatcherOf = static connection => ((ReadinessConnection)connection!).TellWatcher();

    private void TellWatcher()
    {
        if (_watcher is not { } watcher || _isClosed || _fillWait is not null) return;
        LookForNews();
        var hasEnded = HasPeerClosed || _readEnd != IoStatus.Ok;
        var hasBytes = _watchesBytes && HasBytes;
        if (!hasEnded && !hasBytes)
        {
            AwaitReadable();
            return;
        }

        var news = _readEnd == IoStatus.Reset ? PeerNews.Reset
            : hasEnded ? PeerNews.Closed
            : PeerNews.SentBytes;
        _watcher = null;
        watcher(this, news);
    }

    private IoStatus SendOutput()
    {
        if (_writeEnd == IoStatus.End) return IsSent ? IoStatus.End : IoStatus.WouldBlock;
        if (_writeEnd != IoStatus.Ok) return _writeEnd;

        while (!Output.IsEmpty)
        {
            var length = Output.Length;
            var status = Send(Output.Span, out var sent);
            if (status is not (IoStatus.Ok or IoStatus.WouldBlock))
            {
                Output.Release();
                return _writeEnd = status;
            }

            Output.Consume(sent);
            if (sent < length) return IoStatus.WouldBlock;
        }

        Output.Trim();
        if (_endIsDue)
        {
            _endIsDue = false;
            _writeEnd = IoStatus.End;
            SendEnd();
        }

        return IsSent ? IoStatus.Ok : IoStatus.WouldBlock;
    }

    private void EndFlushWaits(IoStatus status)
    {
        while (_flushWaits is { } wait)
        {
            _flushWaits = wait.NextWait;
            wait.NextWait = null;
            Loop.CompleteSoon(wait, status);
        }
    }

    private void End(bool reset)
    {
        if (_isClosed) return;

        _isClosed = true;
        if (_readEnd == IoStatus.Ok) _readEnd = IoStatus.Aborted;
        if (_writeEnd == IoStatus.Ok) _writeEnd = IoStatus.Aborted;
        _watcher = null;
        Release(reset);
        Input.Release();
        Output.Release();
        if (_fillWait is { } wait)
        {
            _fillWait = null;
            Loop.CompleteSoon(wait, IoStatus.Aborted);
        }

        if (_roomWait is { } room)
        {
            _roomWait = null;
            Loop.CompleteSoon(room, IoStatus.Aborted);
        }

        EndFlushWaits(IoStatus.Aborted);
    }
}
