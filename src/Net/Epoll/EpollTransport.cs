using System.Net;

namespace Mesh.Net.Epoll;

/// <summary>
/// Linux sockets on one epoll per loop. Connections are registered once, edge-triggered; a socket is read until a read comes back short,
/// so it is never asked just to answer "nothing there".
/// </summary>
public sealed class EpollTransport : Transport
{
    // What the first of a batch wrote waits for the last: few enough that nobody notices.
    private const int EventsPerPollMax = 64;

    // The kernel packs the event on x86-64 only: 4 bytes of flags, then 8 of data, with or without 4 of padding between.
    private static readonly int EventBytes = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = EventBytes - 8;

    private readonly int _epoll;
    private readonly int _wake;
    private readonly byte[] _events = GC.AllocateUninitializedArray<byte>(EventsPerPollMax * 16, pinned: true);
    private readonly unsafe byte* _eventsAt;
    private IEpollSource?[] _sources = new IEpollSource?[256];
    private uint[] _generations = new uint[256];
    private readonly Stack<(int Read, int Write)> _pipes = new();
    private bool _isDisposed;

    public unsafe EpollTransport()
    {
        _eventsAt = (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(_events, 0);
        Libc.Prepare();
        _epoll = Libc.EpollCreate(Libc.EpollCloexec);
        _wake = Libc.EventFd(0, Libc.EventFdFlags);
        if (_epoll < 0 || _wake < 0) throw new IOException($"epoll: {Libc.Describe(Libc.LastError)}");

        Add(_wake, new Waker(_wake), Libc.EpollIn);
    }

    public override Acceptor Listen(EndPoint address, ListenOptions? options = null) =>
        new EpollAcceptor(this, EpollSockets.Listen(address, options ?? ListenOptions.Default), address, options ?? ListenOptions.Default);

    public override ValueTask<(Connection? Connection, IoStatus Status)> ConnectAsync(
        EndPoint target, Deadline deadline, ConnectOptions? options = null)
    {
        var fd = EpollSockets.BeginConnect(target, options ?? ConnectOptions.Default, out var status);
        return fd < 0 ? new((null, status)) : FinishConnectAsync(new EpollConnection(this, fd, target), deadline);
    }

    public override DatagramSocket OpenDatagrams(IPEndPoint local) => new EpollDatagramSocket(this, EpollSockets.OpenDatagrams(local));

    public override unsafe void Poll(TimeSpan waitMax)
    {
        var timeoutMs = waitMax <= TimeSpan.Zero ? 0
            : waitMax.TotalMilliseconds >= int.MaxValue ? -1
            : (int)Math.Ceiling(waitMax.TotalMilliseconds);
        var count = Libc.EpollWait(_epoll, _eventsAt, EventsPerPollMax, timeoutMs);
        if (count < 0 && Libc.LastError != Libc.EInterrupted) throw new IOException($"epoll_wait: {Libc.Describe(Libc.LastError)}");
        if (count <= 0) return;

        // Time has passed while we slept; deadlines set from here on must not be short by it.
        Loop.Clock.Refresh();
        for (var i = 0; i < count; i++)
        {
            var at = _eventsAt + i * EventBytes;
            var flags = *(uint*)at;
            var data = *(ulong*)(at + DataOffset);
            var fd = (int)(uint)data;
            // An earlier event of this batch may have closed it, and even opened another with its number.
            if (_generations[fd] != (uint)(data >> 32) || _sources[fd] is not { } source) continue;

            Loop.Guarded(static (_, e) => e.source.OnEvents(e.flags), (source, flags));
        }
    }

    public override unsafe void Wake()
    {
        ulong one = 1;
        Libc.Write(_wake, (byte*)&one, sizeof(ulong));
    }

    internal void Add(int fd, IEpollSource source, uint flags)
    {
        if (fd >= _sources.Length)
        {
            var size = Math.Max(fd + 1, _sources.Length * 2);
            Array.Resize(ref _sources, size);
            Array.Resize(ref _generations, size);
        }

        _generations[fd]++;
        _sources[fd] = source;
        if (Control(Libc.EpollAdd, fd, flags) != 0) throw new IOException($"epoll_ctl: {Libc.Describe(Libc.LastError)}");
    }

    internal void Modify(int fd, uint flags) => Control(Libc.EpollModify, fd, flags);

    /// <summary>Closing the descriptor takes it out of epoll as well.</summary>
    internal void Close(int fd)
    {
        _sources[fd] = null;
        _generations[fd]++;
        Libc.Close(fd);
    }

    /// <returns>A pipe for splicing; (-1, -1) when there is none to be had.</returns>
    internal unsafe (int Read, int Write) RentPipe(int bytes)
    {
        if (_pipes.TryPop(out var pipe)) return pipe;

        var ends = stackalloc int[2];
        if (Libc.Pipe(ends, Libc.PipeFlags) != 0) return (-1, -1);

        Libc.Control(ends[1], Libc.FSetPipeSize, bytes);
        return (ends[0], ends[1]);
    }

    /// <param name="isEmpty">One that still holds bytes is of no use to the next.</param>
    internal void ReturnPipe((int Read, int Write) pipe, bool isEmpty)
    {
        const int keptMax = 32;
        if (isEmpty && _pipes.Count < keptMax && !_isDisposed)
        {
            _pipes.Push(pipe);
            return;
        }

        Libc.Close(pipe.Read);
        Libc.Close(pipe.Write);
    }

    protected override void Dispose(bool disposing)
    {
        if (_isDisposed) return;

        _isDisposed = true;
        foreach (var source in _sources) source?.Abort();
        while (_pipes.TryPop(out var pipe)) ReturnPipe(pipe, isEmpty: false);
        Libc.Close(_epoll);
    }

    private static async ValueTask<(Connection? Connection, IoStatus Status)> FinishConnectAsync(EpollConnection connection, Deadline deadline)
    {
        var status = await connection.ConnectedAsync(deadline);
        if (status == IoStatus.Ok) return (connection, IoStatus.Ok);

        connection.Abort();
        return (null, status);
    }

    private unsafe int Control(int operation, int fd, uint flags)
    {
        var @event = stackalloc byte[16];
        *(uint*)@event = flags;
        *(ulong*)(@event + DataOffset) = (ulong)_generations[fd] << 32 | (uint)fd;
        return Libc.EpollControl(_epoll, operation, fd, @event);
    }

    private sealed class Waker(int fd) : IEpollSource
    {
        public unsafe void OnEvents(uint flags)
        {
            ulong count;
            Libc.Read(fd, (byte*)&count, sizeof(ulong));
        }

        // The descriptor stays open to the end of the process: another thread may be just about to wake us.
        public void Abort()
        {
        }
    }
}

/// <summary>What epoll's events are for.</summary>
internal interface IEpollSource
{
    void OnEvents(uint flags);

    /// <summary>The transport closes.</summary>
    void Abort();
}
