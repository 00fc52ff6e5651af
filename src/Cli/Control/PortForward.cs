using System.Net;
using System.Net.Sockets;

namespace Mesh.Cli.Control;

/// <summary>A port of this machine whose connections lead into a pod, until it is disposed: what `kubectl port-forward` does.</summary>
internal sealed class PortForward : IAsyncDisposable
{
    // A browser opens six at a time; more wait for one of these to end.
    private const int ConnectionsMax = 64;

    private readonly TcpListener listener;
    private readonly Func<CancellationToken, Task<Stream>> open;
    private readonly Action<string> tell;
    private readonly CancellationTokenSource end = new();
    private readonly SemaphoreSlim room = new(ConnectionsMax);
    private readonly Task accepting;

    private PortForward(TcpListener listener, Func<CancellationToken, Task<Stream>> open, Action<string> tell)
    {
        (this.listener, this.open, this.tell) = (listener, open, tell);
        accepting = AcceptAsync();
    }

    public IPEndPoint Address => (IPEndPoint)listener.LocalEndpoint;

    /// <param name="ports">In order of preference; 0 is any that is free.</param>
    /// <param name="tell">Hears why a connection could not be made.</param>
    /// <exception cref="ControlPlaneException">None of the ports is free.</exception>
    public static PortForward Start(IPAddress address, IReadOnlyList<int> ports, Func<CancellationToken, Task<Stream>> open, Action<string> tell)
    {
        foreach (var port in ports)
        {
            var listener = new TcpListener(address, port);
            try
            {
                listener.Start();
                return new(listener, open, tell);
            }
            catch (SocketException)
            {
                listener.Dispose();
            }
        }
        throw new ControlPlaneException($"port {ports[0]} of {address} is not free: choose another with --port");
    }

    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        listener.Stop();
        await accepting;
        listener.Dispose();
        end.Dispose();
        room.Dispose();
    }

    private async Task AcceptAsync()
    {
        var running = new List<Task>();
        try
        {
            while (true)
            {
                await room.WaitAsync(end.Token);
                var client = await listener.AcceptTcpClientAsync(end.Token);
                running.RemoveAll(task => task.IsCompleted);
                running.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed: nobody connects any more.
        }
        await Task.WhenAll(running);
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var near = client;
        try
        {
            await using var far = await open(end.Token);
            var here = near.GetStream();
            // Either end ends both: HTTP needs no half-closed connection, and a tunnel has none.
            await await Task.WhenAny(here.CopyToAsync(far, end.Token), far.CopyToAsync(here, end.Token));
        }
        catch (ControlPlaneException e)
        {
            tell(e.Message);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // One of the two left.
        }
        finally
        {
            room.Release();
        }
    }
}
