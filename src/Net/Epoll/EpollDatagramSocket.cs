using System.Net;

namespace Mesh.Net.Epoll;

/// <summary>A UDP socket on the loop's epoll.</summary>
internal sealed class EpollDatagramSocket : DatagramSocket, IEpollSource
{
    private readonly EpollTransport _transport;
    private readonly int _fd;
    private readonly LoopSignal _arrived;
    private bool _isClosed;

    internal EpollDatagramSocket(EpollTransport transport, int fd)
    {
        _transport = transport;
        _fd = fd;
        _arrived = new(transport.Loop);
        Local = (IPEndPoint)EpollSockets.LocalOf(fd)!;
        transport.Add(fd, this, Libc.EpollIn | Libc.EpollEdge);
    }

    public override IPEndPoint Local { get; }

    public override async ValueTask<(int Length, IPEndPoint? From, IoStatus Status)> ReceiveAsync(Memory<byte> buffer, Deadline deadline)
    {
        while (true)
        {
            if (_isClosed) return (0, null, IoStatus.Aborted);
            if (TryReceive(buffer.Span, out var length, out var from)) return (length, from, IoStatus.Ok);

            var status = await _arrived.WaitAsync(deadline);
            if (status != IoStatus.Ok) return (0, null, status);
        }
    }

    public override unsafe IoStatus Send(ReadOnlySpan<byte> message, IPEndPoint to)
    {
        if (_isClosed) return IoStatus.Aborted;

        RawAddress raw = default;
        var length = RawAddress.Write(to, raw);
        fixed (byte* at = message)
        {
            if (Libc.SendTo(_fd, at, message.Length, Libc.MsgNoSignal, (byte*)&raw, length) >= 0) return IoStatus.Ok;
        }

        return Libc.LastError == Libc.EAgain ? IoStatus.WouldBlock : IoStatus.Unreachable;
    }

    public override void Close()
    {
        if (_isClosed) return;

        _isClosed = true;
        _transport.Close(_fd);
        _arrived.WakeAll(IoStatus.Aborted);
    }

    void IEpollSource.Abort() => Close();

    void IEpollSource.OnEvents(uint flags) => _arrived.Wake();

    private unsafe bool TryReceive(Span<byte> buffer, out int length, out IPEndPoint? from)
    {
        RawAddress raw = default;
        fixed (byte* at = buffer)
        {
            // An error here is an ICMP answer to an earlier send (port unreachable): it is no message, and the next one may be.
            for (var errors = 0; errors < 8; errors++)
            {
                var addressLength = RawAddress.Size;
                var read = Libc.ReceiveFrom(_fd, at, buffer.Length, 0, (byte*)&raw, &addressLength);
                if (read >= 0)
                {
                    length = (int)read;
                    from = RawAddress.Read(((ReadOnlySpan<byte>)raw)[..addressLength]) as IPEndPoint;
                    if (from is not null) return true;
                }
                else if (Libc.LastError == Libc.EAgain)
                {
                    break;
                }
            }
        }

        length = 0;
        from = null;
        return false;
    }
}
