using System.Buffers;
using Mesh.Http;
using Mesh.Http.H2;

namespace Mesh.Tests.Http;

/// <summary>A client and a server session talking over arrays.</summary>
public sealed class H2SessionTests
{
    [Fact]
    public void A_request_with_body_is_answered_with_body_and_trailers()
    {
        var pair = new H2Pair();
        var stream = pair.Client.OpenStream(Post("/pkg.Service/Call"), endStream: false, 0)!;
        pair.Client.SendData(stream, "ping"u8, endStream: true);
        var atServer = pair.ToServer();

        Assert.Equal(["Request POST /pkg.Service/Call (a.example)", "Data ping end"], atServer);

        var answer = new ResponseHead { Status = 200, Body = BodyFraming.Streamed };
        answer.Headers.Append("content-type"u8, "application/grpc"u8);
        var trailers = new Headers();
        trailers.Append(KnownHeader.GrpcStatus, "0"u8);
        var serverStream = pair.ServerStreams[1];
        pair.Server.SendResponse(serverStream, answer, endStream: false);
        pair.Server.SendData(serverStream, "pong"u8, endStream: false);
        pair.Server.SendTrailers(serverStream, trailers);

        Assert.Equal(["Settings", "Response 200", "Data pong", "Trailers grpc-status: 0"], pair.ToClient());
        Assert.Equal((0, 0), (pair.Client.ActiveStreams, pair.Server.ActiveStreams));
        Assert.True(stream.IsClosed);
    }

    [Fact]
    public void The_sender_stops_at_the_window_and_goes_on_when_the_reader_has_consumed()
    {
        var pair = new H2Pair();
        pair.Exchange();
        var stream = pair.Client.OpenStream(Post("/"), endStream: false, 0)!;
        var body = new byte[200_000];

        var taken = pair.Client.SendData(stream, body, endStream: true);
        Assert.Equal(65_536, taken);

        pair.ToServer();
        var atServer = pair.ServerStreams[1];
        Assert.Equal(65_536, atServer.UnconsumedBytes);
        Assert.Empty(pair.ToClient());

        while (taken < body.Length)
        {
            pair.Server.Consumed(atServer, atServer.UnconsumedBytes);
            Assert.Equal(["Writable 1"], pair.ToClient());
            taken += pair.Client.SendData(stream, body.AsSpan(taken), endStream: true);
            pair.ToServer();
        }

        Assert.True(atServer.RemoteEnded);
    }

    [Fact]
    public void Streams_share_the_connections_window_and_each_is_woken()
    {
        var pair = new H2Pair(new H2Settings { InitialWindowBytes = 1_000_000, ConnectionWindowBytes = 100_000 });
        pair.Exchange();
        var first = pair.Client.OpenStream(Post("/1"), endStream: false, 0)!;
        var second = pair.Client.OpenStream(Post("/2"), endStream: false, 0)!;
        Assert.Equal(100_000, pair.Client.SendData(first, new byte[150_000], endStream: true));
        Assert.Equal(0, pair.Client.SendData(second, new byte[10], endStream: true));
        pair.ToServer();

        pair.Server.Consumed(pair.ServerStreams[1], 60_000);

        Assert.Equal(["Writable 1", "Writable 3"], pair.ToClient().Order());
    }

    [Fact]
    public void What_nobody_consumed_is_given_back_to_the_connection_when_the_stream_is_released()
    {
        var pair = new H2Pair(new H2Settings { InitialWindowBytes = 100_000, ConnectionWindowBytes = 100_000 });
        pair.Exchange();
        for (var i = 0; i < 20; i++)
        {
            var stream = pair.Client.OpenStream(Post("/"), endStream: false, 10_000 * i)!;
            Assert.Equal(40_000, pair.Client.SendData(stream, new byte[40_000], endStream: false));
            pair.ToServer(10_000 * i);
            pair.Server.Release(pair.ServerStreams[stream.Id]);
            pair.ToClient(10_000 * i);
            pair.Client.Release(stream);
        }

        Assert.False(pair.Client.IsDead);
    }

    [Fact]
    public void A_reset_reaches_the_other_side_once()
    {
        var pair = new H2Pair();
        var stream = pair.Client.OpenStream(Post("/"), endStream: false, 0)!;
        pair.ToServer();
        pair.Client.Reset(stream, H2ErrorCode.Cancel);
        pair.Client.Release(stream);

        Assert.Equal(["Reset 1 Cancel"], pair.ToServer());
        pair.Server.Release(pair.ServerStreams[1]);
        Assert.DoesNotContain("Reset", string.Join(' ', pair.ToClient()));
    }

    [Fact]
    public void A_drained_server_finishes_what_it_began_and_refuses_the_rest()
    {
        var pair = new H2Pair();
        pair.Exchange();
        var early = pair.Client.OpenStream(Get("/early"), endStream: true, 0)!;
        pair.ToServer();
        pair.Server.Drain();
        var late = pair.Client.OpenStream(Get("/late"), endStream: true, 0)!;
        Assert.Equal(["Request GET /late (a.example) end"], pair.ToServer());
        Assert.Equal(["GoAway NoError"], pair.ToClient());
        Assert.Null(pair.Client.OpenStream(Get("/no"), endStream: true, 0));

        pair.Server.Drain();
        Assert.Equal(["GoAway NoError"], pair.ToClient());
        Answer(pair, early.Id);
        Answer(pair, late.Id);
        Assert.Equal(["Response 200 end", "Response 200 end"], pair.ToClient());
        Assert.Equal(0, pair.Server.ActiveStreams);
    }

