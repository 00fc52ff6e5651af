using System.Net;
using System.Net.Sockets;

namespace Mesh.Net.Sockets;

/// <summary>A BCL UDP socket.</summary>
internal sealed class SocketDatagrams(Loop loop, Socket socket) : DatagramSocket
{
    private bool _isClosed;

    public override IPEndPoint Local { get; } = (IPEndPoint)socket.LocalEndPoint!;

    public override async ValueTask<(int Length, IPEndPoint? From, IoStatus Status)> ReceiveAsync(Memory<byte> buffer, Deadline deadline)
    {
        using var limit = new CancellationTokenSource();
        var timer = new LoopTimer(loop, limit.Cancel);
        timer.Arm(deadline);
        (int, IPEndPoint?, IoStatus) answer;
        try
        {
            var result = await socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), limit.Token);
            answer = (result.ReceivedBytes, (IPEndPoint)result.RemoteEndPoint, IoStatus.Ok);
        }
        catch (OperationCanceledException)
        {
            answer = (0, null, IoStatus.TimedOut);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            answer = (0, null, _isClosed ? IoStatus.Aborted : IoStatus.Reset);
        }

        await loop.SwitchTo();
        timer.Disarm();
        return answer;
    }

    public override IoStatus Send(ReadOnlySpan<byte> message, IPEndPoint to)
    {
        if (_isClosed) return IoStatus.Aborted;

        try
        {
            socket.SendTo(message, SocketFlags.None, to);
            return IoStatus.Ok;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.WouldBlock ? IoStatus.WouldBlock : IoStatus.Unreachable;
        }
    }

    public override void Close()
    {
        _isClosed = true;
        socket.Dispose();
    }
}
