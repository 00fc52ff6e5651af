using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Tests.Proxy;

/// <summary>A changed listener asks only those to leave whom the change concerns.</summary>
public sealed class ListenerChangeTests
{
    private const string Request = "GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n";

    [Fact]
    public void A_connection_whose_filter_chain_did_not_change_goes_on()
    {
        Change(listener => listener with { Chains = [listener.Chains[0] with { Fingerprint = 3 }], DefaultChain = Copy(listener.DefaultChain!) }, goesOn: true);
    }

    [Fact]
    public void A_connection_whose_filter_chain_changed_is_drained()
    {
        Change(listener => listener with { DefaultChain = listener.DefaultChain! with { Fingerprint = 4 } }, goesOn: false);
    }

    [Fact]
    public void A_connection_whose_filter_chain_is_gone_is_drained()
    {
        Change(listener => listener with { DefaultChain = null }, goesOn: false);
    }

    [Fact]
    public void When_more_than_chains_changed_all_connections_are_drained()
    {
        Change(listener => listener with { FingerprintWithoutChains = 9, DefaultChain = Copy(listener.DefaultChain!) }, goesOn: false);
    }

    [Fact]
    public void A_connection_that_lived_on_is_drained_by_a_later_change_of_its_own_chain()
    {
        using var rig = Rig();
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync(Request);
            Assert.Contains("200 OK", await wire.ReadResponseAsync());
            Use(rig, listener => listener with { Chains = [], DefaultChain = Copy(listener.DefaultChain!) });
            await wire.WriteAsync(Request);
            Assert.Contains("200 OK", await wire.ReadResponseAsync());
            Use(rig, listener => listener with { DefaultChain = listener.DefaultChain! with { Fingerprint = 5 } });
            Assert.Equal(IoStatus.End, await wire.Connection.FillAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromMinutes(1))));
        });

        Assert.Equal(0, rig.Listeners.LeavingCount);
        Assert.Equal(0, rig.Listeners.Gate.Count);
    }

    private static void Change(Func<Listener, Listener> change, bool goesOn)
    {
        using var rig = Rig();
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync(Request);
            Assert.Contains("200 OK", await wire.ReadResponseAsync());

            Use(rig, change);
            if (goesOn)
            {
                await wire.WriteAsync(Request);
                Assert.Contains("200 OK", await wire.ReadResponseAsync());
                wire.Connection.Close();
            }
            else
            {
                Assert.Equal(IoStatus.End, await wire.Connection.FillAsync(Deadline.After(rig.Loop.Clock, TimeSpan.FromMinutes(1))));
            }
        });
        rig.Network.Settle();

        Assert.Equal(0, rig.Listeners.LeavingCount);
        Assert.Equal(0, rig.Listeners.Gate.Count);
    }

    private static ProxyRig Rig()
    {
        var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        var listener = rig.Snapshot.Listeners["main"];
        rig.Use(With(rig.Snapshot, listener with
        {
            FingerprintWithoutChains = 1,
            Chains = [new() { Name = "other", Match = new() { DestinationPort = 1 }, Http = listener.DefaultChain!.Http, Fingerprint = 1 }],
            DefaultChain = listener.DefaultChain with { Fingerprint = 2 },
        }));
        return rig;
    }

    // On the loop already.
    private static void Use(ProxyRig rig, Func<Listener, Listener> change)
    {
        var next = With(rig.Listeners.Worker.Snapshot, change(rig.Listeners.Worker.Snapshot.Listeners["main"]));
        rig.Worker.Use(next);
        rig.Listeners.Use(next);
    }

    private static Snapshot With(Snapshot snapshot, Listener listener) => snapshot with { Listeners = snapshot.Listeners.SetItem("main", listener) };

    /// <summary>As it comes when the listener is told again: equal in content, another object.</summary>
    private static FilterChain Copy(FilterChain chain) => chain with { Http = chain.Http! with { } };
}
