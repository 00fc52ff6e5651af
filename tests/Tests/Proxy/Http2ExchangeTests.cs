using System.Text;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Sim.Net;

namespace Mesh.Tests.Proxy;

/// <summary>A caller of HTTP/2 and what stands behind: HTTP/2 or HTTP/1.1, many streams at once, trailers, resets.</summary>
public sealed class Http2ExchangeTests
{
    [Fact]
    public void A_request_over_HTTP2_reaches_a_server_of_HTTP1()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve(cluster: cluster => cluster with { Protocol = UpstreamProtocol.Http1 });

        rig.Run(async () =>
        {
            var client = await H2Client.ConnectAsync(rig);
            var answer = await client.CallAsync("/x", body: null);
            Assert.Equal(200, answer.Status);
            Assert.Contains("GET /x HTTP/1.1\r\nhost: shop\r\n", answer.Body);
            client.Close();
        });
    }

    [Theory]
    [InlineData(1), InlineData(2), InlineData(3)]
    public void Many_streams_are_served_at_once_whatever_the_network_does(int seed)
    {
        using var rig = new ProxyRig(SimConditions.Rough, seed);
        rig.EchoServer();
        rig.Serve(cluster: cluster => cluster with { Protocol = UpstreamProtocol.Http1 });

        rig.Run(async () =>
        {
            var client = await H2Client.ConnectAsync(rig);
            var calls = Enumerable.Range(0, 20).Select(i => client.CallAsync($"/{i}", new string((char)('a' + i), 500 + 40 * i)).AsTask()).ToList();
            for (var i = 0; i < calls.Count; i++)
            {
                var answer = await calls[i];
                Assert.Equal(200, answer.Status);
                Assert.Contains($"POST /{i} ", answer.Body);
                Assert.EndsWith(new string((char)('a' + i), 500 + 40 * i), answer.Body);
            }
            client.Close();
        });
    }

    [Theory]
    [InlineData(1), InlineData(2)]
    public void A_body_larger_than_every_window_comes_through_both_ways(int seed)
    {
        using var rig = new ProxyRig(SimConditions.Rough with { WindowBytes = 64 * 1024, SegmentBytesMax = 16 * 1024 }, seed);
        rig.Server(H2GrpcServer);
        rig.Serve();
        var body = new string('z', 60_000);

        rig.Run(async () =>
        {
            var client = await H2Client.ConnectAsync(rig);
            for (var i = 0; i < 40; i++) Assert.Equal(body, (await client.CallAsync("/echo.Echo/Say", body, "application/grpc")).Body);
            client.Close();
        });
    }

    [Fact]
    public void HTTP2_goes_on_as_HTTP2_with_its_trailers()
    {
        using var rig = new ProxyRig();
        rig.Server(H2GrpcServer);
        rig.Serve();

        rig.Run(async () =>
        {
            var client = await H2Client.ConnectAsync(rig);
            var answer = await client.CallAsync("/echo.Echo/Say", "ping", "application/grpc");
            Assert.Equal(200, answer.Status);
            Assert.Equal("ping", answer.Body);
            Assert.Equal("0", answer.GrpcStatus);
            client.Close();
        });
    }

    [Fact]
    public void A_failure_is_told_to_gRPC_in_its_own_words()
    {
        using var rig = new ProxyRig();
        rig.Serve();

        rig.Run(async () =>
        {
            var client = await H2Client.ConnectAsync(rig);
            var answer = await client.CallAsync("/echo.Echo/Say", "ping", "application/grpc");
            Assert.Equal(200, answer.Status);
            Assert.Equal("14", answer.GrpcStatus);
            client.Close();
        });
    }

    [Fact]
    public void Nothing_is_left_open_when_all_have_gone()
    {
        using var rig = new ProxyRig();
        rig.Server(H2GrpcServer);
        rig.Serve(cluster: cluster => cluster with { IdleTimeout = TimeSpan.FromSeconds(30) });

        rig.Run(async () =>
        {
            var client = await H2Client.ConnectAsync(rig);
            for (var i = 0; i < 10; i++) await client.CallAsync("/echo.Echo/Say", "ping", "application/grpc");
            client.Close();
        });
        rig.Network.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(0, rig.Network.OpenConnections);
        Assert.Equal(0, rig.Worker.Cluster("server")!.Connections);
        Assert.Equal(0, rig.Loop.Buffers.RentedBytes);
    }

    internal static async ValueTask H2GrpcServer(Wire wire)
    {
        var io = wire.Connection;
        var session = new H2Session(H2Role.Server, H2Settings.Default, HttpLimits.Default, io.Output, new H2StreamPool());
        io.FlushSoon();
        do Serve(); while (await io.FillAsync(Deadline.Never) == IoStatus.Ok);

        void Serve()
        {
            var input = io.Input.Span;
            var length = input.Length;
            while (session.Read(ref input, 0) is { Kind: not H2EventKind.None } happened)
            {
                if (happened.Kind == H2EventKind.Request)
                {
                    var head = new ResponseHead { Status = 200, Body = BodyFraming.Streamed };
                    head.Headers.Append(KnownHeader.ContentType, "application/grpc"u8);
                    session.SendResponse(happened.Stream!, head, false);
                }
                else if (happened.Kind == H2EventKind.Data)
                {
                    session.SendData(happened.Stream!, happened.Data, false);
                    session.Consumed(happened.Stream!, happened.Data.Length);
                }
                if (happened.EndStream && happened.Stream is { } stream)
                {
                    var trailers = new Headers();
                    trailers.Append(KnownHeader.GrpcStatus, "0"u8);
                    session.SendTrailers(stream, trailers);
                    session.Release(stream);
                }
            }
            io.Input.Consume(length - input.Length);
            io.FlushSoon();
        }
    }
}

