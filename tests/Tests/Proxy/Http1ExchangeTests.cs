using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Sim.Net;

namespace Mesh.Tests.Proxy;

/// <summary>An HTTP/1.1 caller, the proxy, an HTTP/1.1 server: the whole way of a request, in memory.</summary>
public sealed class Http1ExchangeTests
{
    [Fact]
    public void A_request_reaches_the_server_and_its_answer_the_caller()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        var answer = rig.Call("GET /x?y=1 HTTP/1.1\r\nHost: shop:80\r\nX-Mine: a\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer);
        Assert.Contains("GET /x?y=1 HTTP/1.1\r\nhost: shop:80\r\n", answer);
        Assert.Contains("X-Mine: a\r\n", answer);
        Assert.Contains("x-forwarded-proto: http\r\n", answer);
        Assert.Contains("x-envoy-attempt-count: 1\r\n", answer);
        Assert.Contains("x-request-id: ", answer);
        Assert.Contains("server: envoy\r\n", answer);
        Assert.Contains("x-envoy-upstream-service-time: 0\r\n", answer);
    }

    [Theory]
    [InlineData(1), InlineData(2), InlineData(3), InlineData(4), InlineData(5)]
    public void However_the_network_cuts_the_bytes_the_answer_is_whole(int seed)
    {
        using var rig = new ProxyRig(SimConditions.Rough, seed);
        rig.EchoServer();
        rig.Serve();
        var body = new string('b', 3000);

        var answer = rig.Call($"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: {body.Length}\r\n\r\n{body}");

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer);
        Assert.EndsWith(body, answer);
    }

    [Fact]
    public void Connections_are_kept_on_both_sides()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n");
            var first = await wire.ReadResponseAsync();
            await wire.WriteAsync("GET /2 HTTP/1.1\r\nHost: shop\r\n\r\n");
            var second = await wire.ReadResponseAsync();
            Assert.Equal(IdIn(first), IdIn(second));
            Assert.Contains("GET /2", second);
        });

        static string IdIn(string answer) => answer.Split("connection-id: ")[1].Split('\r')[0];
    }

    [Fact]
    public void Pipelined_requests_are_answered_in_order()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
            for (var i = 1; i <= 3; i++) Assert.Contains($"GET /{i} ", await wire.ReadResponseAsync());
        });
    }

    [Fact]
    public void Connections_that_wait_for_their_next_request_hold_no_exchange()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        rig.Run(async () =>
        {
            var wires = new[] { await rig.ConnectAsync(), await rig.ConnectAsync(), await rig.ConnectAsync() };
            for (var round = 0; round < 2; round++)
            {
                foreach (var wire in wires)
                {
                    await wire.WriteAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    await wire.ReadResponseAsync();
                }
            }
        });

        Assert.Equal(1, rig.Worker.SpareExchanges);
    }

    [Fact]
    public void A_chunked_answer_is_passed_on_chunked()
    {
        using var rig = new ProxyRig();
        rig.Server(async wire =>
        {
            await wire.ReadHeadAsync();
            await wire.WriteAsync("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
            await wire.WriteAsync("6\r\n world\r\n0\r\n\r\n");
        });
        rig.Serve();

        var answer = rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

        Assert.Contains("transfer-encoding: chunked", answer);
        Assert.Contains("hello", answer);
        Assert.Contains(" world", answer);
    }

    [Fact]
    public void Nobody_listening_is_503_with_the_reason_in_the_body()
    {
        using var rig = new ProxyRig();
        rig.Serve();

        var answer = rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 503 Service Unavailable\r\n", answer);
        Assert.EndsWith("upstream connect error or disconnect/reset before headers. reset reason: remote connection failure", answer);
    }

    [Fact]
    public void A_server_that_hangs_up_without_a_word_is_503()
    {
        using var rig = new ProxyRig();
        rig.Server(async wire =>
        {
            await wire.ReadHeadAsync();
            wire.Connection.Close();
        });
        rig.Serve();

        var answer = rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 503", answer);
        Assert.EndsWith("reset reason: connection termination", answer);
    }

    [Fact]
    public void A_server_that_never_answers_is_given_up_at_the_route_timeout()
    {
        using var rig = new ProxyRig();
        rig.Server(async wire =>
        {
            await wire.ReadHeadAsync();
            await wire.Connection.FillAsync(Deadline.Never);
        });
        rig.Serve(route => route with { Timeout = TimeSpan.FromSeconds(2) });

        var answer = rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 504 Gateway Timeout\r\n", answer);
        Assert.EndsWith("upstream request timeout", answer);
        Assert.InRange(rig.Network.Clock.Elapsed, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2.1));
    }

    [Fact]
    public void An_attempt_that_cannot_connect_is_made_again_and_then_told_as_retried()
    {
        using var rig = new ProxyRig();
        rig.Serve(route => route with { Retry = new() { On = RetryOn.ConnectFailure, RetriesMax = 2 } });

        var answer = rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

        Assert.Contains("retried and the latest reset reason: remote connection failure", answer);
        Assert.Equal(3, rig.Worker.Cluster("server")!.ConnectsTotal);
    }

    [Fact]
    public void A_retried_request_brings_its_body_again()
    {
        using var rig = new ProxyRig();
        var attempts = 0;
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 })
            {
                var body = await wire.ReadAsync(5);
                var status = ++attempts == 1 ? "503 Service Unavailable" : "200 OK";
                await wire.WriteAsync($"HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n{body}");
            }
        });
        rig.Serve(route => route with { Retry = new() { On = RetryOn.ServerError, RetriesMax = 2 } });

        var answer = rig.Call("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");

        Assert.StartsWith("HTTP/1.1 200 OK", answer);
        Assert.EndsWith("hello", answer);
        Assert.Equal(2, attempts);
    }

    [Fact]
    public void A_caller_that_goes_away_lets_the_server_know()
    {
        using var rig = new ProxyRig();
        var ended = IoStatus.Ok;
        rig.Server(async wire =>
        {
            await wire.ReadHeadAsync();
            ended = await wire.Connection.FillAsync(Deadline.Never);
        });
        rig.Serve();

        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            await rig.Loop.Delay(TimeSpan.FromSeconds(1));
            wire.Connection.Close();
            await rig.Loop.Delay(TimeSpan.FromSeconds(1));
        });

        Assert.Equal(IoStatus.Reset, ended);
        Assert.Equal(0, rig.Worker.Cluster("server")!.Requests);
    }

    [Fact]
    public void An_upgrade_becomes_a_tunnel_both_ways()
    {
        using var rig = new ProxyRig();
        rig.Server(async wire =>
        {
            Assert.Contains("upgrade: websocket", await wire.ReadHeadAsync());
            await wire.WriteAsync("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
            await wire.WriteAsync((await wire.ReadAsync(4)).ToUpperInvariant());
        });
        rig.Serve();

        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 101 Switching Protocols\r\n", await wire.ReadHeadAsync());
            await wire.WriteAsync("ping");
            Assert.Equal("PING", await wire.ReadAsync(4));
            wire.Connection.Close();
        });
    }

    [Theory]
    [InlineData("GET / HTTP/1.0\r\n\r\n", "426 Upgrade Required", "Upgrade Required")]
    [InlineData("GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400 Bad Request", "Bad Request")]
    [InlineData("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "403 Forbidden", "Forbidden")]
    public void What_is_no_proper_request_is_refused_and_the_connection_ends(string request, string status, string body)
    {
        using var rig = new ProxyRig();
        rig.Serve();

        rig.Run(async () =>
        {
            var wire = await rig.ConnectAsync();
            await wire.WriteAsync(request);
            var answer = await wire.ReadAllAsync();
            Assert.StartsWith($"HTTP/1.1 {status}\r\n", answer);
            Assert.Equal(body, answer[(answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]);
        });
    }

    [Fact]
    public void Nothing_is_left_open_when_all_have_gone()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve(cluster: cluster => cluster with { IdleTimeout = TimeSpan.FromSeconds(30) });

        rig.Call("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        rig.Network.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(0, rig.Network.OpenConnections);
        Assert.Equal(0, rig.Loop.Buffers.RentedBytes);
        Assert.Equal(0, rig.Worker.Cluster("server")!.Connections);
    }
}
