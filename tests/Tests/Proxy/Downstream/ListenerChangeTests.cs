using System.Net;
using Mesh.Proxy.Config;

namespace Mesh.Tests.Proxy.Downstream;

/// <summary>What a changed listener means for the connections that it has.</summary>
public sealed class ListenerChangeTests
{
    private static readonly IPEndPoint Second = new(IPAddress.Loopback, 15002);

    [Fact]
    public void A_connection_stays_when_another_chain_of_its_listener_comes_or_goes()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        var listener = rig.Snapshot.Listeners["main"];
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 200 ", await wire.ReadResponseAsync());

            for (var i = 0; i < 3; i++)
            {
                var added = listener.DefaultChain! with { Name = $"added-{i}", Match = new() { ServerNames = [$"host-{i}.example.com"] } };
                Change(rig, listener with { Chains = [added] });
                await wire.WriteAsync($"GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n");
                var answer = await wire.ReadResponseAsync();
                Assert.StartsWith("HTTP/1.1 200 ", answer);
                Assert.DoesNotContain("connection: close", answer);
            }
            Assert.Equal(0, rig.Listeners.LeavingCount);
            wire.Connection.Close();
        });
    }

    [Fact]
    public void A_connection_is_asked_to_leave_when_its_own_chain_changes()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        var listener = rig.Snapshot.Listeners["main"];
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
            await wire.ReadResponseAsync();

            Change(rig, listener with { DefaultChain = listener.DefaultChain! with { Name = "other" } });

            Assert.Equal("", await wire.ReadHeadAsync());
        });
        Assert.Equal(0, rig.Listeners.LeavingCount);
    }

    [Fact]
    public void A_chain_that_is_sent_again_unchanged_is_the_same_chain()
    {
        var before = new Listener
        {
            Name = "edge", Address = SocketTarget.At(Second), Chains = [new() { Name = "a", Digest = "A" }, new() { Name = "b", Digest = "B" }],
        };
        var after = (before with { Chains = [new() { Name = "c", Digest = "C" }, new() { Name = "b", Digest = "B" }] }).KeepingChainsOf(before);

        Assert.Same(before.Chains[1], after.Chains[1]);
        Assert.NotSame(before.Chains[0], after.Chains[0]);
    }

    private static void Change(ProxyRig rig, Listener listener)
    {
        rig.Worker.Use(rig.Snapshot with { Listeners = rig.Snapshot.Listeners.SetItem("main", listener) });
        rig.Listeners.Use(rig.Snapshot with { Listeners = rig.Snapshot.Listeners.SetItem("main", listener) });
    }
}
