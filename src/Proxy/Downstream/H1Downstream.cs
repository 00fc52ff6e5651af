using System.Runtime.CompilerServices;
using System.Text;
using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Downstream;

/// <summary>Room 3 of 8: an HTTP/1.1 connection of a caller: one exchange after the other. Also the stream of the exchange it serves at present.</summary>
internal sealed class H1Downstream : IDownstreamStream, ILiveConnection
{
    /// <summary>From the first byte of a head to its last; slower is an attack or a broken peer (answered 408).</summary>
    private static readonly TimeSpan HeadTimeout = TimeSpan.FromSeconds(10);

    /// <summary>How long a caller may go on sending a body that is no longer wanted.</summary>
    private static readonly TimeSpan DiscardTimeout = TimeSpan.FromSeconds(5);

    private readonly Worker _worker;
    private readonly ClientConnection _client;
    private readonly Connection _io;
    private readonly HttpChain _chain;
    private readonly HttpLimits _limits;
    private readonly H1Parser _parser;
    private readonly H1BodyReader _reader;
    private readonly LoopTimer _discardTimer, _drainTimer;
    private readonly Action<Connection, PeerNews> _onCallerNews;
    // As for HTTP/2: many round trips within a cluster.
    private static readonly TimeSpan DrainNotice = TimeSpan.FromMilliseconds(500);

    private Exchange? _present;
    private H1BodyWriter _writer;
    private bool _keepAlive, _owesContinue, _isIdle, _isDraining;

    public H1Downstream(Worker worker, ClientConnection client, Connection io, HttpChain chain)
    {
        (_worker, _client, _io, _chain, _limits) = (worker, client, io, chain, chain.Limits);
        _parser = new(_limits);
        _reader = new(io, _limits);
        _discardTimer = new(worker.Loop, io.Abort);
        _drainTimer = new(worker.Loop, CloseIfIdle);
        _onCallerNews = (_, news) =>
        {
            if (news != PeerNews.SentBytes) _present?.Cut(FailureKind.DownstreamClosed);
        };
    }

    public ListenerState? Keeper { get; set; }
    public FailureKind GoneAs => FailureKind.DownstreamClosed;
    public FailureKind BrokenAs => FailureKind.BadHttp1;
    public ProtocolError Problem => _reader.Problem;
    public Headers Trailers => _reader.Trailers;
    public int Backlog => _io.Output.Length;

    private HttpConnectionSettings Settings => _chain.Settings;

    /// <summary>From the first byte of a request to its end; a connection that waits for the next one has none.</summary>
    private Exchange Present => _present ??= _worker.RentExchange();

    private RequestHead Request => Present.OwnRequest;

    /// <summary>Serves until either side has had enough.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask RunAsync()
    {
        while (await ReadHeadAsync())
        {
            _client.Requests++;
            _keepAlive = Request.KeepAlive && !IsLastRequest();
            _owesContinue = Request.ExpectsContinue && !Settings.Proxy100Continue;
            if (_owesContinue) Request.ExpectsContinue = false;
            Present.Begin(_client, Settings, _worker.Snapshot, Request, this);
            _reader.Begin(Request.Body);
            if (_reader.HasEnded) EndRequestAtOnce();

            var failure = await _chain.Runner.RunAsync(Present);
            _io.WatchPeer(null);
            _chain.Runner.Record(Present);
            if (failure is not null)
            {
                // An answer cut short by us, not by the caller: it gets to read what was sent before the end comes.
                if (failure.Value.Side != Side.Downstream && Present.ResponseStarted) await LingerAsync();
                _drainTimer.Disarm();
                _io.Abort();
                return;
            }
            if (!await LeaveBodyBehindAsync() || !_keepAlive) break;
        }
        _drainTimer.Disarm();
        Rest();
        await _io.CloseGentlyAsync(Deadline.After(_io.Loop.Clock, Settings.DelayedCloseTimeout));
    }

    public bool HasPeerIdentity => _client.IsMutualTls;

    // HTTP/1.1 has no word for it before an answer: a request may be on its way to an idle connection, and its answer then says that it is the last one.
    public void Drain()
    {
        if (_isDraining) return;

        _isDraining = true;
        if (_isIdle) _drainTimer.Arm(Deadline.After(_io.Loop.Clock, DrainNotice));
    }

    private void CloseIfIdle()
    {
        if (_isIdle) _io.Close();
    }

    public void Cut() => _io.Abort();

    // ---- the stream of the present exchange

    public bool TryRead(out BodyPiece piece) => _reader.TryRead(out piece);

    public ValueTask<IoStatus> WaitAsync(Deadline deadline)
    {
        if (_owesContinue)
        {
            _owesContinue = false;
            _io.Output.Write(H1Writer.ContinueResponse);
            _io.TryFlush();
        }
        return _reader.WaitAsync(deadline);
    }

    public void WriteHead(ResponseHead head)
    {
        _owesContinue = false;
        // An answer to a request that is not all here yet ends the connection, as Envoy does it: what is still to come need not be read to find the next request behind it.
        if (head.Body.Kind == BodyKind.Tunnel || _isDraining || _worker.Pressure != Pressure.None || _worker.IsDraining && _chain.DrainsWithWorker || !Present.Upload.HasEnded) _keepAlive = false;
        head.KeepAlive = _keepAlive;
        var noBody = head.Status is < 200 and not 101 or 204 or 304 || Request.Method == Method.Head;
        var endsWithConnection = H1Writer.EndsWithConnection(head.Body, Request.Version);
        if (endsWithConnection && !noBody) _keepAlive = head.KeepAlive = false;
        _writer = new(noBody ? BodyFraming.None : endsWithConnection ? BodyFraming.UntilClose : head.Body);
        H1Writer.WriteResponse(head, Request.Method, Request.Version, _io.Output);
    }

