using Mesh.Net;

namespace Mesh.Proxy.Http;

/// <summary>
/// A request's body on its way upstream. What a retry would need again is kept, within a bound; beyond it the request is not retried.
/// A body that is already here goes out at once, without a task; one that is still coming is pumped beside the wait for the response.
/// </summary>
internal sealed class Upload(Exchange exchange)
{
    /// <summary>Unsent bytes beyond this stop the reading of the other side.</summary>
    public const int BacklogBytesMax = 64 * 1024;

    /// <summary>What is kept for a retry or a copy of any request.</summary>
    private const int ReplayBytesAlways = 64 * 1024;

    /// <summary>What is kept of one at most, as at Envoy; beyond <see cref="ReplayBytesAlways"/> only while the loop has room for it.</summary>
    private const int ReplayBytesMax = 1024 * 1024;

    /// <summary>Room of one loop for the large ones.</summary>
    private const int ReplayBytesOfLoop = 32 * 1024 * 1024;

    /// <summary>Before the average counts.</summary>
    private const int RateGraceSeconds = 5;

    private readonly ByteQueue _replay = new(exchange.Loop.Buffers);
    private IUpstreamStream? _sink;
    private System.Collections.Immutable.ImmutableArray<Config.Mirror> _mirrors = [];
    private ValueTask _pump;
    private long _ratedFrom;
    private int _rate;
    private bool _isPumping, _discards;
    private int _charged;

    /// <summary>The caller has sent all of it.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>The whole body so far can be sent again.</summary>
    public bool IsReplayable { get; private set; }

    /// <summary>Reading the rest takes a wait that is under way.</summary>
    public bool IsPumping => _isPumping;

    public void Begin()
    {
        HasEnded = false;
        IsReplayable = true;
        (_sink, _isPumping, _discards, _mirrors) = (null, false, false, []);
        _rate = exchange.IsGrpc ? 0 : exchange.Worker.Node.RequestBodyBytesPerSecondMin;
        _ratedFrom = exchange.StartedAt;
    }

    /// <summary>Copies to send once the whole body is here; a body too large to be kept is not copied.</summary>
    public void CopyTo(System.Collections.Immutable.ImmutableArray<Config.Mirror> mirrors)
    {
        if (mirrors.IsEmpty) return;

        if (HasEnded) Mirrors.Send(exchange, mirrors, _replay.Span);
        else _mirrors = mirrors;
    }

    /// <summary>The request has no body.</summary>
    public void EndWithoutBody() => HasEnded = true;

    /// <summary>Keep nothing from here on: no retry is possible any more.</summary>
    public void ForgetReplay()
    {
        IsReplayable = false;
        Release();
    }

    /// <summary>The upstream has answered: nothing is sent again, and only a copy that waits for the body's end still needs it.</summary>
    public void OnAnswered()
    {
        if (_mirrors.IsEmpty || HasEnded) ForgetReplay();
    }

    /// <summary>Sends the body to this stream: what came before, then what comes.</summary>
    public void Attach(IUpstreamStream sink, bool mayRetry)
    {
        if (!mayRetry) IsReplayable &= _replay.IsEmpty && exchange.RequestBytes == 0;
        if (!_replay.IsEmpty) sink.Write(_replay.Span);
        if (!mayRetry && _mirrors.IsEmpty) ForgetReplay();
        _sink = sink;
        if (HasEnded)
        {
            sink.End(exchange.Downstream.Trailers);
            return;
        }
        if (!_isPumping) Run();
    }

    public void Detach() => _sink = null;

    /// <summary>Reads up to so many bytes ahead of the upstream, for a filter that wants to see the body first.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAheadAsync(int bytesMax, Deadline deadline)
    {
        var source = exchange.Downstream;
        while (!HasEnded && _replay.Length < bytesMax)
        {
            if (source.TryRead(out var piece))
            {
                exchange.RequestBytes += piece.Bytes.Length;
                _replay.Write(piece.Bytes.Span);
                if (piece.Ends) OnEnded();
            }
            else if (await source.WaitAsync(deadline) is not IoStatus.Ok)
            {
                exchange.Cut(FailureKind.DownstreamClosed);
                break;
            }
        }
        return _replay.Memory;
    }

