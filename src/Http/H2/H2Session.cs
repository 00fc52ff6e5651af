using System.Buffers;
using System.Diagnostics;
using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <summary>
/// One HTTP/2 connection: bytes in, events out; calls in, bytes out. No I/O and no clock: the owner feeds what it received with
/// <see cref="Read"/>, and sends what the session wrote into its output. Back-pressure is the owner's: window is given back only by
/// <see cref="Consumed"/>, and <see cref="SendData"/> takes no more than the peer's window allows. Loop thread only.
/// </summary>
public sealed partial class H2Session
{
    private readonly H2Settings _settings;
    private readonly HttpLimits _limits;
    private readonly IBufferWriter<byte> _output;
    private readonly H2StreamPool _pool;
    private readonly StreamTable _streams = new();
    private readonly PendingEvents _pending = new();
    private readonly FloodGuard _flood;
    private readonly HpackDecoder _decoder;
    private readonly HpackEncoder _encoder = new();
    private PeerSettings _peer = new();
    private RecentIds _ended;      // both sides ended, or the peer reset it
    private RecentIds _resetByUs;
    private int _sendWindow = 65535;
    private int _receiveWindow = 65535;
    private int _owedWindow;       // consumed but not yet told to the peer
    private int _nextStreamId;
    private int _lastStreamAllowed = int.MaxValue; // as our final GOAWAY said
    private int _controlFramesQueued;
    private bool _drainAnnounced;
    private bool _isDead;
    private long _nowMs;

    /// <param name="output">Where frames are written. The preface and our SETTINGS are the first bytes in it.</param>
    public H2Session(H2Role role, H2Settings settings, HttpLimits limits, IBufferWriter<byte> output, H2StreamPool pool)
    {
        Role = role;
        _settings = settings;
        _limits = limits;
        _output = output;
        _pool = pool;
        _flood = new(settings);
        _decoder = new(settings.HeaderTableBytes);
        _nextStreamId = role == H2Role.Client ? 1 : 2;
        _prefaceSeen = role == H2Role.Client;
        SendOpening();
    }

    public H2Role Role { get; }

    /// <summary>Streams that are open in either direction.</summary>
    public int ActiveStreams => _streams.Count;

    /// <summary>True from the first GOAWAY either way: no new streams; the connection may be closed when none is active.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>GOAWAY with an error went out or the owner said goodbye: nothing is read or written any more.</summary>
    public bool IsDead => _isDead;

    /// <summary>Client: <see cref="OpenStream"/> would succeed now.</summary>
    public bool CanOpenStream =>
        Role == H2Role.Client && !_isDead && !IsDraining && _streams.Count < _peer.MaxConcurrentStreams && _nextStreamId < int.MaxValue - 1;

    /// <summary>Client: how many streams the peer lets us have at once, as far as it has said.</summary>
    public int StreamsMax => (int)Math.Min(_peer.MaxConcurrentStreams, int.MaxValue);

    /// <summary>Client: the peer takes upgrades (RFC 8441); known once its SETTINGS are here.</summary>
    public bool TakesUpgrades => _peer.ExtendedConnect;

    /// <summary>True once the peer's SETTINGS are here.</summary>
    public bool IsReady => _settingsSeen;

    /// <summary>The greatest stream id of the peer that we took up, for logs and GOAWAY.</summary>
    public int LastPeerStreamId { get; private set; }

    /// <summary>Everything in the output has reached the socket: answers owed to the peer no longer pile up here.</summary>
    public void OutputFlushed() => _controlFramesQueued = 0;

    /// <summary>The owner has passed this many body bytes on: the peer may send as many more.</summary>
    public void Consumed(H2Stream stream, int bytes)
    {
        bytes = Math.Min(bytes, stream.UnconsumedBytes);
        if (bytes <= 0 || _isDead) return;

        stream.UnconsumedBytes -= bytes;
        GiveBack(stream, bytes);
    }

    /// <summary>Ends the stream both ways now. No event follows for it. Nothing is written when it is closed already.</summary>
    public void Reset(H2Stream stream, H2ErrorCode code)
    {
        if (stream.IsClosed || _isDead) return;

        WriteReset(stream.Id, code);
        Close(stream, byUs: true);
    }

    /// <summary>The owner is done with the stream object; resets the stream if it is still open.</summary>
    public void Release(H2Stream stream)
    {
        if (!stream.IsShown) return;

        // A complete answer needs no more of the request, and that is no error (RFC 9113 §8.1).
        if (!stream.IsClosed) Reset(stream, Role == H2Role.Server && stream.LocalEnded ? H2ErrorCode.NoError : H2ErrorCode.Cancel);
        if (!stream.IsClosed) Close(stream, byUs: true); // a dead session writes nothing, but its table must let go too
        GiveBackUnconsumed(stream);
        _pool.Return(stream);
    }