    public void WriteInterim(ResponseHead head)
    {
        _owesContinue = false;
        H1Writer.WriteResponse(head, Request.Method, Request.Version, _io.Output);
        _io.TryFlush();
    }

    public void Write(ReadOnlySpan<byte> bytes) => _writer.Write(_io, bytes);

    public void End(Headers? trailers)
    {
        _writer.End(_io, Settings.Http1.EnableTrailers ? trailers : null);
    }

    public ValueTask<IoStatus> FlushAsync(Deadline deadline) => _io.FlushWithBatchAsync(deadline);

    public void WatchCaller(bool watch) => _io.WatchPeer(watch ? _onCallerNews : null);

    public void BeginTunnel() => _reader.Begin(BodyFraming.Tunnel);

    public void Abort(ProtocolError reason = default) => _io.Abort();

    private void EndRequestAtOnce()
    {
        // No body: nothing to pump, and the caller is watched from the start.
        Present.Upload.EndWithoutBody();
        WatchCaller(true);
    }

    private bool IsLastRequest() =>
        Settings.RequestsPerConnectionMax > 0 && _client.Requests >= Settings.RequestsPerConnectionMax
        || _io.Loop.Clock.GetTimestamp() >= _client.PeerEndsAt
        || Settings.MaxConnectionDuration is { } age && _io.Loop.Clock.GetElapsedTime(_client.StartedAt) >= age;

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<bool> ReadHeadAsync()
    {
        _reader.Settle();
        var clock = _io.Loop.Clock;
        var deadline = Deadline.Never;
        while (true)
        {
            if (!_io.Input.IsEmpty)
            {
                var parsed = _parser.ParseRequest(_io.Input.Span, Request, out var consumed);
                if (parsed == ParseStatus.Done)
                {
                    _io.Input.Consume(consumed);
                    return true;
                }
                if (parsed == ParseStatus.Error)
                {
                    await RejectAsync(FailureOf(_parser.Error));
                    return false;
                }
            }

            var isInside = _parser.IsInsideHead;
            if (isInside && deadline.IsNever) deadline = Deadline.After(clock, Settings.RequestHeadersTimeout ?? HeadTimeout);
            var idle = (Settings.IdleTimeout is { } limit ? Deadline.After(clock, limit) : Deadline.Never).Sooner(new(_client.PeerEndsAt));
            if (!isInside && _isDraining) return false;

            if (!isInside) Rest();
            _isIdle = !isInside;
            var status = await _io.FillAsync(isInside ? deadline : idle);
            _isIdle = false;
            if (status == IoStatus.Ok) continue;
            if (isInside) await RejectAsync(new(status == IoStatus.TimedOut ? FailureKind.RequestHeadersTimeout : FailureKind.DownstreamClosed, Side.Downstream));

            return false;
        }
    }

    private void Rest()
    {
        _present?.Rest();
        _present = null;
    }

    private async ValueTask RejectAsync(Failure failure)
    {
        _keepAlive = false;
        var isGone = failure.Kind == FailureKind.DownstreamClosed;
        // What the parser could not take is not shown as if it had been asked.
        if (_parser.Error.IsCodecError || isGone) Request.Clear();
        _worker.Counters.ProtocolErrors++;
        Present.Begin(_client, Settings, _worker.Snapshot, Request, this);
        Present.Upload.EndWithoutBody();
        await _chain.Runner.RejectAsync(Present, isGone ? failure : failure with { Side = Side.Local });
        _chain.Runner.Record(Present);
    }

    private async ValueTask LingerAsync()
    {
        var deadline = Deadline.After(_io.Loop.Clock, Settings.DelayedCloseTimeout);
        if (await _io.FlushAsync(deadline) == IoStatus.Ok) await _io.Loop.WaitUntil(deadline);
    }

    private static Failure FailureOf(ProtocolError error)
    {
        var words = error.IsCodecError ? ReasonOf(error.Status) : "";
        return new(FailureKind.BadHttp1, Side.Local)
        {
            Answer = new(error.Status, error.Details)
            {
                Body = Encoding.ASCII.GetBytes(words),
                Flag = error.IsCodecError ? ResponseFlag.DPE : ResponseFlag.None,
            },
        };
    }

    private static string ReasonOf(int status) => status switch
    {
        400 => "Bad Request",
        403 => "Forbidden",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "",
    };

    /// <returns>False when the rest of the body did not come within its bounds: the connection cannot be used again.</returns>
    private ValueTask<bool> LeaveBodyBehindAsync() => Present.Upload.HasEnded && !Present.Upload.IsPumping ? new(true) : DiscardBodyAsync();

    private async ValueTask<bool> DiscardBodyAsync()
    {
        if (Present.Response.Body.Kind == BodyKind.Tunnel) _io.ShutdownWrite();
        _discardTimer.Arm(Deadline.After(_io.Loop.Clock, DiscardTimeout));
        await Present.Upload.DiscardAsync();
        _discardTimer.Disarm();
        return Present.Upload.HasEnded && _io.IsOpen;
    }
}
