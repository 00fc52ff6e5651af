using BenchmarkDotNet.Attributes;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Http.Hpack;

namespace Mesh.Bench.Http;

[MemoryDiagnoser]
public class HpackBenchmarks
{
    private readonly HpackEncoder _encoder = new();
    private readonly HpackDecoder _decoder = new(4096);
    private readonly RequestHead _sent = new();
    private readonly RequestHead _received = new();
    private readonly byte[] _room = new byte[4096];
    private readonly byte[] _huffman = Convert.FromHexString("828684418cf1e3c2e5f23a6ba0ab90f4ff0f0986a8eb10649cbf0f2b8825a849e95ba97d7f");
    private readonly HpackDecoder _cold = new(4096);

    [GlobalSetup]
    public void Setup()
    {
        _sent.SetMethod(Method.Post);
        _sent.SetPath("/istio.reviews.Reviews/Get"u8);
        _sent.SetAuthority("reviews.default:9080"u8);
        foreach (var (name, value) in new[] { ("content-type", "application/grpc"), ("user-agent", "grpc-go/1.60.0"), ("grpc-accept-encoding", "gzip"), ("x-request-id", "7f0c9a6e-5a3a-4b25-9a8f-6f3b3a0d9c11"), ("x-envoy-attempt-count", "1") })
            _sent.Headers.Append(System.Text.Encoding.ASCII.GetBytes(name), System.Text.Encoding.ASCII.GetBytes(value));
        for (var i = 0; i < 3; i++) EncodeDecode();
    }

    [Benchmark]
    public int Encode() => HeadWriter.Request(_encoder, _sent, _room);

    [Benchmark]
    public int EncodeDecode()
    {
        var length = HeadWriter.Request(_encoder, _sent, _room);
        _received.Clear();
        var fields = new RequestFields(_received, HttpLimits.Default);
        _decoder.TryDecode(_room.AsSpan(0, length), ref fields);
        return fields.Finish(true).IsNone ? length : -1;
    }

    [Benchmark]
    public int DecodeHuffman()
    {
        _received.Clear();
        var fields = new RequestFields(_received, HttpLimits.Default);
        _cold.TryDecode(_huffman, ref fields);
        return _received.Headers.Count;
    }
}
