using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Tests.Proxy;

/// <summary>What upstreams and limits do to requests, as recorded from Envoy.</summary>
public sealed class RecordedHabitsTests
{
    [Fact]
    public void A_connection_that_has_carried_its_share_makes_room_for_another()
    {
        using var rig = new ProxyRig();
        rig.Server(Http2ExchangeTests.H2GrpcServer);
        rig.Serve(cluster: c => c with { Protocol = UpstreamProtocol.Http2, RequestsPerConnectionMax = 1 });

        for (var i = 0; i < 3; i++) Assert.StartsWith("HTTP/1.1 200 ", rig.Call("GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"));
    }

    [Fact]
    public void A_large_body_is_sent_again_too()
    {
        using var rig = new ProxyRig();
        var seen = new List<int>();
        rig.Server(async wire =>
        {
            while (await wire.ReadHeadAsync() is { Length: > 0 })
            {
                var length = 0;
                for (var piece = 0; piece < 5; piece++) length += (await wire.ReadAsync(60_000)).Length;
                seen.Add(length);
                await wire.WriteAsync($"HTTP/1.1 {(seen.Count == 1 ? "503 Busy" : "200 OK")}\r\ncontent-length: 0\r\n\r\n");
            }
        });
        rig.Serve(route: r => r with { Retry = new() { On = RetryOn.ServerError, RetriesMax = 2 } });

        Assert.StartsWith("HTTP/1.1 200 ", rig.Call($"POST /x HTTP/1.1\r\nHost: shop\r\ncontent-length: 300000\r\n\r\n{new string('b', 300_000)}"));
        Assert.Equal([300_000, 300_000], seen);
        Assert.Equal(0, rig.Worker.ReplayBytes);
    }

    [Fact]
    public void Ejections_within_half_a_second_after_another_count_together_at_its_end()
    {
        using var rig = FailingServers();

        Assert.Equal("500", Ask(rig));
        Assert.Equal("500", Ask(rig));
        Assert.Equal("500", Ask(rig));
        Wait(rig, seconds: 0.6);
        Assert.Equal("503", Ask(rig));
    }

    [Fact]
    public void An_ejection_that_long_after_another_counts_at_once()
    {
        using var rig = FailingServers();

        Assert.Equal("500", Ask(rig));
        Wait(rig, seconds: 0.6);
        Assert.Equal("500", Ask(rig));
        Assert.Equal("503", Ask(rig));
    }

    [Theory]
    [InlineData(null, 320)]
    [InlineData(50, 250)]
    public void A_servers_proxy_holds_a_grpc_deadline_a_moment_longer_than_the_callers_unless_an_offset_is_given(int? offset, int expected)
    {
        using var rig = new ProxyRig();
        rig.Server(async wire => await wire.ReadAllAsync());
        rig.Serve(route => route with { StreamDuration = new(null, TimeSpan.Zero, offset is { } ms ? TimeSpan.FromMilliseconds(ms) : null) });
        var began = rig.Loop.Clock.GetTimestamp();

        var answer = rig.Call("POST /echo.Echo/Say HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\ngrpc-timeout: 300m\r\nContent-Length: 0\r\n\r\n");

        Assert.Contains("grpc-status: 4\r\n", answer);
        Assert.InRange(rig.Loop.Clock.GetElapsedTime(began).TotalMilliseconds, expected, expected + 10);
    }

    [Fact]
    public void A_cluster_of_names_answers_its_first_request_once_the_names_are_known()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var target = new SocketTarget { Host = "127.0.0.1", Port = ProxyRig.ServerAddress.Port };
        rig.Serve(cluster: c => c with
        {
            Discovery = ClusterDiscovery.StrictDns, Endpoints = new() { Name = "server", Localities = [new() { Endpoints = [new() { Address = target }] }] },
        });

