using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy.Http;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Upstream;

/// <summary>An HTTP/2 connection to an endpoint and the exchanges that travel on it. Loop thread only.</summary>
internal sealed class H2Upstream
{
    /// <summary>More than this unsent and writers wait for the socket, whatever the peer's windows would allow.</summary>
    private const int OutputBytesMax = 256 * 1024;

    private readonly ConnectionPool _pool;
    private readonly Connection _io;
    private readonly H2Session _session;
    private readonly ConnectionStreams<H2UpstreamStream> _streams;
    private readonly LoopTimer _idleTimer;
    private int _opened;
    private bool _closed, _draining;

    // The other side may be our own sidecar, which adds a little to what an application may send.
    private static readonly HttpLimits Limits = HttpLimits.Default with { FieldCountMax = HttpLimits.Default.FieldCountMax + 32, HeadBytesMax = HttpLimits.Default.HeadBytesMax + 16 * 1024 };

    public H2Upstream(ConnectionPool pool, UpstreamConnection connection)
    {
        (_pool, Connection, _io) = (pool, connection, connection.Io);
        IsMesh = connection.Alpn == TlsContexts.MeshH2;
        _streams = new(_io.Loop, () => new(this));
        _session = new(H2Role.Client, SettingsOf(pool.Endpoint.Cluster.Config.Http2), Limits, _io.Output, _streams.Wires);
        _idleTimer = new(_io.Loop, CloseIfIdle);
    }

    public UpstreamConnection Connection { get; }
    /// <summary>The other side is one of our own: exchanges of HTTP/1.1 travel here too, and say so.</summary>
    public bool IsMesh { get; }
    /// <summary>Its exchanges are HTTP/1.1 by the cluster's word, whatever their callers spoke: so they go on behind the other side.</summary>
    public bool CarriesHttp1 => _pool.Protocol == Config.UpstreamProtocol.Http1;
    public H2Session Session => _session;
    public Loop Loop => _io.Loop;
    public bool IsClosed => _closed;

    public void Start()
    {
        _io.FlushSoon();
        _ = RunAsync();
    }

    /// <returns>Null when this connection takes no further stream now.</returns>
    public IUpstreamStream? TryOpen(Exchange exchange)
    {
        if (_closed || _draining || _session.IsDraining || !_io.IsOpen) return null;

        var config = _pool.Endpoint.Cluster.Config;
        if (_streams.Count >= (int)Math.Min(config.Http2.ConcurrentStreamsMax ?? int.MaxValue, int.MaxValue)) return null;
        // Streams that were promised but not opened yet count too.
        if (!_session.CanOpenStream) return null;
        if (config.RequestsPerConnectionMax > 0 && _opened >= config.RequestsPerConnectionMax
            || Loop.Clock.GetTimestamp() >= Connection.EndsAt
            || config.MaxConnectionDuration is { } age && Loop.Clock.GetElapsedTime(Connection.OpenedAt) >= age)
        {
            Drain();
            return null;
        }

        var stream = _streams.Take();
        stream.Begin(isReused: _opened > 0);
        _opened++;
        _idleTimer.Disarm();
        return stream;
    }

    /// <summary>No new streams; closed when the last one has ended.</summary>
    public void Drain()
    {
        _draining = true;
        if (_streams.Count == 0) Close();
    }

    public void GiveBack(H2UpstreamStream stream)
    {
        _streams.GiveBack(stream);
        if (_closed) return;

        if (_streams.Count == 0 && (_draining || _session.IsDraining)) Close();
        else if (_streams.Count == 0)
        {
            if (_pool.Endpoint.Cluster.Config.IdleTimeout is { } idle) _idleTimer.Arm(Deadline.After(Loop.Clock, idle));
        }
        _pool.RoomOnMultiplexed();
    }

    /// <summary>What streams wrote leaves at the end of this batch of events, all together.</summary>
    public void FlushSoon() => _io.FlushSoon();

    /// <summary>Waits while the socket does not keep up.</summary>
    public ValueTask<IoStatus> RoomAsync(Deadline deadline) =>
        !_io.IsOpen ? new(IoStatus.Reset) : _io.Output.Length <= OutputBytesMax ? new(IoStatus.Ok) : _io.FlushAsync(deadline);

    public long NowMs => Loop.Clock.GetTimestamp() / 1_000_000;

    private async Task RunAsync()
    {
        var status = IoStatus.Ok;
        var goesOn = true;
        while (goesOn && status == IoStatus.Ok)
        {
            goesOn = ReadEvents();
            if (!_io.Output.IsEmpty) _io.FlushSoon();
            // The end of idle connections is the timer's affair; streams bring their own deadlines.
            if (goesOn) status = await _io.FillAsync(Deadline.Never);
        }
        _io.TryFlush();
        Fail(status == IoStatus.Ok ? IoStatus.Reset : status);
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

            var stream = happened.Stream?.Tag as H2UpstreamStream;
            switch (happened.Kind)
            {
                case H2EventKind.Response: stream?.OnHead(happened.EndStream); break;
                case H2EventKind.Data: OnData(stream, happened); break;
                case H2EventKind.Trailers: stream?.OnTrailers(); break;
                case H2EventKind.Reset: stream?.OnReset(happened.Code, happened.Error); break;
                case H2EventKind.Writable: stream?.OnWritable(); break;
                case H2EventKind.Settings: _pool.RoomOnMultiplexed(); break;
                case H2EventKind.GoAway: _draining = true; break;
                case H2EventKind.ConnectionError:
                    for (var i = 0; i < _streams.Count; i++) _streams[i].Problem = happened.Error;
                    goesOn = false;
                    break;
            }
        }
        _io.Input.Consume(length - input.Length);
        return goesOn && !(_draining && _streams.Count == 0);
    }

    private void OnData(H2UpstreamStream? stream, in H2Event happened)
    {
        if (stream is not null) stream.OnData(happened.Data, happened.EndStream);
        else _session.Consumed(happened.Stream!, happened.Data.Length);
    }

    private void CloseIfIdle()
    {
        if (_streams.Count == 0) Close();
    }

    private void Close()
    {
        if (_closed) return;

        _session.GoAway(H2ErrorCode.NoError);
        _io.TryFlush();
        Fail(IoStatus.Aborted);
    }

    private void Fail(IoStatus status)
    {
        if (_closed) return;

        _closed = true;
        _idleTimer.Disarm();
        _streams.End();
        _io.Close();
        _pool.Forget(this);
        for (var i = _streams.Count - 1; i >= 0; i--) _streams[i].OnConnectionEnded(status);
    }

    private static H2Settings SettingsOf(Config.Http2Settings config) => new()
    {
        InitialWindowBytes = (int)Math.Clamp(config.StreamWindowBytes ?? 256 * 1024, 65_535, 16 * 1024 * 1024),
        ConnectionWindowBytes = (int)Math.Clamp(config.ConnectionWindowBytes ?? 1024 * 1024, 65_535, 64 * 1024 * 1024),
    };
}
