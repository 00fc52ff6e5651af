using System.Net;
using System.Net.Sockets;
using Mesh.Net;
using Mesh.Net.Epoll;

namespace Mesh.SystemTests.Net;

/// <summary>What only the real kernel can show.</summary>
public sealed class EpollLoopTests
{
    [Fact]
    public void Another_thread_wakes_a_sleeping_loop_and_stops_it()
    {
        var loop = new Loop(new EpollTransport(), TimeProvider.System, 1);
        using var ran = new ManualResetEventSlim();
        var thread = loop.Start("test loop");

        loop.Post(ran.Set);
        Assert.True(ran.Wait(TimeSpan.FromSeconds(10)));
        loop.Stop();
        Assert.True(thread.Join(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public void Work_posted_from_many_threads_all_runs()
    {
        const int threads = 4, each = 5000;
        var loop = new Loop(new EpollTransport(), TimeProvider.System, 1);
        var count = 0;
        using var done = new ManualResetEventSlim();
        var thread = loop.Start("test loop");
        var posters = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            for (var i = 0; i < each; i++)
            {
                loop.Post(() =>
                {
                    if (++count == threads * each) done.Set();
                });
            }
        })).ToList();
        posters.ForEach(p => p.Start());
        posters.ForEach(p => p.Join());

        Assert.True(done.Wait(TimeSpan.FromSeconds(20)), $"{count} of {threads * each} ran");
        loop.Stop();
        thread.Join();
    }

    [Fact]
    public void Two_loops_share_a_port_and_each_connection_has_one_owner()
    {
        using var first = new LoopRig(new EpollTransport());
        using var second = new LoopRig(new EpollTransport());
        var one = first.Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        var two = second.Loop.Transport.Listen(one.Local);
        var clients = Enumerable.Range(0, 64).Select(_ =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(one.Local);
            return socket;
        }).ToList();

        var accepted = CountAccepted(first, one) + CountAccepted(second, two);

