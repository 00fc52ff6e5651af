using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Net.Sockets;

/// <summary>
/// The portable transport: Kestrel's sockets and pipelines behind the seam. Its work is done on the thread pool and handed to the loop;
/// slower than epoll, and the yardstick for it in tests. Knows neither redirection nor transparent addresses.
/// </summary>
public sealed class SocketTransport : Transport
{
    private readonly SocketConnectionContextFactory _factory = new(
        new SocketConnectionFactoryOptions { MaxReadBufferSize = 64 * 1024, MaxWriteBufferSize = 1 }, NullLogger.Instance);

    private readonly HashSet<SocketConnection> _connections = [];
    private readonly AutoResetEvent _wake = new(false);
    private bool _isDisposed;

    public override Acceptor Listen(EndPoint address, ListenOptions? options = null)
    {
        var socket = NewSocket(address);
        try
        {
            socket.Bind(address);
            socket.Listen((options ?? ListenOptions.Default).Backlog);
            return new SocketAcceptor(this, socket);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException($"listen {address}: {e.Message}", e);
        }
    }

    public override async ValueTask<(Connection? Connection, IoStatus Status)> ConnectAsync(
        EndPoint target, Deadline deadline, ConnectOptions? options = null)
    {
        var socket = NewSocket(target);
        using var limit = new CancellationTokenSource();
        var timer = new LoopTimer(Loop, limit.Cancel);
        timer.Arm(deadline);
        var status = IoStatus.Ok;
        try
        {
            if (options?.Bind is { } bind) socket.Bind(bind);
            await socket.ConnectAsync(target, limit.Token);
        }
        catch (OperationCanceledException)
        {
            status = IoStatus.TimedOut;
        }
        catch (SocketException e)
        {
            status = e.SocketErrorCode == SocketError.ConnectionRefused ? IoStatus.Refused : IoStatus.Unreachable;
        }

        await Loop.SwitchTo();
        timer.Disarm();
        if (status == IoStatus.Ok) return (Adopt(socket), IoStatus.Ok);

        socket.Dispose();
        return (null, status);
    }

    public override DatagramSocket OpenDatagrams(IPEndPoint local)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(local);
        return new SocketDatagrams(Loop, socket);
    }

    public override void Poll(TimeSpan waitMax)
    {
        if (waitMax >= TimeSpan.FromMilliseconds(int.MaxValue)) _wake.WaitOne();
        else if (waitMax > TimeSpan.Zero) _wake.WaitOne(TimeSpan.FromMilliseconds(Math.Ceiling(waitMax.TotalMilliseconds)));
    }

    public override void Wake() => _wake.Set();

    internal Connection Adopt(Socket socket)
    {
        if (socket.ProtocolType == ProtocolType.Tcp) socket.NoDelay = true;
        var connection = new SocketConnection(this, socket, _factory.Create(socket));
        _connections.Add(connection);
        return connection;
    }

    internal void Forget(SocketConnection connection) => _connections.Remove(connection);

    protected override void Dispose(bool disposing)
    {
        if (_isDisposed) return;

        _isDisposed = true;
        foreach (var connection in _connections.ToList()) connection.Abort();
        _factory.Dispose();
    }

    private static Socket NewSocket(EndPoint address) =>
        new(address.AddressFamily, SocketType.Stream, address is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
}

/// <summary>One of its connections.</summary>
internal sealed class SocketConnection : ReadinessConnection
{
    private readonly SocketTransport _transport;
    private readonly BytePump _pump;

    internal SocketConnection(SocketTransport transport, Socket socket, ConnectionContext context)
        : base(transport.Loop)
    {
        _transport = transport;
        Addresses = new(socket.LocalEndPoint!, socket.RemoteEndPoint!);
        _pump = new(Loop, new SocketBytes(socket, context), OnReadable, OnWritable);
        _pump.Start();
    }

    public override ConnectionAddresses Addresses { get; }

    protected override bool MayReceive => _pump.MayReceive;

    protected override bool HasPeerClosed => _pump.HasPeerClosed;

    // The end stands behind bytes that the pump holds: take them in.
    protected override void LookForNews()
    {
        while (TryFill() == IoStatus.Ok)
        {
            // Into Input, up to its bound.
        }
    }

    protected override IoStatus Receive(Span<byte> buffer, out int count) => _pump.Receive(buffer, out count);

    protected override IoStatus Send(ReadOnlySpan<byte> bytes, out int sent) => _pump.Send(bytes, out sent);

    protected override void SendEnd() => _pump.SendEnd();

    protected override void Release(bool reset)
    {
        _transport.Forget(this);
        _pump.Release(reset);
    }
}
