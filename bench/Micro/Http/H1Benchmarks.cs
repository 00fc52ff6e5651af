using System.Buffers;
using System.Text;
using BenchmarkDotNet.Attributes;
using Mesh.Http;
using Mesh.Http.H1;

namespace Mesh.Bench.Http;

/// <summary>One HTTP/1.1 hop without its sockets: seven request fields as a browser-like client sends them.</summary>
[MemoryDiagnoser]
public class H1Benchmarks
{
    private static readonly byte[] Request = Encoding.ASCII.GetBytes("GET /api/v1/items/1234?page=2 HTTP/1.1\r\nHost: reviews.default:9080\r\nUser-Agent: curl/8.5.0\r\n"
        + "Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nX-Request-Id: 7f0c9a6e-5a3a-4b25-9a8f-6f3b3a0d9c11\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nConnection: keep-alive\r\n\r\n");

    private static readonly byte[] Response = Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nDate: Tue, 24 Nov 2026 05:34:00 GMT\r\nServer: app\r\n\r\n");

    private static readonly byte[] Chunks = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("400\r\n" + new string('x', 1024) + "\r\n", 16)) + "0\r\n\r\n");

    private readonly H1Parser _parser = new(HttpLimits.Default);
    private readonly ChunkedDecoder _chunked = new(HttpLimits.Default);
    private readonly RequestHead _request = new();
    private readonly ResponseHead _response = new();
    private readonly ArrayBufferWriter<byte> _output = new(16384);

    [Benchmark]
    public int ParseRequest()
    {
        _parser.ParseRequest(Request, _request, out var consumed);
        return consumed;
    }

    [Benchmark]
    public int RequestHop()
    {
        _parser.ParseRequest(Request, _request, out _);
        PathNormalization.Base.Apply(_request);
        _request.Headers.Set(KnownHeader.XForwardedProto, "http"u8);
        _request.Headers.Set(KnownHeader.XEnvoyAttemptCount, 1);
        _output.ResetWrittenCount();
        H1Writer.WriteRequest(_request, _output);
        return _output.WrittenCount;
    }

    [Benchmark]
    public int ResponseHop()
    {
        _parser.ParseResponse(Response, _response, default, out _);
        _response.Headers.Set(KnownHeader.Server, "envoy"u8);
        _response.Headers.Set(KnownHeader.XEnvoyUpstreamServiceTime, 3);
        _output.ResetWrittenCount();
        H1Writer.WriteResponse(_response, Method.Get, HttpVersion.Http11, _output);
        return _output.WrittenCount;
    }

    [Benchmark]
    public int Chunked16KiB()
    {
        _chunked.Reset();
        var at = 0;
        while (_chunked.Read(Chunks.AsSpan(at), null, out var consumed, out _) == ChunkedStatus.Data) at += consumed;
        return at;
    }
}
