using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Http.Hpack;

namespace Mesh.Fuzz.Targets;

internal static class HpackTarget
{
    private static readonly byte[] Room = new byte[128 * 1024];

    private static readonly byte[][] Tokens = Fuzzer.Bytes("\x82", "\x86", "\x84", "\x88", "\x40", "\x00", "\x10", "\x20", "\x3F\xE1\x1F", "\x7F\x00", "\xFF\x80\x01", "\xBE", "\xBF", "\x8C\xF1\xE3\xC2\xE5\xF2\x3A\x6B\xA0\xAB\x90\xF4\xFF", "\x01x", "cookie", "\xFF\xFF\xFF\xFF\x0F");

    public static Fuzzer Decoder { get; } = new("hpack", "field blocks: never throws, what it stores is bounded", Decode,
        [Convert.FromHexString("828684418cf1e3c2e5f23a6ba0ab90f4ff"), Convert.FromHexString("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"), Convert.FromHexString("400a637573746f6d2d6b65790c637573746f6d2d76616c7565bebe")], Tokens);

    public static Fuzzer RoundTrip { get; } = new("hpack-round", "what is encoded decodes to the same fields, for many messages and table sizes", Round,
        Fuzzer.Bytes("\x01\x02\x03\x04\x05\x06", "aabbccddaabbccdd", "\x10\x10\x10\x40\x40\x80\x80"), Tokens);

    private static string Decode(byte[] input)
    {
        var decoder = new HpackDecoder(4096);
        var head = new RequestHead();
        var story = "";
        foreach (var block in Split(input))
        {
            head.Clear();
            var fields = new RequestFields(head, HttpLimits.Default);
            var ok = decoder.TryDecode(block, ref fields);
            var error = ok ? fields.Finish(endStream: true) : default;
            Fuzzer.Promise(head.Headers.ArenaUsed < 256 * 1024, "the head grew beyond its limit");
            if (ok && error.IsNone) Fuzzer.Promise(!head.Headers.ToString().Contains('\0', StringComparison.Ordinal), "a value holds NUL");
            story += ok ? error.Message : "no";
            if (!ok) break;
        }

        return story;
    }

    // The input says which fields are sent: a byte is a name and a value; the high ones change the table.
    private static string Round(byte[] input)
    {
        var encoder = new HpackEncoder();
        var decoder = new HpackDecoder(4096);
        var sent = new RequestHead();
        var received = new RequestHead();
        var room = Room;
        foreach (var part in Split(input))
        {
            sent.Clear();
            sent.SetMethod(Method.Get);
            sent.SetPath("/"u8);
            sent.SetAuthority("a"u8);
            foreach (var b in part)
            {
                if (b >= 0xF0) encoder.SetPeerMax((uint)(b - 0xF0) * 300);
                else if (sent.Headers.Count < 90) sent.Headers.Append([(byte)'x', (byte)('a' + b % 16)], new byte[b / 16 * 40].AsSpan());
            }

            received.Clear();
            var length = HeadWriter.Request(encoder, sent, room);
            var fields = new RequestFields(received, HttpLimits.Default);
            Fuzzer.Promise(decoder.TryDecode(room.AsSpan(0, length), ref fields), "what was encoded cannot be decoded");
            Fuzzer.Promise(fields.Finish(endStream: true).IsNone, "what was encoded is refused");
            Fuzzer.Promise(sent.Headers.Count == received.Headers.Count, "fields were lost");
        }

        return $"{input.Length / 16}";
    }

    private static IEnumerable<byte[]> Split(byte[] input)
    {
        for (var start = 0; start < input.Length;)
        {
            var length = Math.Min(1 + input[start] % 64, input.Length - start);
            yield return start == 0 ? input[..length] : input[start..(start + length)];
            start += length;
        }
    }
}
