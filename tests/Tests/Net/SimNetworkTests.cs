using System.Net;
using Mesh.Net;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net;

public sealed class SimNetworkTests
{
    [Fact]
    public void A_day_passes_in_no_time()
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();

        network.Run(loop, async () => await loop.Delay(TimeSpan.FromDays(1)), TimeSpan.FromDays(2));

        Assert.Equal(TimeSpan.FromDays(1), network.Clock.Elapsed);
    }

    [Fact]
    public void A_flow_that_never_ends_is_named_with_its_seed()
    {
        using var network = new SimNetwork(seed: 42);
        var loop = network.CreateLoop();

        var stuck = Assert.Throws<TimeoutException>(() => network.Run(loop, async () => await new LoopSignal(loop).WaitAsync(Deadline.Never)));

        Assert.Contains("seed 42", stuck.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_redirected_connection_keeps_its_original_destination()
    {
        using var network = new SimNetwork();
        var pod = network.Host("pod", "10.0.0.1");
        var loop = network.CreateLoop(pod);
        pod.Redirect = route => route.Entering ? null : new(IPAddress.Loopback, 15001);

        network.Run(loop, async () =>
        {
            var soon = Deadline.After(loop.Clock, TimeSpan.FromSeconds(1));
            var acceptor = loop.Transport.Listen(new IPEndPoint(IPAddress.Any, 15001), new() { OriginalDestination = true });
            var accepting = acceptor.AcceptAsync(soon);
            var target = new IPEndPoint(IPAddress.Parse("10.0.0.2"), 80);
            var (client, _) = await loop.Transport.ConnectAsync(target, soon);
            var (server, _) = await accepting;

            Assert.Equal(target, server!.Addresses.OriginalDestination);
            Assert.Equal(target, client!.Addresses.Peer);
        });
    }

    [Fact]
    public void A_pulled_cable_shows_only_at_the_deadline()
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop(network.Host("a", "10.0.0.1"));
        var there = network.CreateLoop(network.Host("b", "10.0.0.2"));
        var target = new IPEndPoint(IPAddress.Parse("10.0.0.2"), 80);
        var acceptor = there.Transport.Listen(target);

        network.Run(loop, async () =>
        {
            var (client, _) = await loop.Transport.ConnectAsync(target, Deadline.After(loop.Clock, TimeSpan.FromSeconds(1)));
            network.Cut(target);

            Assert.Equal(IoStatus.Ok, await client!.WriteAsync("x"u8.ToArray(), Deadline.After(loop.Clock, TimeSpan.FromSeconds(1))));
            Assert.Equal(IoStatus.TimedOut, await client.FillAsync(Deadline.After(loop.Clock, TimeSpan.FromSeconds(1))));
            Assert.Equal((null, IoStatus.TimedOut), await loop.Transport.ConnectAsync(target, Deadline.After(loop.Clock, TimeSpan.FromSeconds(1))));
        });
        acceptor.Close();
    }

    [Fact]
    public void The_same_seed_gives_the_same_run()
    {
        Assert.Equal(Trace(5), Trace(5));
        Assert.NotEqual(Trace(5), Trace(6));

        static string Trace(int seed)
        {
            using var network = new SimNetwork(seed, SimConditions.Rough);
            var loop = network.CreateLoop();
            var trace = new List<string>();
            network.Run(loop, async () =>
            {
                var soon = Deadline.After(loop.Clock, TimeSpan.FromSeconds(10));
                var acceptor = loop.Transport.Listen(new IPEndPoint(IPAddress.Loopback, 80));
                var accepting = acceptor.AcceptAsync(soon);
                var (client, _) = await loop.Transport.ConnectAsync(acceptor.Local, soon);
                var (server, _) = await accepting;
                var writing = client!.WriteAsync(new byte[2000], soon);
                while (server!.Input.Length < 2000)
                {
                    await server.FillAsync(soon);
                    trace.Add($"{server.Input.Length}@{network.Clock.Elapsed.Ticks}");
                }

                await writing;
            });
            return string.Join(' ', trace);
        }
    }
}
