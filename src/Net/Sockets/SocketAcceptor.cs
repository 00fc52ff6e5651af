using System.Net;
using System.Net.Sockets;

namespace Mesh.Net.Sockets;

/// <summary>A listening BCL socket.</summary>
internal sealed class SocketAcceptor(SocketTransport transport, Socket socket) : Acceptor
{
    private static readonly TimeSpan BackOff = TimeSpan.FromMilliseconds(50);

    private readonly LoopSignal _arrived = new(transport.Loop);
    private Task<Socket>? _accepting;
    private bool _isClosed;

    public override EndPoint Local { get; } = socket.LocalEndPoint!;

    public override async ValueTask<(Connection? Connection, IoStatus Status)> AcceptAsync(Deadline deadline)
    {
        while (!_isClosed)
        {
            if (_accepting is null)
            {
                _accepting = socket.AcceptAsync();
                _ = TellAsync(_accepting);
            }

            if (!_accepting.IsCompleted)
            {
                var status = await _arrived.WaitAsync(deadline);
                if (status != IoStatus.Ok) return (null, status);
                if (_isClosed || _accepting is not { IsCompleted: true }) continue;
            }

            var accepted = _accepting;
            _accepting = null;
            if (accepted.IsCompletedSuccessfully) return (transport.Adopt(accepted.Result), IoStatus.Ok);

            // Out of descriptors, or the peer gave up in between.
            _ = accepted.Exception;
            if (!_isClosed) await transport.Loop.Delay(BackOff);
        }

        return (null, IoStatus.Aborted);
    }

    public override void Close()
    {
        if (_isClosed) return;

        _isClosed = true;
        socket.Dispose();
        _arrived.WakeAll(IoStatus.Aborted);
    }

    private async Task TellAsync(Task<Socket> accepting)
    {
        await accepting.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        await transport.Loop.SwitchTo();
        _arrived.Wake();
    }
}