        Assert.Equal(64, accepted);
        clients.ForEach(c => c.Dispose());
    }

    [Fact]
    public void A_port_taken_by_somebody_else_is_said_plainly()
    {
        using var rig = new LoopRig(new EpollTransport());
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();

        var refusal = Assert.Throws<IOException>(() => rig.Loop.Transport.Listen(taken.LocalEndPoint!));

        Assert.Contains(taken.LocalEndPoint!.ToString()!, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("in use", refusal.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_unix_socket_is_a_connection_like_any_other()
    {
        var folder = Directory.CreateTempSubdirectory();
        using var rig = new LoopRig(new EpollTransport());
        rig.Run(async () =>
        {
            var soon = Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5));
            var address = new UnixDomainSocketEndPoint(Path.Combine(folder.FullName, "s"));
            var acceptor = rig.Loop.Transport.Listen(address);
            var accepting = acceptor.AcceptAsync(soon);
            var (client, status) = await rig.Loop.Transport.ConnectAsync(address, soon);
            var (server, _) = await accepting;

            Assert.Equal(IoStatus.Ok, status);
            await client!.WriteAsync("x"u8.ToArray(), soon);
            Assert.Equal(IoStatus.Ok, await server!.FillAsync(soon));
            client.Close();
            server.Close();
            acceptor.Close();
        });
        folder.Delete(recursive: true);
    }

    [Fact]
    public void IPv6_connections_know_their_addresses()
    {
        using var rig = new LoopRig(new EpollTransport());
        rig.Run(async () =>
        {
            var soon = Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5));
            var acceptor = rig.Loop.Transport.Listen(new IPEndPoint(IPAddress.IPv6Any, 0), new() { DualStack = true });
            var port = ((IPEndPoint)acceptor.Local).Port;
            foreach (var host in new[] { IPAddress.IPv6Loopback, IPAddress.Loopback })
            {
                var accepting = acceptor.AcceptAsync(soon);
                var (client, status) = await rig.Loop.Transport.ConnectAsync(new IPEndPoint(host, port), soon);
                var (server, _) = await accepting;

                Assert.Equal(IoStatus.Ok, status);
                Assert.Equal(client!.Addresses.Local, server!.Addresses.Peer);
                Assert.Equal(new IPEndPoint(host, port), server.Addresses.Local);
                client.Abort();
                server.Abort();
            }

            acceptor.Close();
        });
    }

    [Fact]
    public void No_route_is_unreachable_at_once()
    {
        using var rig = new LoopRig(new EpollTransport());
        rig.Run(async () =>
        {
            var soon = Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5));
            var options = new ConnectOptions { Bind = new(IPAddress.Parse("192.0.2.77"), 0) };

            var (connection, status) = await rig.Loop.Transport.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 9), soon, options);

            Assert.Equal((null, IoStatus.Unreachable), (connection, status));
        });
    }

    [Fact]
    public void An_acceptor_nobody_waits_on_does_not_keep_the_loop_awake()
    {
        using var rig = new LoopRig(new EpollTransport());
        var acceptor = rig.Loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(acceptor.Local);
        rig.Run(async () =>
        {
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(20));
            var before = rig.Loop.Batches;
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(50));
            Assert.InRange(rig.Loop.Batches - before, 0, 10);

            var (connection, status) = await acceptor.AcceptAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5)));
            Assert.Equal(IoStatus.Ok, status);
            connection!.Abort();
        });
    }

    [Fact]
    public void A_peer_that_closed_long_ago_does_not_keep_the_loop_awake()
    {
        using var rig = new LoopRig(new EpollTransport());
        rig.Run(async () =>
        {
            var (client, server) = await rig.PairAsync();
            server.Close();
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(20));
            var before = rig.Loop.Batches;
            await rig.Loop.Delay(TimeSpan.FromMilliseconds(50));

            Assert.InRange(rig.Loop.Batches - before, 0, 10);
            client.Close();
        });
    }

    [Fact]
    public void An_event_meant_for_a_closed_descriptor_never_reaches_its_successor()
    {
        using var rig = new LoopRig(new EpollTransport());
        rig.Run(async () =>
        {
            // Both ends become readable in one batch; the first to run closes the second and opens another under its number.
            for (var i = 0; i < 200; i++)
            {
                var (a, b) = await rig.PairAsync();
                var (c, d) = await rig.PairAsync();
                var soon = Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(5));
                var first = b.FillAsync(soon).AsTask();
                var second = d.FillAsync(soon).AsTask();
                await a.WriteAsync("1"u8.ToArray(), soon);
                await c.WriteAsync("2"u8.ToArray(), soon);
                Assert.Equal(IoStatus.Ok, await first);
                d.Abort();
                var (e, f) = await rig.PairAsync();
                Assert.Equal(IoStatus.WouldBlock, f.TryFill());
                Assert.True(e.IsQuiet && f.IsQuiet);
                Assert.True(await second is IoStatus.Ok or IoStatus.Aborted);
                foreach (var connection in new[] { a, b, c, e, f }) connection.Abort();
            }
        });
    }

    [Fact]
    public void An_idle_connection_costs_little_memory()
    {
        const int pairs = 1000;
        using var rig = new LoopRig(new EpollTransport());
        var connections = new List<Connection>();
        rig.Run(async () =>
        {
            await rig.PairAsync();
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < pairs; i++)
            {
                var (client, server) = await rig.PairAsync();
                connections.Add(client);
                connections.Add(server);
                _ = client.FillAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromMinutes(1)));
                _ = server.FillAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromMinutes(1)));
            }

            // What this thread allocated is the most that can stay; other tests' garbage does not count.
            var each = (GC.GetAllocatedBytesForCurrentThread() - before) / (2 * pairs);
            Assert.InRange(each, 1, 1600);
        });
        foreach (var connection in connections) connection.Abort();
    }

    private static int CountAccepted(LoopRig rig, Acceptor acceptor)
    {
        var count = 0;
        rig.Run(async () =>
        {
            while (await acceptor.AcceptAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromMilliseconds(50))) is { Connection: { } connection })
            {
                count++;
                connection.Abort();
            }
        });
        return count;
    }
}
