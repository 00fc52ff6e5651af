using System.Net;

namespace Mesh.Net.Epoll;

/// <summary>A TCP or Unix stream socket on the loop's epoll.</summary>
internal sealed class EpollConnection : ReadinessConnection, IEpollSource
{
    private const uint Registered = Libc.EpollIn | Libc.EpollRdHup | Libc.EpollEdge;
    private const int ResetByPeer = 104;

    private readonly EpollTransport _transport;
    private readonly int _fd;
    private readonly EndPoint _peer;
    private readonly EndPoint? _listener;
    private readonly bool _asksOriginal;
    private ConnectionAddresses? _addresses;
    private LoopSignal? _connected;
    private bool _mayReceive;
    private bool _peerClosed;
    private bool _watchesRoom;

    /// <summary>An accepted one.</summary>
    internal EpollConnection(EpollTransport transport, int fd, EndPoint peer, EndPoint listener, ListenOptions options)
        : base(transport.Loop)
    {
        _transport = transport;
        _fd = fd;
        _peer = peer;
        _listener = listener;
        _asksOriginal = options.OriginalDestination;
        if (peer is IPEndPoint)
        {
            Libc.TrySetOption(fd, Libc.SolTcp, Libc.TcpNoDelay, 1);
            EpollSockets.ApplyKeepAlive(fd, options.KeepAlive);
        }

        transport.Add(fd, this, Registered);
    }

    /// <summary>One that is connecting.</summary>
    internal EpollConnection(EpollTransport transport, int fd, EndPoint target)
        : base(transport.Loop)
    {
        _transport = transport;
        _fd = fd;
        _peer = target;
        _connected = new(transport.Loop);
        _watchesRoom = true;
        transport.Add(fd, this, Registered | Libc.EpollOut);
    }

    public override ConnectionAddresses Addresses => _addresses ??= ReadAddresses();

    internal int Descriptor => _fd;

    internal EpollTransport Transport => _transport;

    protected override bool MayReceive => _mayReceive;

    protected override bool HasPeerClosed => _peerClosed;

    internal ValueTask<IoStatus> ConnectedAsync(Deadline deadline)
    {
        var waiting = _connected!.WaitAsync(deadline);
        return waiting.IsCompleted ? waiting : FinishAsync(waiting);

        async ValueTask<IoStatus> FinishAsync(ValueTask<IoStatus> signal)
        {
            var status = await signal;
            _connected = null;
            return status == IoStatus.Ok ? EpollSockets.ConnectResult(_fd) : status;
        }
    }

    internal override IBulkPipe? BulkPipeTo(Connection other) =>
        other is EpollConnection target && target._transport == _transport ? new SplicePipe(this, target) : null;

    /// <summary>From the socket into a pipe. WouldBlock: nothing there now.</summary>
    internal unsafe IoStatus SpliceOut(int pipe, int countMax, out int count)
    {
        count = 0;
        while (true)
        {
            if (IsClosed) return IoStatus.Aborted;

            var moved = Libc.Splice(_fd, null, pipe, null, countMax, Libc.SpliceMove | Libc.SpliceNonBlock);
            if (moved > 0)
            {
                count = (int)moved;
                return IoStatus.Ok;
            }

            if (moved == 0) return IoStatus.End;

            switch (Libc.LastError)
            {
                case Libc.EInterrupted:
                    continue;
                case Libc.EAgain:
                    _mayReceive = false;
                    return IoStatus.WouldBlock;
                default:
                    return IoStatus.Reset;
            }
        }
    }

    /// <summary>From a pipe into the socket. WouldBlock: no room, and news of it will come.</summary>
    internal unsafe IoStatus SpliceIn(int pipe, int countMax, out int count)
    {
        count = 0;
        while (true)
        {
            if (IsClosed) return IoStatus.Aborted;

            var moved = Libc.Splice(pipe, null, _fd, null, countMax, Libc.SpliceMove | Libc.SpliceNonBlock);
            if (moved >= 0)
            {
                count = (int)moved;
                return IoStatus.Ok;
            }

            switch (Libc.LastError)
            {
                case Libc.EInterrupted:
                    continue;
                case Libc.EAgain:
                    WatchRoom();
                    return IoStatus.WouldBlock;
                default:
                    return IoStatus.Reset;
            }
        }
    }

    void IEpollSource.OnEvents(uint flags)
    {
        if ((flags & (Libc.EpollRdHup | Libc.EpollHup | Libc.EpollErr)) != 0) _peerClosed = true;
        if (_peerClosed || (flags & Libc.EpollIn) != 0) _mayReceive = true;
        if (_connected is not null)
        {
            _connected.Wake();
            return;
        }

        if ((flags & (Libc.EpollOut | Libc.EpollErr | Libc.EpollHup)) != 0) OnWritable();
        if (_mayReceive && !IsClosed) OnReadable();
    }

    protected override unsafe IoStatus Receive(Span<byte> buffer, out int count)
    {
        fixed (byte* at = buffer)
        {
            while (true)
            {
                var read = Libc.Receive(_fd, at, buffer.Length, 0);
                var error = read < 0 ? Libc.SocketError : 0;
                count = (int)read;
                if (read > 0)
                {
                    // Short: the socket is empty, and the next event will say otherwise. After the peer's end none comes, so ask again.
                    if (read < buffer.Length) _mayReceive = _peerClosed;
                    return IoStatus.Ok;
                }

                count = 0;
                if (read == 0) return IoStatus.End;

                switch (error)
                {
                    case Libc.EInterrupted:
                        continue;
                    case Libc.EAgain:
                        _mayReceive = false;
                        return IoStatus.WouldBlock;
                    default:
                        return IoStatus.Reset;
                }
            }
        }
    }

    protected override unsafe IoStatus Send(ReadOnlySpan<byte> bytes, out int sent)
    {
        sent = 0;
        if (bytes.IsEmpty) return IoStatus.Ok;

        fixed (byte* at = bytes)
        {
            while (true)
            {
                var written = Libc.Send(_fd, at, bytes.Length, Libc.MsgNoSignal);
                var error = written < 0 ? Libc.SocketError : 0;
                if (written >= 0)
                {
                    sent = (int)written;
                    if (sent < bytes.Length) WatchRoom();
                    return IoStatus.Ok;
                }

                switch (error)
                {
                    case Libc.EInterrupted:
                        continue;
                    case Libc.EAgain:
                        WatchRoom();
                        return IoStatus.WouldBlock;
                    default:
                        return IoStatus.Reset;
                }
            }
        }
    }

    protected override void SendEnd() => Libc.Shutdown(_fd, Libc.ShutWrite);

    protected override unsafe void Release(bool reset)
    {
        // Known only while the descriptor lives, and still wanted in the access log.
        _addresses ??= ReadAddresses();
        if (reset)
        {
            var linger = 1L;
            Libc.SetOption(_fd, Libc.SolSocket, Libc.SoLinger, (byte*)&linger, sizeof(long));
        }

        _transport.Close(_fd);
        _connected?.WakeAll(IoStatus.Aborted);
    }

    /// <summary>Asked for at the first short write and kept: edge-triggered, it costs nothing more.</summary>
    internal void WatchRoom()
    {
        if (_watchesRoom) return;

        _watchesRoom = true;
        _transport.Modify(_fd, Registered | Libc.EpollOut);
    }

    private ConnectionAddresses ReadAddresses()
    {
        var local = EpollSockets.LocalOf(_fd) ?? _listener ?? new IPEndPoint(IPAddress.None, 0);
        return new(local, _peer, _asksOriginal ? EpollSockets.OriginalDestinationOf(_fd, local) : null);
    }
}