/// <summary>A small HTTP/2 client for tests.</summary>
internal sealed class H2Client
{
    private readonly Connection _io;
    private readonly H2Session _session;
    private readonly Dictionary<H2Stream, Call> _calls = [];

    private H2Client(Connection io)
    {
        _io = io;
        _session = new(H2Role.Client, H2Settings.Default, HttpLimits.Default, io.Output, new H2StreamPool());
        _io.FlushSoon();
        _ = RunAsync();
    }

    public sealed record Answer(int Status, string Body, string? GrpcStatus);

    public static async ValueTask<H2Client> ConnectAsync(ProxyRig rig) => new((await rig.ConnectAsync()).Connection);

    public async ValueTask<Answer> CallAsync(string path, string? body, string contentType = "text/plain")
    {
        var head = new RequestHead { Version = HttpVersion.Http2, Scheme = HttpScheme.Http, Body = body is null ? BodyFraming.None : BodyFraming.OfLength(body.Length) };
        head.SetMethod(body is null ? Method.Get : Method.Post);
        head.SetPath(Encoding.ASCII.GetBytes(path));
        head.SetAuthority("shop"u8);
        if (body is not null) head.Headers.Append(KnownHeader.ContentType, Encoding.ASCII.GetBytes(contentType));
        if (body is not null) head.Headers.Append(KnownHeader.ContentLength, Encoding.ASCII.GetBytes($"{body.Length}"));
        var stream = _session.OpenStream(head, body is null, 0)!;
        var call = _calls[stream] = new(new LoopSignal(_io.Loop));
        if (body is not null) Assert.Equal(body.Length, _session.SendData(stream, Encoding.ASCII.GetBytes(body), true));
        _io.FlushSoon();
        while (!call.IsDone)
        {
            var status = await call.Done.WaitAsync(Deadline.After(_io.Loop.Clock, TimeSpan.FromMinutes(1)));
            Assert.Equal(IoStatus.Ok, status);
        }
        return new(call.Status, call.Body.ToString(), call.GrpcStatus);
    }

    public void Close() => _io.Close();

    private async Task RunAsync()
    {
        do Read(); while (await _io.FillAsync(Deadline.Never) == IoStatus.Ok);
        foreach (var call in _calls.Values) call.End();
    }

    private void Read()
    {
        var input = _io.Input.Span;
        var length = input.Length;
        while (_session.Read(ref input, 0) is { Kind: not H2EventKind.None } happened)
        {
            if (happened.Stream is not { } stream || !_calls.TryGetValue(stream, out var call)) continue;

            switch (happened.Kind)
            {
                case H2EventKind.Response:
                    call.Status = stream.Response.Status;
                    call.GrpcStatus = stream.Response.Headers.GetText(KnownHeader.GrpcStatus);
                    break;
                case H2EventKind.Data:
                    call.Body.Append(Encoding.Latin1.GetString(happened.Data));
                    _session.Consumed(stream, happened.Data.Length);
                    break;
                case H2EventKind.Trailers: call.GrpcStatus = stream.Trailers.GetText(KnownHeader.GrpcStatus); break;
                case H2EventKind.Reset: call.Status = -1; break;
            }
            if (!happened.EndStream && happened.Kind is not (H2EventKind.Trailers or H2EventKind.Reset)) continue;

            _calls.Remove(stream);
            _session.Release(stream);
            call.End();
        }
        _io.Input.Consume(length - input.Length);
        _io.FlushSoon();
    }

    private sealed class Call(LoopSignal done)
    {
        public LoopSignal Done => done;
        public StringBuilder Body { get; } = new();
        public int Status { get; set; }
        public string? GrpcStatus { get; set; }
        public bool IsDone { get; private set; }

        public void End()
        {
            IsDone = true;
            done.Wake();
        }
    }
}
