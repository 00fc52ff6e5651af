using System.Buffers;
using System.Buffers.Binary;
using Mesh.Http;
using Mesh.Http.H2;
using Mesh.Tests.Http;

namespace Mesh.Tests.Conformance;

/// <summary>What a hostile or broken server may send, and what our client's session makes of it. One GET is open on stream 1, one HEAD on 3, one POST on 5.</summary>
public sealed class H2ClientConformanceTests
{
    private const string Ok = "88", Fields = "0001780179", Status100 = "4803313030", Status101 = "4803313031", Status204 = "89", Length5 = "0f0d0135";

    public static TheoryData<string, string[], string> Cases => new()
    {
        // name, frames "type flags stream payload-hex", the last events
        { "an answer without body", ["1 5 1 " + Ok], "Response 200 end" },
        { "an answer with body", ["1 4 1 " + Ok + Length5, "0 1 1 68656c6c6f"], "Response 200, Data hello end" },
        { "an answer with trailers", ["1 4 1 " + Ok, "0 0 1 61", "1 5 1 " + Fields], "Response 200, Data a, Trailers x: y" },
        { "interim, then final", ["1 4 1 " + Status100, "1 5 1 " + Ok], "Response 100, Response 200 end" },
        { "an answer to HEAD that states a length", ["1 5 3 " + Ok + Length5], "Response 200 end" },
        { "an answer to HEAD that ends with an empty DATA", ["1 4 3 " + Ok + Length5, "0 1 3 "], "Response 200, Data  end" },
        { "a reset", ["3 0 1 00000008"], "Reset 1 Cancel" },
        { "an answer, then a reset without error", ["1 4 5 " + Ok, "3 0 5 00000000"], "Response 200, Reset 5 NoError" },
        { "frames on a stream that has ended are passed over", ["1 5 1 " + Ok, "8 0 1 00000001", "3 0 1 00000000"], "Response 200 end" },
        { "GOAWAY takes back what is above", ["7 0 0 0000000100000000"], "GoAway NoError, Reset 3 RefusedStream, Reset 5 RefusedStream" },
        { "GOAWAY of everything", ["7 0 0 000000000000000b"], "GoAway EnhanceYourCalm, Reset 1 RefusedStream, Reset 3 RefusedStream, Reset 5 RefusedStream" },

        { "no :status", ["1 5 1 " + Fields], "Reset 1 ProtocolError" },
        { ":status twice", ["1 5 1 8888"], "Reset 1 ProtocolError" },
        { ":status behind a field", ["1 5 1 " + Fields + Ok], "Reset 1 ProtocolError" },
        { ":method in an answer", ["1 5 1 8882"], "Reset 1 ProtocolError" },
        { "101, which HTTP/2 does not have", ["1 4 1 " + Status101], "Reset 1 ProtocolError" },
        { "an interim answer that ends the stream", ["1 5 1 " + Status100], "Reset 1 ProtocolError" },
        { "a body before the answer", ["0 0 1 61"], "Reset 1 ProtocolError" },
        { "a body behind an answer to HEAD", ["1 4 3 " + Ok, "0 1 3 61"], "Response 200, Reset 3 ProtocolError" },
        { "a body behind 204", ["1 4 1 " + Status204, "0 1 1 61"], "Response 204, Reset 1 ProtocolError" },
        { "less body than declared", ["1 4 1 " + Ok + Length5, "0 1 1 61"], "Response 200, Reset 1 ProtocolError" },
        { "more body than declared", ["1 4 1 " + Ok + Length5, "0 0 1 616161616161"], "Response 200, Reset 1 ProtocolError" },
        { "a declared length and no body", ["1 5 1 " + Ok + Length5], "Reset 1 ProtocolError" },
        { "CR in a value", ["1 5 1 88000178020d61"], "Reset 1 ProtocolError" },
        { "NUL in a value", ["1 5 1 880001780100"], "Reset 1 ProtocolError" },
        { "upper case in a name", ["1 5 1 880001580161"], "Reset 1 ProtocolError" },
        { "connection", ["1 5 1 88000a636f6e6e656374696f6e0161"], "Reset 1 ProtocolError" },
        { "trailers that do not end the stream", ["1 4 1 " + Ok, "1 4 1 " + Fields], "Response 200, Reset 1 ProtocolError" },
        { "DATA behind the end", ["1 5 1 " + Ok, "0 1 1 61"], "Response 200 end, Reset  StreamClosed" },

        { "PUSH_PROMISE", ["5 4 1 0000000282"], "ConnectionError ProtocolError" },
        { "HEADERS on a stream of its own", ["1 5 2 " + Ok], "ConnectionError ProtocolError" },
        { "HEADERS on a stream that was never opened", ["1 5 9 " + Ok], "ConnectionError ProtocolError" },
        { "RST_STREAM on a stream that was never opened", ["3 0 9 00000008"], "ConnectionError ProtocolError" },
        { "ENABLE_PUSH of 1", ["4 0 0 000200000001"], "ConnectionError ProtocolError" },
        { "a block that cannot be decoded", ["1 5 1 ff00"], "ConnectionError CompressionError" },
        { "a frame beyond the size", ["0 0 1 " + new string('0', 2 * 16385)], "ConnectionError FrameSizeError" },
    };

    [Theory, MemberData(nameof(Cases))]
    public void A_server_is_believed_only_what_it_may_say(string name, string[] frames, string expected)
    {
        Assert.NotEmpty(name);
        Assert.Equal(expected, string.Join(", ", Run(frames)));
    }

    [Fact]
    public void Interim_answers_are_bounded()
    {
        var events = Run(Enumerable.Repeat("1 4 1 " + Status100, 17).ToArray());

        Assert.Equal((17, "Reset 1 ProtocolError"), (events.Count, events[^1]));
    }

    [Fact]
    public void A_server_that_does_not_begin_with_SETTINGS_is_none() =>
        Assert.Equal(["ConnectionError ProtocolError"], Run(["1 5 1 " + Ok], withSettings: false));

    private static List<string> Run(string[] frames, bool withSettings = true)
    {
        var session = new H2Session(H2Role.Client, H2Settings.Default, HttpLimits.Default, new ArrayBufferWriter<byte>(), new());
        foreach (var method in new[] { Method.Get, Method.Head, Method.Post })
        {
            var head = new RequestHead();
            head.SetMethod(method);
            head.SetPath("/"u8);
            head.SetAuthority("a"u8);
            session.OpenStream(head, endStream: method != Method.Post, 0);
        }

        var bytes = new List<byte>();
        if (withSettings) bytes.AddRange(Frame("4 0 0 "));
        foreach (var frame in frames) bytes.AddRange(Frame(frame));
        var events = new List<string>();
        ReadOnlySpan<byte> input = bytes.ToArray();
        for (var e = session.Read(ref input, 0); e.Kind != H2EventKind.None; e = session.Read(ref input, 0))
        {
            if (e.Kind != H2EventKind.Settings) events.Add(H2Pair.Tell(e));
        }

        return events;
    }

    private static byte[] Frame(string text)
    {
        var words = text.Split(' ');
        var payload = Convert.FromHexString(words[3]);
        var bytes = new byte[FrameHeader.Size + payload.Length];
        new FrameHeader(payload.Length, (FrameType)byte.Parse(words[0], null), (FrameFlags)byte.Parse(words[1], null), int.Parse(words[2], null)).Write(bytes);
        payload.CopyTo(bytes, FrameHeader.Size);
        return bytes;
    }
}
