using Mesh.Net;

namespace Mesh.Tests.Proxy;

/// <summary>A caller who dawdles over a request's body is cut where a least rate is asked; others are not.</summary>
public sealed class SlowBodyTests
{
    [Fact]
    public void A_body_below_the_least_rate_is_answered_408()
    {
        using var rig = new ProxyRig(bodyBytesPerSecondMin: 240);
        rig.EchoServer();
        rig.Serve();
        var began = rig.Loop.Clock.GetTimestamp();
        var answer = Dawdle(rig, pieces: 100, bytes: 10);

        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", answer);
        Assert.EndsWith("request timeout", answer);
        Assert.InRange(rig.Loop.Clock.GetElapsedTime(began).TotalSeconds, 5, 12);
    }

    [Fact]
    public void A_body_just_fast_enough_is_served()
    {
        using var rig = new ProxyRig(bodyBytesPerSecondMin: 240);
        rig.EchoServer();
        rig.Serve();

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", Dawdle(rig, pieces: 20, bytes: 250));
    }

    [Fact]
    public void Where_no_rate_is_asked_a_body_may_take_its_time()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", Dawdle(rig, pieces: 30, bytes: 1));
    }

    private static string Dawdle(ProxyRig rig, int pieces, int bytes)
    {
        var answer = "";
        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync($"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: {pieces * bytes}\r\n\r\n");
            for (var i = 0; i < pieces && wire.Connection.IsOpen && wire.Connection.Input.IsEmpty; i++)
            {
                await rig.Loop.Delay(TimeSpan.FromSeconds(1));
                if (wire.Connection.TryFill() != IoStatus.WouldBlock) break;
                await wire.WriteAsync(new('b', bytes));
            }
            answer = await wire.ReadResponseAsync();
            wire.Connection.Close();
        });
        return answer;
    }
}
