using System.Net;
using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.SystemTests.Iptables;

namespace Mesh.SystemTests.Net;

/// <summary>What the kernel remembers of a redirected connection, and what it lets a proxy pretend.</summary>
public sealed class RedirectionTests
{
    [Theory]
    [InlineData("10.9.0.1", "0.0.0.0", "iptables")]
    [InlineData("fd00:9::1", "::", "ip6tables")]
    public void A_redirected_connection_knows_where_it_was_headed(string target, string listen, string tool)
    {
        Assert.SkipWhen(NetworkSpace.Missing is not null, NetworkSpace.Missing ?? "");
        using var space = new NetworkSpace();
        space.Tool($"ip addr add {target}/{(target.Contains(':', StringComparison.Ordinal) ? 128 : 32)} dev lo");
        space.Tool($"{tool} -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 15001");
        var asked = new IPEndPoint(IPAddress.Parse(target), 80);

        var (original, direct) = InSpace(space, async loop =>
        {
            var soon = Deadline.After(loop.Clock, TimeSpan.FromSeconds(5));
            var acceptor = loop.Transport.Listen(new IPEndPoint(IPAddress.Parse(listen), 15001), new() { OriginalDestination = true });
            var redirected = await AcceptAsync(loop, acceptor, asked, soon);
            var plain = await AcceptAsync(loop, acceptor, new(asked.Address, 15001), soon);
            acceptor.Close();
            return (redirected.OriginalDestination, plain.OriginalDestination);
        });

        Assert.Equal(asked, original);
        Assert.Null(direct);
    }

    [Theory]
    [InlineData("10.8.8.8", "10.9.0.1")]
    [InlineData("fd00:8::8", "fd00:9::1")]
    public void A_transparent_proxy_may_speak_with_an_address_that_is_not_its_own(string source, string target)
    {
        Assert.SkipWhen(NetworkSpace.Missing is not null, NetworkSpace.Missing ?? "");
        using var space = new NetworkSpace();
        var family = target.Contains(':', StringComparison.Ordinal) ? "-6" : "-4";
        space.Tool($"ip {family} addr add {target}/{(family == "-6" ? 128 : 32)} dev lo");
        // Answers to the borrowed address stay on this host.
        space.Tool($"ip {family} rule add from {target} lookup 133");
        space.Tool($"ip {family} route add local default dev lo table 133");

        var (peer, without) = InSpace(space, async loop =>
        {
            var soon = Deadline.After(loop.Clock, TimeSpan.FromSeconds(5));
            var bind = new IPEndPoint(IPAddress.Parse(source), 0);
            var acceptor = loop.Transport.Listen(new IPEndPoint(IPAddress.Parse(target), 7000), new() { Transparent = true });
            var (_, refused) = await loop.Transport.ConnectAsync(acceptor.Local, soon, new() { Bind = bind });
            var addresses = await AcceptAsync(loop, acceptor, (IPEndPoint)acceptor.Local, soon, new() { Bind = bind, Transparent = true, Mark = 1337 });
            acceptor.Close();
            return (((IPEndPoint)addresses.Peer).Address, refused);
        });

        Assert.Equal(IPAddress.Parse(source), peer);
        Assert.Equal(IoStatus.Unreachable, without);
    }

    private static async ValueTask<ConnectionAddresses> AcceptAsync(Loop loop, Acceptor acceptor, IPEndPoint target, Deadline soon, ConnectOptions? options = null)
    {
        var accepting = acceptor.AcceptAsync(soon);
        var (client, status) = await loop.Transport.ConnectAsync(target, soon, options);
        if (status != IoStatus.Ok) throw new InvalidOperationException($"connect {target}: {status}");

        var (server, accepted) = await accepting;
        if (accepted != IoStatus.Ok) throw new InvalidOperationException($"accept: {accepted}");

        var addresses = server!.Addresses;
        client!.Abort();
        server.Abort();
        return addresses;
    }

    // The loop is made and turned on the space's own thread, so its sockets belong there.
    private static T InSpace<T>(NetworkSpace space, Func<Loop, ValueTask<T>> flow) => space.Run(() =>
    {
        using var rig = new LoopRig(new EpollTransport());
        var result = default(T);
        rig.Run(async () => result = await flow(rig.Loop));
        return result!;
    });
}