    [Fact]
    public void Streams_above_a_GOAWAY_come_back_as_refused()
    {
        var pair = new H2Pair();
        pair.Exchange();
        pair.Client.OpenStream(Get("/1"), endStream: true, 0);
        pair.ToServer();
        pair.Server.Drain();
        pair.Server.Drain();
        pair.Client.OpenStream(Get("/2"), endStream: true, 0);
        Assert.Empty(pair.ToServer());

        Assert.Equal(["GoAway NoError", "GoAway NoError", "Reset 3 RefusedStream"], pair.ToClient());
    }

    [Fact]
    public void No_more_streams_are_opened_than_the_peer_allows()
    {
        var pair = new H2Pair(new H2Settings { MaxConcurrentStreams = 2 });
        pair.Exchange();
        Assert.NotNull(pair.Client.OpenStream(Get("/1"), endStream: true, 0));
        Assert.NotNull(pair.Client.OpenStream(Get("/2"), endStream: true, 0));
        Assert.Null(pair.Client.OpenStream(Get("/3"), endStream: true, 0));

        pair.ToServer();
        Answer(pair, 1);
        pair.ToClient();

        Assert.True(pair.Client.CanOpenStream);
    }

    [Fact]
    public void A_websocket_upgrade_is_an_extended_CONNECT_on_the_wire_and_an_upgrade_at_both_ends()
    {
        var pair = new H2Pair();
        pair.Exchange();
        var head = Get("/ws");
        head.SetProtocol("websocket"u8);
        Assert.True(pair.Client.TakesUpgrades);
        pair.Client.OpenStream(head, endStream: false, 0);

        Assert.Equal(["Request GET /ws (a.example)"], pair.ToServer());
        Assert.True(pair.ServerStreams[1].Request.IsWebSocket);

        pair.Server.SendResponse(pair.ServerStreams[1], new ResponseHead { Status = 101, Body = BodyFraming.Tunnel }, endStream: false);
        pair.Server.SendData(pair.ServerStreams[1], "frame"u8, endStream: false);
        Assert.Equal(["Response 101", "Data frame"], pair.ToClient());
        Assert.Equal(BodyKind.Tunnel, pair.ClientStreams[1].Response.Body.Kind);
    }

    [Fact]
    public void A_head_larger_than_a_frame_goes_in_several()
    {
        var pair = new H2Pair();
        var head = Get("/");
        for (var i = 0; i < 12; i++) head.Headers.Append(H1Probe.Bytes($"x-{i}"), H1Probe.Bytes(new string((char)('a' + i), 4000)));
        pair.Client.OpenStream(head, endStream: true, 0);

        Assert.Equal(["Request GET / (a.example) end"], pair.ToServer());
        Assert.Equal(head.Headers.ToString(), pair.ServerStreams[1].Request.Headers.ToString());
    }

    [Fact]
    public void Cookie_crumbs_arrive_as_one_cookie()
    {
        var pair = new H2Pair();
        var head = Get("/");
        head.Headers.Append(KnownHeader.Cookie, "a=1"u8);
        head.Headers.Append(KnownHeader.Accept, "*/*"u8);
        head.Headers.Append(KnownHeader.Cookie, "b=2"u8);
        pair.Client.OpenStream(head, endStream: true, 0);
        pair.ToServer();

        Assert.Equal("cookie: a=1; b=2\naccept: */*\n", pair.ServerStreams[1].Request.Headers.ToString());
    }

    [Fact]
    public void Any_split_of_the_bytes_gives_the_same_events()
    {
        var whole = Script(int.MaxValue);

        Assert.All([1, 2, 3, 10, 100], piece => Assert.Equal(whole, Script(piece)));
    }

    [Fact]
    public void A_request_and_its_answer_allocate_nothing_on_a_warm_connection()
    {
        var pair = new H2Pair();
        pair.Exchange();
        var head = Get("/");
        head.Headers.Append("x-own"u8, "1"u8);
        var answer = new ResponseHead { Status = 200, Body = BodyFraming.OfLength(5) };
        var now = 0L;

        Assert.Equal(0, Allocations.Of(() =>
        {
            now += 1000;
            var stream = pair.Client.OpenStream(head, endStream: false, now)!;
            pair.Client.SendData(stream, "hello"u8, endStream: true);
            var served = pair.Pump(pair.Server, pair.ClientOutput, now)!;
            pair.Server.SendResponse(served, answer, endStream: false);
            pair.Server.SendData(served, "hello"u8, endStream: true);
            pair.Server.Release(served);
            pair.Pump(pair.Client, pair.ServerOutput, now);
            pair.Client.Release(stream);
        }, rounds: 2000));
    }

    private static List<string> Script(int pieceBytes)
    {
        var pair = new H2Pair();
        var stream = pair.Client.OpenStream(Post("/a"), endStream: false, 0)!;
        pair.Client.SendData(stream, new byte[3000], endStream: false);
        pair.Client.OpenStream(Get("/b"), endStream: true, 0);
        pair.Client.Ping(7);
        pair.Client.SendTrailers(stream, new Headers());
        return pair.ToServer(pieceBytes: pieceBytes);
    }

    private static void Answer(H2Pair pair, int id) => pair.Server.SendResponse(pair.ServerStreams[id], new ResponseHead { Status = 200 }, endStream: true);

    private static RequestHead Get(string path) => Request(Method.Get, path);

    private static RequestHead Post(string path) => Request(Method.Post, path);

    private static RequestHead Request(Method method, string path)
    {
        var head = new RequestHead();
        head.SetMethod(method);
        head.SetPath(H1Probe.Bytes(path));
        head.SetAuthority("a.example"u8);
        return head;
    }
}
