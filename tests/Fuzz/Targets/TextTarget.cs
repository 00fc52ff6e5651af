using System.Text;
using Mesh.Http;
using Mesh.Http.Grpc;
using Mesh.Http.Text;
using Mesh.Net;

namespace Mesh.Fuzz.Targets;

internal static class TextTarget
{
    public static Fuzzer Paths { get; } = new("path", "normalizing twice changes nothing; no dot segment is left", RunPaths,
        Fuzzer.Bytes("/a/../b", "/%2e%2e/a", "/a%2f..%5cb?x", "/a//b/./c"), Fuzzer.Bytes("/", "\\", ".", "..", "%2e", "%2F", "%5c", "%", "%25", "%32", "%65", ";", "?", "//", "%00", "e", "2"));

    public static Fuzzer Expressions { get; } = new("regex", "expressions: refused with a reason or compiled; a match ends", RunExpression,
        Fuzzer.Bytes("/api/v[0-9]+/.*", "(?i)^(a|b){2,3}$", @"\d+\.\w*[[:alpha:]]\Qx\E(?P<n>y)"),
        Fuzzer.Bytes("(", ")", "[", "]", "{2}", "{2,}", "*", "+", "?", "|", "^", "$", "\\d", "\\W", "\\p{Lu}", "[:alpha:]", "(?i)", "(?:", "(?P<a>", "\\Q", "\\E", "\\x41", "-", "."));

    public static Fuzzer Grpc { get; } = new("grpc", "messages are counted the same however they are split; texts survive", RunGrpc,
        [[0, 0, 0, 0, 0], [0, 0, 0, 0, 3, 1, 2, 3, 1, 0, 0, 0, 1, 9]], Fuzzer.Bytes("\0\0\0\0\0", "\0\0\0\0\x01x", "%", "%C3%A9", "10S", "99999999n"));

    public static Fuzzer ProxyHeaders { get; } = new("proxy-header", "PROXY headers: never throws, a prefix never reads as something else", RunProxyHeader,
        Fuzzer.Bytes("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "PROXY UNKNOWN\r\n", "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\x01\x02\x03\x04\x05\x06\x07\x08\0\x50\0\x51"), Fuzzer.Bytes("PROXY ", "TCP6 ", "::1", "\r\n", " ", "\x20", "\x21", "\0\x24"));

    private static string RunPaths(byte[] input)
    {
        var story = "";
        foreach (var rules in new[] { PathNormalization.Base, PathNormalization.MergeSlashes, PathNormalization.DecodeAndMergeSlashes })
        {
            var head = new RequestHead();
            head.SetPath([(byte)'/', .. input]);
            var outcome = rules.Apply(head);
            story += outcome;
            if (outcome == PathOutcome.Refused) continue;

            var once = Encoding.Latin1.GetString(head.Path);
            Fuzzer.Promise(once.StartsWith('/'), "the path lost its slash");
            Fuzzer.Promise(!Encoding.Latin1.GetString(head.PathOnly).Split('/').Any(segment => segment.Split(';')[0] is "." or ".."), "a dot segment is left");
            rules.Apply(head);
            Fuzzer.Promise(once == Encoding.Latin1.GetString(head.Path), "normalizing twice changed it again");
            story += once.Length / 4;
        }

        return story;
    }

    private static string RunExpression(byte[] input)
    {
        var pattern = Encoding.Latin1.GetString(input.AsSpan(0, Math.Min(input.Length, 60)));
        if (!LinearRegex.TryParse(pattern, out var regex, out var error))
        {
            Fuzzer.Promise(error.Length > 0, "refused without a reason");
            return error;
        }

        return regex.IsFullMatch("aaaaaaaaaaaaaaaaaaaaaaaaaaaab"u8) + pattern;
    }

    private static string RunGrpc(byte[] input)
    {
        var whole = default(GrpcFrameCounter);
        whole.Add(input);
        var split = default(GrpcFrameCounter);
        foreach (var piece in input.Chunk(1 + input.Length % 7)) split.Add(piece);
        Fuzzer.Promise(whole.Messages == split.Messages, "another split gave another count");

        if (GrpcTimeout.TryParse(input, out var timeout))
        {
            var room = new byte[9];
            Fuzzer.Promise(GrpcTimeout.TryParse(room.AsSpan(0, GrpcTimeout.Write(timeout, room)), out var again), "a timeout that was written cannot be read");
            Fuzzer.Promise(again <= timeout, "a timeout grew");
        }

        GrpcMessage.Decode(input);
        var coded = new byte[input.Length * 3];
        coded = coded[..GrpcMessage.Encode(input, coded)];
        Fuzzer.Promise(GrpcMessage.Decode(coded) == Encoding.UTF8.GetString(input), "a message changed");
        return whole.Messages.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private static string RunProxyHeader(byte[] input)
    {
        var status = ProxyProtocol.TryRead(input, out var header, out var consumed);
        if (status != ProxyProtocolStatus.Done) return status.ToString();

        Fuzzer.Promise(ProxyProtocol.TryRead(input.AsSpan(0, consumed - 1), out _, out _) == ProxyProtocolStatus.NeedMore, "less than a header was taken for one");
        return $"{status} {header.Source is null} {consumed / 8}";
    }
}
