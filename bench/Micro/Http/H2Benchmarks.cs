using System.Buffers;
using BenchmarkDotNet.Attributes;
using Mesh.Http;
using Mesh.Http.H2;

namespace Mesh.Bench.Http;

/// <summary>HTTP/2 without its sockets: a client, a hop of two sessions, a server; 32 requests in flight, 1 KiB answers.</summary>
[MemoryDiagnoser]
public class H2Benchmarks
{
    private const int InFlight = 32;

    private static readonly byte[] Body = new byte[1024];

    private readonly H2StreamPool _pool = new();
    private readonly ArrayBufferWriter<byte> _clientOut = new(1 << 20);
    private readonly ArrayBufferWriter<byte> _downOut = new(1 << 20);
    private readonly ArrayBufferWriter<byte> _upOut = new(1 << 20);
    private readonly ArrayBufferWriter<byte> _serverOut = new(1 << 20);
    private readonly RequestHead _head = new();
    private readonly ResponseHead _answer = new() { Status = 200, Body = BodyFraming.OfLength(1024) };
    private H2Session _client = null!;
    private H2Session _down = null!;
    private H2Session _up = null!;
    private H2Session _server = null!;
    private byte[] _requests = [];
    private long _now;

    [GlobalSetup]
    public void Setup()
    {
        var settings = new H2Settings { MaxConcurrentStreams = 1024, ConnectionWindowBytes = 16 << 20 };
        _client = new(H2Role.Client, settings, HttpLimits.Default, _clientOut, _pool);
        _down = new(H2Role.Server, settings, HttpLimits.Default, _downOut, _pool);
        _up = new(H2Role.Client, settings, HttpLimits.Default, _upOut, _pool);
        _server = new(H2Role.Server, settings, HttpLimits.Default, _serverOut, _pool);
        _head.SetMethod(Method.Get);
        _head.SetPath("/api/v1/items"u8);
        _head.SetAuthority("reviews.default:9080"u8);
        _head.Headers.Append("user-agent"u8, "h2load nghttp2/1.52.0"u8);
        _head.Headers.Append("accept"u8, "*/*"u8);
        _answer.Headers.Append("content-type"u8, "application/json"u8);
        _answer.Headers.Append("server"u8, "app"u8);
        _answer.Headers.Append("content-length"u8, "1024"u8);
        for (var i = 0; i < 4; i++) Hop();
        _requests = [];
    }

    /// <summary>Everything four sessions do for one request, so a hop (two sessions of it) is about half.</summary>
    [Benchmark(OperationsPerInvoke = InFlight)]
    public void Hop()
    {
        _now += 1000;
        for (var i = 0; i < InFlight; i++) _client.OpenStream(_head, endStream: true, _now);
        Forward(_clientOut, _down, _up);
        Serve();
        Return();
        Finish();
    }

    private void Forward(ArrayBufferWriter<byte> from, H2Session down, H2Session up)
    {
        var input = from.WrittenSpan;
        for (var e = down.Read(ref input, _now); e.Kind != H2EventKind.None; e = down.Read(ref input, _now))
        {
            if (e.Kind != H2EventKind.Request) continue;

            var stream = up.OpenStream(e.Stream!.Request, e.EndStream, _now)!;
            stream.Tag = e.Stream;
        }

        from.ResetWrittenCount();
    }

    private void Serve()
    {
        var input = _upOut.WrittenSpan;
        for (var e = _server.Read(ref input, _now); e.Kind != H2EventKind.None; e = _server.Read(ref input, _now))
        {
            if (e.Kind != H2EventKind.Request) continue;

            _server.SendResponse(e.Stream!, _answer, endStream: false);
            _server.SendData(e.Stream!, Body, endStream: true);
            _server.Release(e.Stream!);
        }

        _upOut.ResetWrittenCount();
    }

    private void Return()
    {
        var input = _serverOut.WrittenSpan;
        for (var e = _up.Read(ref input, _now); e.Kind != H2EventKind.None; e = _up.Read(ref input, _now))
        {
            if (e.Stream is null) continue;

            var down = (H2Stream)e.Stream.Tag!;
            if (e.Kind == H2EventKind.Response) _down.SendResponse(down, e.Stream.Response, e.EndStream);
            if (e.Kind == H2EventKind.Data)
            {
                _down.SendData(down, e.Data, e.EndStream);
                _up.Consumed(e.Stream, e.Data.Length);
            }

            if (!e.EndStream) continue;

            _down.Release(down);
            _up.Release(e.Stream);
        }

        _serverOut.ResetWrittenCount();
    }

    private void Finish()
    {
        var input = _downOut.WrittenSpan;
        for (var e = _client.Read(ref input, _now); e.Kind != H2EventKind.None; e = _client.Read(ref input, _now))
        {
            if (e.Kind == H2EventKind.Data) _client.Consumed(e.Stream!, e.Data.Length);
            if (e.EndStream) _client.Release(e.Stream!);
        }

        _downOut.ResetWrittenCount();
    }
}
