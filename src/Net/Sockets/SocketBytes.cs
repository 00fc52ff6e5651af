using System.Buffers;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Net.Sockets;

/// <summary>Kestrel's socket connection as asynchronous bytes.</summary>
internal sealed class SocketBytes(Socket socket, ConnectionContext context) : IAsyncBytes
{
    private bool _isClosed;

    public async ValueTask<(int Count, IoStatus Status)> ReadAsync(Memory<byte> buffer)
    {
        try
        {
            var result = await context.Transport.Input.ReadAsync();
            var available = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, buffer.Length));
            var count = (int)available.Length;
            available.CopyTo(buffer.Span);
            context.Transport.Input.AdvanceTo(available.End);
            return count > 0 ? (count, IoStatus.Ok) : (0, result.IsCompleted ? IoStatus.End : IoStatus.Reset);
        }
        catch (Exception e) when (IsBreak(e))
        {
            return (0, IoStatus.Reset);
        }
    }

    public async ValueTask<IoStatus> WriteAsync(ReadOnlyMemory<byte> source)
    {
        try
        {
            // The pipe's threshold is one byte, so this comes back when the socket has taken all.
            var result = await context.Transport.Output.WriteAsync(source);
            return result.IsCompleted ? IoStatus.Reset : IoStatus.Ok;
        }
        catch (Exception e) when (IsBreak(e))
        {
            return IoStatus.Reset;
        }
    }

    public ValueTask EndAsync()
    {
        try
        {
            // Completing the pipe would shut down both directions.
            if (!_isClosed) socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (IsBreak(e))
        {
            // Ended already, which is what was wanted.
        }

        return default;
    }

    public async ValueTask CloseAsync()
    {
        if (_isClosed) return;

        _isClosed = true;
        await context.Transport.Output.CompleteAsync();
        await context.Transport.Input.CompleteAsync();
        await context.DisposeAsync();
    }

    public void Abort()
    {
        if (_isClosed) return;

        _isClosed = true;
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
        context.Abort();
        _ = context.DisposeAsync();
    }

    private static bool IsBreak(Exception e) => e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or InvalidOperationException;
}
