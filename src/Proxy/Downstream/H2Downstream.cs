using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Security;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Downstream;

/// <summary>Room 3 of 8: an HTTP/2 connection of a caller: many exchanges at once, each on its own stream.</summary>
internal sealed class H2Downstream : ILiveConnection
{
    private const int OutputBytesMax = 256 * 1024;

    // A round trip within a cluster, many times over: streams that were under way when the drain was announced have arrived by then (RFC 9113 §6.8).
    private static readonly TimeSpan DrainNotice = TimeSpan.FromMilliseconds(500);

    private readonly Worker _worker;
    private readonly ClientConnection _client;
    private readonly Connection _io;
    private readonly H2Session _session;
    private readonly ConnectionStreams<H2DownstreamStream> _streams;
    private readonly LoopTimer _idleTimer;
    private readonly bool _isMesh;
    private readonly LoopTimer _drainTimer, _certificateTimer;
    private bool _isDraining, _isLastStreamNamed, _isClosed;

    public H2Downstream(Worker worker, ClientConnection client, Connection io, HttpChain chain)
    {
        (_worker, _client, _io, Chain) = (worker, client, io, chain);
        _isMesh = client.Alpn == TlsContexts.MeshH2;
        _streams = new(io.Loop, () => new(this));
        _session = new(H2Role.Server, chain.H2, _isMesh ? chain.MeshLimits : chain.Limits, io.Output, _streams.Wires);
        _idleTimer = new(io.Loop, OnIdle);
        _drainTimer = new(io.Loop, NameLastStream);
        _certificateTimer = new(io.Loop, Drain);
    }

    public ListenerState? Keeper { get; set; }
    public HttpChain Chain { get; }
    public Worker Worker => _worker;
    public ClientConnection Client => _client;
    public H2Session Session => _session;
    public Loop Loop => _io.Loop;
    public bool IsClosed => _isClosed;
    private long NowMs => Loop.Clock.GetTimestamp() / 1_000_000;

    public async ValueTask RunAsync()
    {
        _io.FlushSoon();
        ArmIdle();
        // The caller's certificate is over then; told a little before, so that nothing it asks comes later.
        if (_client.PeerEndsAt != long.MaxValue) _certificateTimer.Arm(new Deadline(_client.PeerEndsAt - Loop.Clock.TimestampFrequency));
        var status = IoStatus.Ok;
        while (status == IoStatus.Ok && ReadEvents())
        {
            if (!_io.Output.IsEmpty) _io.FlushSoon();
            // Ended by the idle timer, by a drain, or by the streams' own limits.
            status = await _io.FillAsync(Deadline.Never);
        }
        _io.TryFlush();
        End();
        await _io.CloseGentlyAsync(Deadline.After(Loop.Clock, Chain.Settings.DelayedCloseTimeout));
    }

    public bool HasPeerIdentity => _client.IsMutualTls;

    public void Drain()
    {
        if (_isDraining || _isClosed) return;

        _isDraining = true;
        _session.Drain();
        _io.FlushSoon();
        _drainTimer.Arm(Deadline.After(Loop.Clock, DrainNotice));
    }

    public void Cut() => _io.Abort();

    public void FlushSoon()
    {
        if (!_isClosed) _io.FlushSoon();
    }

    /// <summary>Waits while the socket does not keep up.</summary>
    public ValueTask<IoStatus> RoomAsync(Deadline deadline) =>
        _isClosed ? new(IoStatus.Reset) : _io.Output.Length <= OutputBytesMax ? new(IoStatus.Ok) : _io.FlushAsync(deadline);

    public void GiveBack(H2DownstreamStream stream)
    {
        _streams.GiveBack(stream);
        if (_streams.Count == 0) ArmIdle();
        CloseIfDrained();
    }

    private bool ReadEvents()
    {
        if (_io.Output.IsEmpty) _session.OutputFlushed(); // the peer reads: what we owe it does not pile up
        var input = _io.Input.Span;
        var length = input.Length;
        var goesOn = true;
        while (goesOn)
        {
            var happened = _session.Read(ref input, NowMs);
            if (happened.Kind == H2EventKind.None) break;

            var stream = happened.Stream?.Tag as H2DownstreamStream;
            switch (happened.Kind)
            {
                case H2EventKind.Request: BeginStream(happened.Stream!, happened.EndStream); break;
                case H2EventKind.RefusedRequest: Refuse(happened.Stream!, happened.Error); break;
                case H2EventKind.Data when stream is not null: stream.OnData(happened.Data, happened.EndStream); break;
                case H2EventKind.Data: _session.Consumed(happened.Stream!, happened.Data.Length); break;
                case H2EventKind.Trailers: stream?.OnTrailers(); break;
                case H2EventKind.Reset when stream is not null: stream.OnReset(happened.Error); break;
                case H2EventKind.Reset when happened.Stream is null && happened.Error.IsBrokenMessage: _streams.Take().Mourn(happened.Error); break;
                case H2EventKind.Writable: stream?.OnWritable(); break;
                case H2EventKind.ConnectionError:
                    _worker.Counters.ProtocolErrors++;
                    goesOn = false;
                    break;
            }
        }
        _io.Input.Consume(length - input.Length);
        return goesOn;
    }

    private void BeginStream(H2Stream wire, bool ends)
    {
        var request = wire.Request;
        if (request.Headers.TryGet(H2UpstreamStream.VersionHeader, out _))
        {
            // Only our own sidecar, over mutual TLS, may say that an exchange is really one of HTTP/1.1.
            request.Headers.Remove(H2UpstreamStream.VersionHeader);
            if (_isMesh) request.Version = HttpVersion.Http11;
        }
        if (request.Version != HttpVersion.Http2 && request.Headers.Remove(KnownHeader.Expect)) request.ExpectsContinue = true;
        _idleTimer.Disarm();
        _client.Requests++;
        _streams.Take().Start(wire, ends);
        if (IsLastRequest()) Drain();
    }

    // Well-formed, but not to be passed on: fields beyond the limits, no host, no path.
    private void Refuse(H2Stream wire, ProtocolError error)
    {
        _worker.Counters.ProtocolErrors++;
        _client.Requests++;
        _streams.Take().Reject(wire, error);
    }

    private bool IsLastRequest() =>
        Chain.Settings.RequestsPerConnectionMax is > 0 and var most && _client.Requests >= most
        || Chain.Settings.MaxConnectionDuration is { } age && Loop.Clock.GetElapsedTime(_client.StartedAt) >= age
        || _worker.IsDraining && Chain.DrainsWithWorker;

    private void ArmIdle()
    {
        if (Chain.Settings.IdleTimeout is { } idle) _idleTimer.Arm(Deadline.After(Loop.Clock, idle));
    }

    private void OnIdle()
    {
        if (_streams.Count == 0) Drain();
    }

    /// <summary>The caller has had time to hear that it should open no more streams; an idle one has left by itself. What it opens from here on was not served, and it knows.</summary>
    private void NameLastStream()
    {
        if (_isClosed) return;

        _isLastStreamNamed = true;
        _session.Drain();
        _io.FlushSoon();
        CloseIfDrained();
    }

    private void CloseIfDrained()
    {
        if (!_isLastStreamNamed || _streams.Count > 0 || _isClosed) return;

        _session.GoAway(H2ErrorCode.NoError);
        _io.TryFlush();
        _io.Close();
    }

    private void End()
    {
        _isClosed = true;
        _idleTimer.Disarm();
        _drainTimer.Disarm();
        _certificateTimer.Disarm();
        _streams.End();
        for (var i = _streams.Count - 1; i >= 0; i--) _streams[i].OnConnectionEnded();
    }
}