    /// <summary>Takes in, without waiting, what of a body nobody wants is here already; the request may turn out to be whole.</summary>
    public void TakeWhatIsHere()
    {
        while (!HasEnded && !_isPumping && exchange.Downstream.TryRead(out var piece))
        {
            exchange.RequestBytes += piece.Bytes.Length;
            HasEnded = piece.Ends;
        }
    }

    /// <summary>After the response: reads and drops what the caller still sends, until its end or until the connection is cut.</summary>
    public ValueTask DiscardAsync()
    {
        Detach();
        _discards = true;
        ForgetReplay();
        if (_isPumping) return _pump;

        return HasEnded ? default : PumpAsync();
    }

    /// <summary>The exchange is over: gives memory back.</summary>
    public void End()
    {
        Detach();
        Release();
    }

    /// <summary>A tunnel begins: the bytes behind the request are its first.</summary>
    public void BeginTunnel(IUpstreamStream sink)
    {
        HasEnded = false;
        ForgetReplay();
        (_sink, _rate) = (sink, 0);
        Run();
    }

    private void Run()
    {
        // Mostly all of it is here: no task, no wait.
        while (!HasEnded && exchange.Downstream.TryRead(out var piece))
        {
            Pass(piece);
            if (!HasEnded && _sink!.Backlog > BacklogBytesMax) break;
        }
        if (HasEnded) return;

        _isPumping = true;
        _pump = PumpAsync();
    }

    private async ValueTask PumpAsync()
    {
        var source = exchange.Downstream;
        while (!HasEnded)
        {
            if (source.TryRead(out var piece))
            {
                Pass(piece);
                // A sink that fails is the response's affair: its reader finds out.
                if (_sink is { } sink && (HasEnded || sink.Backlog > BacklogBytesMax)) await FlushAsync(sink);
                continue;
            }

            // About to wait: let the upstream have what is there.
            if (_sink is { Backlog: > 0 } waiting) await FlushAsync(waiting);

            var status = await source.WaitAsync(RateDeadline());
            if (status == IoStatus.Ok) continue;

            if (status == IoStatus.TimedOut && !_discards) exchange.Cut(FailureKind.RequestTimeout);
            else if (!_discards) exchange.Cut(source.Problem.IsNone ? source.GoneAs : source.BrokenAs);
            break;
        }
        _isPumping = false;
    }

    // While the upstream does not keep up the caller cannot send: that is not held against him.
    private async ValueTask FlushAsync(IUpstreamStream sink)
    {
        var before = exchange.Clock.GetTimestamp();
        await sink.FlushAsync(Deadline.Never);
        _ratedFrom += exchange.Clock.GetTimestamp() - before;
    }

    /// <summary>When the average falls below the least that is asked: callers who send a byte a minute must not hold any number of requests open.</summary>
    private Deadline RateDeadline()
    {
        if (_rate == 0 || _discards) return Deadline.Never;

        const long second = 1_000_000_000;
        return new(_ratedFrom + RateGraceSeconds * second + Math.Min(exchange.RequestBytes / _rate, 1_000_000) * second);
    }

    private void Pass(in BodyPiece piece)
    {
        if (!_discards)
        {
            exchange.RequestBytes += piece.Bytes.Length;
            exchange.Moved();
            if (IsReplayable)
            {
                if (MayKeep(piece.Bytes.Length)) _replay.Write(piece.Bytes.Span);
                else ForgetReplay();
            }
            _sink?.Write(piece.Bytes.Span);
        }
        if (piece.Ends) OnEnded();
    }

    private bool MayKeep(int bytes)
    {
        var whole = _replay.Length + bytes;
        if (whole <= ReplayBytesAlways) return true;

        var more = whole - ReplayBytesAlways - _charged;
        if (whole > ReplayBytesMax || exchange.Worker.ReplayBytes + more > ReplayBytesOfLoop) return false;

        _charged += more;
        exchange.Worker.ReplayBytes += more;
        return true;
    }

    private void Release()
    {
        exchange.Worker.ReplayBytes -= _charged;
        _charged = 0;
        _replay.Release();
    }

    private void OnEnded()
    {
        HasEnded = true;
        if (_discards) return;

        exchange.OnRequestEnded();

        if (!_mirrors.IsEmpty && IsReplayable) Mirrors.Send(exchange, _mirrors, _replay.Span);
        _sink?.End(exchange.Downstream.Trailers);
        exchange.Downstream.WatchCaller(true);
    }
}