        Assert.StartsWith("HTTP/1.1 200 ", rig.Call("GET / HTTP/1.1\r\nHost: shop\r\n\r\n"));
    }

    [Fact]
    public void A_request_that_came_whole_while_its_server_was_sought_keeps_its_connection()
    {
        using var rig = new ProxyRig();
        rig.Serve();

        var answer = rig.Call("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");

        Assert.StartsWith("HTTP/1.1 503 ", answer);
        Assert.DoesNotContain("connection: close", answer);
    }

    [Theory]
    [InlineData("h2c", "200"), InlineData("foo", "403"), InlineData("TLS/1.0", "403")]
    public void An_upgrade_that_is_not_offered_is_refused_but_for_HTTP2_which_is_passed_over(string protocol, string status)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        Assert.StartsWith($"HTTP/1.1 {status} ", rig.Call($"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"));
    }

    [Theory]
    [InlineData("hedge"), InlineData("redirect")]
    public void What_a_route_asks_for_and_nobody_does_is_refused(string what)
    {
        var action = new Envoy.Config.Route.V3.RouteAction { Cluster = "server" };
        if (what == "hedge") action.HedgePolicy = new() { HedgeOnPerTryTimeout = true };
        else action.InternalRedirectPolicy = new();
        var table = new Envoy.Config.Route.V3.RouteConfiguration { Name = "80" };
        table.VirtualHosts.Add(new Envoy.Config.Route.V3.VirtualHost { Name = "all", Domains = { "*" }, Routes = { new Envoy.Config.Route.V3.Route { Match = new() { Prefix = "/" }, Route_ = action } } });

        Assert.Contains("is not supported", Assert.Throws<ConfigRefusedException>(() => RouteFromXds.Read(table)).Message);
    }

    [Fact]
    public void A_header_value_with_an_operator_nobody_knows_is_refused_with_its_table()
    {
        var table = new Envoy.Config.Route.V3.RouteConfiguration { Name = "80" };
        table.ResponseHeadersToAdd.Add(new Envoy.Config.Core.V3.HeaderValueOption { Header = new() { Key = "x-a", Value = "%NOT_A_THING%" } });

        Assert.Contains("NOT_A_THING", Assert.Throws<ConfigRefusedException>(() => RouteFromXds.Read(table)).Message);
    }

    [Theory]
    [InlineData("", "404"), InlineData("x-forwarded-proto: https\r\n", "200"), InlineData("x-forwarded-proto: ftp\r\n", "404")]
    public void A_rule_on_the_scheme_sees_what_was_forwarded(string header, string status)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        var table = rig.Snapshot.Routes["80"];
        var route = table.VirtualHosts[0].Routes[0];
        route = route with { Match = route.Match with { Headers = [new() { Name = ":scheme", Kind = HeaderMatchKind.Value, Value = StringMatch.Exact("https") }] } };
        rig.Use(rig.Snapshot with { Routes = rig.Snapshot.Routes.SetItem("80", table with { VirtualHosts = [table.VirtualHosts[0] with { Routes = [route] }] }) });

        Assert.StartsWith($"HTTP/1.1 {status} ", rig.Call($"GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n"));
    }

    /// <summary>Two servers that answer 500 and are ejected for it, a while after they were heard of.</summary>
    private static ProxyRig FailingServers()
    {
        var rig = new ProxyRig();
        System.Net.IPEndPoint[] servers = [new(System.Net.IPAddress.Loopback, 9101), new(System.Net.IPAddress.Loopback, 9102)];
        foreach (var server in servers)
            rig.Server(async wire =>
            {
                while (await wire.ReadHeadAsync() is { Length: > 0 }) await wire.WriteAsync("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n");
            }, server);
        rig.Serve(cluster: c => c with
        {
            Outliers = new() { Consecutive5xx = 1, EjectionPercentMax = 100 }, LoadBalancing = c.LoadBalancing with { PanicPercent = 0 },
        }, servers: servers);
        Wait(rig, seconds: 2);
        return rig;
    }

    private static string Ask(ProxyRig rig) => rig.Call("GET / HTTP/1.1\r\nHost: shop\r\n\r\n")[9..12];

    private static void Wait(ProxyRig rig, double seconds) => rig.Run(() => rig.Loop.WaitUntil(Deadline.After(rig.Loop.Clock, TimeSpan.FromSeconds(seconds))));
}
