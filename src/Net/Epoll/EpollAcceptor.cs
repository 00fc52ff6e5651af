using System.Net;

namespace Mesh.Net.Epoll;

/// <summary>A listening socket. Level-triggered: one connection is accepted per turn of the loop, so that a storm of new ones starves nobody.</summary>
internal sealed class EpollAcceptor : Acceptor, IEpollSource
{
    // Long enough not to spin on a full descriptor table, short enough not to be noticed by a caller.
    private static readonly TimeSpan BackOff = TimeSpan.FromMilliseconds(50);

    private readonly EpollTransport _transport;
    private readonly ListenOptions _options;
    private readonly int _fd;
    private readonly LoopSignal _arrived;
    private readonly LoopTimer _resume;
    private bool _isArmed = true;
    private bool _isClosed;

    internal EpollAcceptor(EpollTransport transport, int fd, EndPoint asked, ListenOptions options)
    {
        _transport = transport;
        _fd = fd;
        _options = options;
        _arrived = new(transport.Loop);
        _resume = new(transport.Loop, Resume);
        Local = EpollSockets.LocalOf(fd) ?? asked;
        transport.Add(fd, this, Libc.EpollIn);
    }

    public override EndPoint Local { get; }

    public override async ValueTask<(Connection? Connection, IoStatus Status)> AcceptAsync(Deadline deadline)
    {
        while (true)
        {
            if (_isClosed) return (null, IoStatus.Aborted);
            if (!_isArmed && !_resume.IsArmed) Resume();

            var status = await _arrived.WaitAsync(deadline);
            if (status != IoStatus.Ok) return (null, status);
            if (TryAccept() is { } connection) return (connection, IoStatus.Ok);
        }
    }

    public override void Close()
    {
        if (_isClosed) return;

        _isClosed = true;
        _resume.Disarm();
        _transport.Close(_fd);
        _arrived.WakeAll(IoStatus.Aborted);
    }

    void IEpollSource.Abort() => Close();

    void IEpollSource.OnEvents(uint flags)
    {
        if (!_arrived.WakeOne()) Pause();
    }

    private unsafe EpollConnection? TryAccept()
    {
        RawAddress peer = default;
        while (!_isClosed)
        {
            var length = RawAddress.Size;
            var fd = Libc.Accept(_fd, (byte*)&peer, &length, Libc.SockNonBlock | Libc.SockCloexec);
            if (fd >= 0) return new EpollConnection(_transport, fd, RawAddress.Read(((ReadOnlySpan<byte>)peer)[..length]) ?? Local, Local, _options);

            switch (Libc.LastError)
            {
                case Libc.EInterrupted:
                    continue;
                case Libc.ETooManyFiles or Libc.EFileTableFull or Libc.ENoBuffers or Libc.ENoMemory:
                    Pause();
                    _resume.Arm(Deadline.After(_transport.Loop.Clock, BackOff));
                    return null;
                default:
                    // Taken by nobody, or the peer gave up before we came: the kernel tells again when there is another.
                    return null;
            }
        }

        return null;
    }

    // Nobody waits: what arrives stays in the kernel's backlog, and we must not be told of it over and over.
    private void Pause()
    {
        _isArmed = false;
        _transport.Modify(_fd, 0);
    }

    private void Resume()
    {
        if (_isClosed) return;

        _isArmed = true;
        _transport.Modify(_fd, Libc.EpollIn);
    }
}
