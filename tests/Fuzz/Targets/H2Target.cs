using System.Buffers;
using System.Text;
using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Http.H2;

namespace Mesh.Fuzz.Targets;

internal static class H2Target
{
    private static readonly byte[][] Tokens =
    [
        .. FrameTokens(),
        .. Fuzzer.Bytes("\0\0\0", "\x7F\xFF\xFF\xFF", "\xFF\xFF\xFF\xFF", "\0\0\x04", "\0\0\x40\0", "\x82\x86\x84\x41\x01\x61", "\x83\x86\x84", "\x88", "\x20", "\xBE", "\x40\x01x\x01y"),
    ];

    public static Fuzzer Server { get; } = new("h2-server", "a server's session: split = whole, frames well-formed, accounts in order", input => RunSession(input, H2Role.Server),
        [ServerScript(), [.. ServerScript(), .. ServerScript().AsSpan(24)]], Tokens);

    public static Fuzzer Client { get; } = new("h2-client", "a client's session", input => RunSession(input, H2Role.Client), [ClientScript()], Tokens);

    public static Fuzzer ToHttp1 { get; } = new("h2-to-h1", "requests of HTTP/2 written as HTTP/1.1 read as the same requests", RunToHttp1, [ServerScript()], Tokens);

    private static string RunSession(byte[] input, H2Role role)
    {
        var whole = Serve(input, input.Length + 1, role);
        Fuzzer.Promise(whole == Serve(input, 1 + input.Length % 13, role), "another split gave another answer");
        return whole;
    }

    private static string Serve(byte[] input, int piece, H2Role role)
    {
        var output = new ArrayBufferWriter<byte>();
        var settings = new H2Settings { MaxConcurrentStreams = 5, InitialWindowBytes = 1000, ConnectionWindowBytes = 70_000 };
        var session = new H2Session(role, settings, HttpLimits.Default, output, new());
        var story = new StringBuilder();
        var held = new HashSet<H2Stream>();
        if (role == H2Role.Client) Open(session, held);

        var start = 0;
        for (var end = Math.Min(piece, input.Length); ; end = Math.Min(end + piece, input.Length))
        {
            ReadOnlySpan<byte> rest = input.AsSpan(start, end - start);
            for (var e = session.Read(ref rest, 0); e.Kind != H2EventKind.None; e = session.Read(ref rest, 0)) Handle(session, e, held, story, role);
            start = end - rest.Length;
            if (end == input.Length) break;
        }

        foreach (var stream in held) session.Release(stream);
        Fuzzer.Promise(session.IsDead || session.ActiveStreams == 0, "streams are left when all were released");
        CheckFrames(output.WrittenSpan, role);
        return story.ToString();
    }

    private static void Open(H2Session session, HashSet<H2Stream> held)
    {
        var head = new RequestHead();
        head.SetMethod(Method.Post);
        head.SetPath("/x"u8);
        head.SetAuthority("a"u8);
        for (var i = 0; i < 3; i++)
        {
            if (session.OpenStream(head, endStream: i == 1, 0) is { } stream) held.Add(stream);
        }
    }

    private static void Handle(H2Session session, H2Event e, HashSet<H2Stream> held, StringBuilder story, H2Role role)
    {
        story.Append($"{e.Kind} {e.Stream?.Id} {e.EndStream} {e.Code} {e.Data.Length} {e.Error.Message};");
        if (e.Stream is null) return;

        Fuzzer.Promise(role == H2Role.Server || held.Contains(e.Stream), "an event for a stream that nobody opened");
        held.Add(e.Stream);
        if (e.Kind == H2EventKind.Data && (e.Data.Length & 1) == 0) session.Consumed(e.Stream, e.Data.Length);
        if (e.Kind is H2EventKind.Request or H2EventKind.RefusedRequest && role == H2Role.Server)
        {
            session.SendResponse(e.Stream, new ResponseHead { Status = 200, Body = BodyFraming.Streamed }, endStream: false);
            session.SendData(e.Stream, new byte[3000], endStream: true);
        }

        if (e.Kind == H2EventKind.Writable) session.SendData(e.Stream, new byte[500], endStream: (e.Stream.Id & 2) == 0);
        if (e.Kind == H2EventKind.Reset || (e.EndStream && (e.Stream.Id & 4) == 0))
        {
            held.Remove(e.Stream);
            session.Release(e.Stream);
        }
    }

