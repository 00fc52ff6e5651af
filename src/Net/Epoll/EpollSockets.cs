using System.Net;

namespace Mesh.Net.Epoll;

/// <summary>Making sockets and asking them things; everything here is off the hot path.</summary>
internal static unsafe class EpollSockets
{
    internal static int Listen(EndPoint address, ListenOptions options)
    {
        var family = RawAddress.FamilyOf(address);
        var fd = Libc.Socket(family, Libc.SockStream | Libc.SockNonBlock | Libc.SockCloexec, 0);
        Check(fd, "socket", address);
        try
        {
            if (family != Libc.AfUnix)
            {
                Set(fd, Libc.SolSocket, Libc.SoReuseAddr, 1, "SO_REUSEADDR", address);
                if (options.ReusePort) Set(fd, Libc.SolSocket, Libc.SoReusePort, 1, "SO_REUSEPORT", address);
                if (family == Libc.AfInet6) Set(fd, Libc.SolIpv6, Libc.Ipv6Only, options.DualStack ? 0 : 1, "IPV6_V6ONLY", address);
                if (options.Transparent) SetTransparent(fd, family, address);
            }

            RawAddress raw = default;
            var length = RawAddress.Write(address, raw);
            Check(Libc.Bind(fd, (byte*)&raw, length), "bind", address);
            Check(Libc.Listen(fd, options.Backlog), "listen", address);
            return fd;
        }
        catch
        {
            Libc.Close(fd);
            throw;
        }
    }

    internal static int OpenDatagrams(IPEndPoint local)
    {
        var fd = Libc.Socket(RawAddress.FamilyOf(local), Libc.SockDgram | Libc.SockNonBlock | Libc.SockCloexec, 0);
        Check(fd, "socket", local);
        RawAddress raw = default;
        var length = RawAddress.Write(local, raw);
        Libc.TrySetOption(fd, Libc.SolSocket, Libc.SoReusePort, 1);
        if (Libc.Bind(fd, (byte*)&raw, length) == 0) return fd;

        var error = Libc.LastError;
        Libc.Close(fd);
        throw new IOException($"bind {local}: {Libc.Describe(error)}");
    }

    /// <returns>A connecting socket, or -1 and why it cannot even begin.</returns>
    internal static int BeginConnect(EndPoint target, ConnectOptions options, out IoStatus status)
    {
        var family = RawAddress.FamilyOf(target);
        var fd = Libc.Socket(family, Libc.SockStream | Libc.SockNonBlock | Libc.SockCloexec, 0);
        if (fd < 0)
        {
            status = IoStatus.Unreachable;
            return -1;
        }

        if (TryPrepare(fd, family, options))
        {
            RawAddress raw = default;
            var length = RawAddress.Write(target, raw);
            var error = Libc.Connect(fd, (byte*)&raw, length) == 0 ? 0 : Libc.LastError;
            if (error is 0 or Libc.EInProgress)
            {
                status = IoStatus.Ok;
                return fd;
            }

            status = StatusOfConnect(error);
        }
        else
        {
            status = IoStatus.Unreachable;
        }

        Libc.Close(fd);
        return -1;
    }

    /// <summary>The result of a connect that has come to an end.</summary>
    internal static IoStatus ConnectResult(int fd)
    {
        int error = 0, length = sizeof(int);
        Libc.GetOption(fd, Libc.SolSocket, Libc.SoError, (byte*)&error, &length);
        return error == 0 ? IoStatus.Ok : StatusOfConnect(error);
    }

    internal static void ApplyKeepAlive(int fd, KeepAlive? keepAlive)
    {
        if (keepAlive is null) return;

        Libc.TrySetOption(fd, Libc.SolSocket, Libc.SoKeepAlive, 1);
        if (keepAlive.Idle is { } idle) Libc.TrySetOption(fd, Libc.SolTcp, Libc.TcpKeepIdle, Math.Max(1, (int)idle.TotalSeconds));
        if (keepAlive.Interval is { } interval) Libc.TrySetOption(fd, Libc.SolTcp, Libc.TcpKeepInterval, Math.Max(1, (int)interval.TotalSeconds));
        if (keepAlive.Probes is { } probes) Libc.TrySetOption(fd, Libc.SolTcp, Libc.TcpKeepCount, probes);
    }

    internal static EndPoint? LocalOf(int fd)
    {
        RawAddress raw = default;
        var length = RawAddress.Size;
        return Libc.GetLocalAddress(fd, (byte*)&raw, &length) == 0 ? RawAddress.Read(((ReadOnlySpan<byte>)raw)[..length]) : null;
    }

    /// <summary>What iptables' REDIRECT remembers. Null when the connection was not redirected.</summary>
    internal static IPEndPoint? OriginalDestinationOf(int fd, EndPoint local)
    {
        RawAddress raw = default;
        var length = RawAddress.Size;
        var level = local.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? Libc.SolIpv6 : Libc.SolIp;
        if (Libc.GetOption(fd, level, Libc.SoOriginalDst, (byte*)&raw, &length) != 0) return null;

        var original = RawAddress.Read(((ReadOnlySpan<byte>)raw)[..length]) as IPEndPoint;
        return original is null || original.Equals(local) ? null : original;
    }

    private static bool TryPrepare(int fd, int family, ConnectOptions options)
    {
        if (family != Libc.AfUnix)
        {
            Libc.TrySetOption(fd, Libc.SolTcp, Libc.TcpNoDelay, 1);
            ApplyKeepAlive(fd, options.KeepAlive);
        }

        if (options.Mark != 0 && !Libc.TrySetOption(fd, Libc.SolSocket, Libc.SoMark, options.Mark)) return false;
        if (options.Transparent && !TrySetTransparent(fd, family)) return false;
        if (options.Bind is not { } bind) return true;

        // Without this a bound address with port 0 takes a port that no other target may share.
        if (bind.Port == 0) Libc.TrySetOption(fd, Libc.SolIp, Libc.IpBindAddressNoPort, 1);
        else Libc.TrySetOption(fd, Libc.SolSocket, Libc.SoReuseAddr, 1);
        RawAddress raw = default;
        var length = RawAddress.Write(bind, raw);
        return Libc.Bind(fd, (byte*)&raw, length) == 0;
    }

    private static bool TrySetTransparent(int fd, int family) => family == Libc.AfInet6
        ? Libc.TrySetOption(fd, Libc.SolIpv6, Libc.Ipv6Transparent, 1)
        : Libc.TrySetOption(fd, Libc.SolIp, Libc.IpTransparent, 1);

    private static void SetTransparent(int fd, int family, EndPoint address)
    {
        if (!TrySetTransparent(fd, family)) throw Failure("IP_TRANSPARENT (needs CAP_NET_ADMIN)", address, Libc.LastError);
    }

    private static void Set(int fd, int level, int name, int value, string what, EndPoint address)
    {
        if (!Libc.TrySetOption(fd, level, name, value)) throw Failure(what, address, Libc.LastError);
    }

    private static void Check(int result, string what, EndPoint address)
    {
        if (result < 0) throw Failure(what, address, Libc.LastError);
    }

    private static IOException Failure(string what, EndPoint address, int error) => new($"{what} {address}: {Libc.Describe(error)}");

    private static IoStatus StatusOfConnect(int error) => error switch
    {
        Libc.ERefused => IoStatus.Refused,
        Libc.ETimedOut => IoStatus.TimedOut,
        104 => IoStatus.Reset,
        _ => IoStatus.Unreachable,
    };
}
