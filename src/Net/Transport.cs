using System.Net;

namespace Mesh.Net;

/// <summary>Where connections come from: epoll in production, BCL sockets elsewhere, memory in tests. Belongs to one loop.</summary>
public abstract class Transport : IDisposable
{
    private Loop? _loop;

    public Loop Loop => _loop ?? throw new InvalidOperationException("the transport has no loop yet: hand it to new Loop(…) first");

    /// <summary>Starts listening. Throws <see cref="IOException"/> when the address cannot be had: a start-up fault.</summary>
    /// <param name="address">An <see cref="IPEndPoint"/>, or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/> where the transport knows it. Port 0 asks for any; see <see cref="Acceptor.Local"/>.</param>
    public abstract Acceptor Listen(EndPoint address, ListenOptions? options = null);

    /// <returns>Null and a status when the peer refused, was unreachable, or the deadline passed.</returns>
    public abstract ValueTask<(Connection? Connection, IoStatus Status)> ConnectAsync(
        EndPoint target, Deadline deadline, ConnectOptions? options = null);

    /// <summary>A bound UDP socket. Throws <see cref="IOException"/> when the address cannot be had.</summary>
    public abstract DatagramSocket OpenDatagrams(IPEndPoint local);

    /// <summary>Completes what became ready, waiting at most until the loop's next timer. Called by the loop only.</summary>
    public abstract void Poll(TimeSpan waitMax);

    /// <summary>A poll without waiting would have something to do: for simulations, which turn a loop only then.</summary>
    public virtual bool HasEvents => true;

    /// <summary>Ends a running or the next <see cref="Poll"/> at once. Any thread.</summary>
    public abstract void Wake();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes every socket; waits in progress end with <see cref="IoStatus.Aborted"/>.</summary>
    protected abstract void Dispose(bool disposing);

    internal void Attach(Loop loop) =>
        _loop = _loop is null ? loop : throw new InvalidOperationException("a transport belongs to one loop");
}

/// <summary>How to listen.</summary>
public sealed record ListenOptions
{
    public static ListenOptions Default { get; } = new();

    /// <summary>Connections the kernel finishes before we accept them; beyond it, new ones are dropped and retried by the caller.</summary>
    public int Backlog { get; init; } = 1024;

    /// <summary>One listening socket per loop on the same address; the kernel spreads connections.</summary>
    public bool ReusePort { get; init; } = true;

    /// <summary>IP_TRANSPARENT: accept for addresses that are not ours (TPROXY). Needs CAP_NET_ADMIN.</summary>
    public bool Transparent { get; init; }

    /// <summary>For an IPv6 address: take IPv4 too.</summary>
    public bool DualStack { get; init; }

    /// <summary>Ask the kernel where the connection was headed before redirection (SO_ORIGINAL_DST).</summary>
    public bool OriginalDestination { get; init; }

    public KeepAlive? KeepAlive { get; init; }
}

/// <summary>How to connect.</summary>
public sealed record ConnectOptions
{
    public static ConnectOptions Default { get; } = new();

    /// <summary>Source address; port 0 lets the kernel choose. Istio's inbound side uses 127.0.0.6.</summary>
    public IPEndPoint? Bind { get; init; }

    /// <summary>IP_TRANSPARENT: <see cref="Bind"/> may be an address that is not ours. Needs CAP_NET_ADMIN.</summary>
    public bool Transparent { get; init; }

    /// <summary>SO_MARK on every packet, 0 for none. Needs CAP_NET_ADMIN.</summary>
    public int Mark { get; init; }

    public KeepAlive? KeepAlive { get; init; }
}

/// <summary>TCP keep-alive probes.</summary>
/// <param name="Idle">Silence before the first probe; the kernel's default when null.</param>
public sealed record KeepAlive(TimeSpan? Idle = null, TimeSpan? Interval = null, int? Probes = null);