    /// <summary>Keep-alive or measuring; the answer comes as PingAck.</summary>
    public void Ping(ulong opaque)
    {
        if (!_isDead) FrameWriter.Ping(_output, opaque, ack: false);
    }

    /// <summary>
    /// Begins a graceful end (RFC 9113 §6.8): the peer is told to open no more streams, those in flight go on. A server calls it again a round trip later,
    /// which names the last stream that is served.
    /// </summary>
    public void Drain()
    {
        if (_isDead) return;

        IsDraining = true;
        if (Role == H2Role.Server && !_drainAnnounced)
        {
            _drainAnnounced = true;
            FrameWriter.GoAway(_output, int.MaxValue, H2ErrorCode.NoError);
            return;
        }

        _lastStreamAllowed = Math.Min(_lastStreamAllowed, LastPeerStreamId);
        FrameWriter.GoAway(_output, _lastStreamAllowed, H2ErrorCode.NoError);
    }

    /// <summary>Says goodbye for good with a code; the owner flushes, closes and releases the streams.</summary>
    public void GoAway(H2ErrorCode code)
    {
        if (_isDead) return;

        FrameWriter.GoAway(_output, Math.Min(_lastStreamAllowed, LastPeerStreamId), code);
        _isDead = true;
        IsDraining = true;
    }

    private void SendOpening()
    {
        if (Role == H2Role.Client) _output.Write(FrameWriter.Preface);

        Span<(SettingId, int)> entries =
        [
            (SettingId.HeaderTableSize, _settings.HeaderTableBytes),
            (SettingId.InitialWindowSize, _settings.InitialWindowBytes),
            (SettingId.MaxFrameSize, _settings.MaxFrameBytes),
            (SettingId.MaxHeaderListSize, _limits.HeadBytesMax),
            Role == H2Role.Client ? (SettingId.EnablePush, 0) : (SettingId.MaxConcurrentStreams, _settings.MaxConcurrentStreams),
            (SettingId.EnableConnectProtocol, 1),
        ];
        var tellsConnect = Role == H2Role.Server && _settings.ExtendedConnect;
        FrameWriter.Settings(_output, tellsConnect ? entries : entries[..^1]);

        var more = _settings.ConnectionWindowBytes - _receiveWindow;
        if (more <= 0) return;

        FrameWriter.WindowUpdate(_output, 0, more);
        _receiveWindow += more;
    }

    private void GiveBack(H2Stream stream, int bytes)
    {
        GiveBackConnection(bytes);
        if (stream.RemoteEnded) return;

        // Half a window at a time: the peer never runs dry while we keep up, and updates stay rare.
        stream.OwedWindow += bytes;
        if (stream.OwedWindow < _settings.InitialWindowBytes / 2) return;

        FrameWriter.WindowUpdate(_output, stream.Id, stream.OwedWindow);
        stream.ReceiveWindow += stream.OwedWindow;
        stream.OwedWindow = 0;
    }

    private void GiveBackConnection(int bytes)
    {
        _owedWindow += bytes;
        if (_owedWindow < _settings.ConnectionWindowBytes / 2 || _isDead) return;

        FrameWriter.WindowUpdate(_output, 0, _owedWindow);
        _receiveWindow += _owedWindow;
        _owedWindow = 0;
    }

    private void GiveBackUnconsumed(H2Stream stream)
    {
        GiveBackConnection(stream.UnconsumedBytes);
        stream.UnconsumedBytes = 0;
    }

    private void Close(H2Stream stream, bool byUs)
    {
        Debug.Assert(!stream.IsClosed);
        stream.State = H2StreamState.Closed;
        stream.WantsToSend = false;
        _streams.Remove(stream);
        if (byUs) _resetByUs.Add(stream.Id);
        else _ended.Add(stream.Id);
    }

    private void EndLocal(H2Stream stream)
    {
        if (stream.State == H2StreamState.HalfClosedRemote) Complete(stream);
        else stream.State = H2StreamState.HalfClosedLocal;
    }

    private void EndRemote(H2Stream stream)
    {
        if (stream.State == H2StreamState.HalfClosedLocal) Complete(stream);
        else stream.State = H2StreamState.HalfClosedRemote;
    }

    private void Complete(H2Stream stream)
    {
        _flood.StreamCompleted();
        Close(stream, byUs: false);
    }

    private void WriteReset(int streamId, H2ErrorCode code)
    {
        FrameWriter.RstStream(_output, streamId, code);
        _controlFramesQueued++;
    }
}
