using Mesh.Fuzz.Targets;

namespace Mesh.Fuzz;

internal static class Fuzzers
{
    public static Fuzzer[] All { get; } =
    [
        H1Target.Requests, H1Target.Responses, H1Target.Chunks,
        H2Target.Server, H2Target.Client, HpackTarget.Decoder, HpackTarget.RoundTrip, H2Target.ToHttp1,
        TextTarget.Paths, TextTarget.Expressions, TextTarget.Grpc, TextTarget.ProxyHeaders,
        Canary,
    ];

    /// <summary>Breaks at one byte pattern that only the dictionary makes likely: whoever does not find it does not look.</summary>
    private static Fuzzer Canary => new("canary", "a planted fault, to be found",
        input => input.AsSpan().IndexOf("needle!"u8) is >= 0 and var at && at + 7 < input.Length && input[at + 7] is >= (byte)'0' and <= (byte)'9'
            ? throw new BrokenPromiseException("the needle was found") : "hay",
        Fuzzer.Bytes("hay hay hay"), Fuzzer.Bytes("need", "le!", "7"));
}