    private static void CheckFrames(ReadOnlySpan<byte> output, H2Role role)
    {
        if (role == H2Role.Client) output = output[24..];
        var blockStream = 0;
        while (!output.IsEmpty)
        {
            Fuzzer.Promise(FrameHeader.TryRead(output, out var frame) && output.Length >= FrameHeader.Size + frame.Length, "a frame is cut off");
            Fuzzer.Promise(frame.Length <= 16384, "a frame is too long");
            Fuzzer.Promise(blockStream == 0 || (frame.Type == FrameType.Continuation && frame.StreamId == blockStream), "a block is interrupted");
            if (frame.Type is FrameType.Headers or FrameType.Continuation) blockStream = frame.Has(FrameFlags.EndHeaders) ? 0 : frame.StreamId;
            output = output[(FrameHeader.Size + frame.Length)..];
        }
    }

    private static string RunToHttp1(byte[] input)
    {
        var session = new H2Session(H2Role.Server, H2Settings.Default, HttpLimits.Default, new ArrayBufferWriter<byte>(), new());
        ReadOnlySpan<byte> rest = input;
        var story = new StringBuilder();
        for (var e = session.Read(ref rest, 0); e.Kind != H2EventKind.None; e = session.Read(ref rest, 0))
        {
            story.Append(e.Kind).Append(e.Error.Message);
            if (e.Kind != H2EventKind.Request) continue;

            var head = e.Stream!.Request;
            if (head.IsWebSocket) WebSocket.PrepareForHttp1(head, new byte[16]);
            var output = new ArrayBufferWriter<byte>();
            H1Writer.WriteRequest(head, output);
            var again = new RequestHead();
            var parser = new H1Parser(HttpLimits.Default with { HeadBytesMax = 256 * 1024, FieldCountMax = 300 });
            Fuzzer.Promise(parser.ParseRequest(output.WrittenSpan, again, out var consumed) == ParseStatus.Done, $"what was written cannot be read: {parser.Error}");
            Fuzzer.Promise(consumed == output.WrittenCount, "what was written is more than a head");
            Fuzzer.Promise(head.ToString() == again.ToString(), "what was written reads as something else");
            Fuzzer.Promise(head.IsConnect || head.IsUpgrade || head.Body == again.Body || head.Body.IsEmpty && again.Body.IsEmpty, "the body's length changed");
        }

        return story.ToString();
    }

    private static byte[] ServerScript() =>
    [
        .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Frame(4, 0, 0, []),
        .. Frame(1, 4, 1, Convert.FromHexString("838684410161400178017900016301640f0d0135")), .. Frame(0, 0, 1, "hello"u8.ToArray()), .. Frame(1, 5, 1, Convert.FromHexString("0001740175")),
        .. Frame(1, 1, 3, Convert.FromHexString("828684")), .. Frame(9, 4, 3, Convert.FromHexString("410161be")), .. Frame(6, 0, 0, new byte[8]), .. Frame(8, 0, 0, [0, 0, 1, 0]),
        .. Frame(8, 0, 1, [0, 0, 1, 0]), .. Frame(3, 0, 3, [0, 0, 0, 8]), .. Frame(4, 0, 0, [0, 4, 0, 0, 0, 10]), .. Frame(4, 1, 0, []), .. Frame(7, 0, 0, new byte[8]),
    ];

    private static byte[] ClientScript() =>
    [
        .. Frame(4, 0, 0, [0, 3, 0, 0, 0, 100]), .. Frame(4, 1, 0, []), .. Frame(1, 4, 1, Convert.FromHexString("4803313030")), .. Frame(1, 4, 1, Convert.FromHexString("88400178017900016301640f0d0135")),
        .. Frame(0, 1, 1, "hello"u8.ToArray()), .. Frame(1, 5, 3, Convert.FromHexString("8e")), .. Frame(8, 0, 5, [0, 0, 1, 0]), .. Frame(1, 4, 5, Convert.FromHexString("88")),
        .. Frame(0, 0, 5, new byte[10]), .. Frame(1, 5, 5, Convert.FromHexString("400b677270632d7374617475730130")), .. Frame(7, 0, 0, [0, 0, 0, 3, 0, 0, 0, 0]),
    ];

    private static IEnumerable<byte[]> FrameTokens() =>
        Enumerable.Range(0, 10).SelectMany(type => new[] { Frame(type, 0, 1, [0, 0, 0, 1]), Frame(type, 5, 3, [0x82, 0x86, 0x84]), Frame(type, 1, 5, []), Frame(type, 0, 0, [0, 4, 0, 0, 0, 0]) });

    private static byte[] Frame(int type, int flags, int stream, byte[] payload)
    {
        var bytes = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(payload.Length, (FrameType)type, (FrameFlags)flags, stream).Write(bytes);
        payload.CopyTo(bytes, FrameHeader.Size);
        return bytes;
    }
}
