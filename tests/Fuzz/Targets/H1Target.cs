using System.Buffers;
using System.Text;
using Mesh.Http;
using Mesh.Http.H1;

namespace Mesh.Fuzz.Targets;

internal static class H1Target
{
    private static readonly byte[][] Tokens = Fuzzer.Bytes("\r\n", "\n", "\r", "\r\n\r\n", ": ", ":", " ", "\t", "\0", ",", ";", "chunked", "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\n", "Content-Length: ", "Host: a\r\n", "Connection: close\r\n", "Connection: x-a\r\n", "Upgrade: websocket\r\n", "HTTP/1.1", "HTTP/1.0",
        "GET / ", "0\r\n\r\n", "5\r\nhello\r\n", "ffffffffffffffff", "http://", "#", "@", "Expect: 100-continue\r\n", "TE: trailers\r\n", "HTTP/1.1 204 x\r\n", "100", "101");

    public static Fuzzer Requests { get; } = new("h1-request", "request heads: split = whole, written = read again", RunRequests,
        Fuzzer.Bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /x?y HTTP/1.1\r\nHost: a.b:80\r\nX-A: 1\r\nx-b:2 \r\nContent-Length: 5\r\nConnection: keep-alive, x-a\r\n\r\nhello",
            "POST http://a/x#f HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\ntrailer: z\r\n\r\n5;x=y\r\nhello\r\n0\r\nz: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), Tokens);

    public static Fuzzer Responses { get; } = new("h1-response", "response heads: split = whole, written = read again", RunResponses,
        Fuzzer.Bytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.0 304 Not Modified\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"), Tokens);

    public static Fuzzer Chunks { get; } = new("chunked", "chunked bodies: split = whole, written = read again", RunChunks,
        Fuzzer.Bytes("5\r\nhello\r\n0\r\n\r\n", "5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n"), Tokens);

    private static string RunRequests(byte[] input)
    {
        var whole = ReadRequests(input, input.Length + 1);
        Fuzzer.Promise(whole == ReadRequests(input, 1), "one byte at a time gave another answer");
        Fuzzer.Promise(whole == ReadRequests(input, 7), "seven bytes at a time gave another answer");

        var head = new RequestHead();
        if (new H1Parser(HttpLimits.Default).ParseRequest(input, head, out _) != ParseStatus.Done) return whole;

        var output = new ArrayBufferWriter<byte>();
        H1Writer.WriteRequest(head, output, head.KeepAlive);
        CheckLines(output.WrittenSpan);
        var again = new RequestHead();
        Fuzzer.Promise(new H1Parser(HttpLimits.Default with { HeadBytesMax = 128 * 1024, FieldCountMax = 110 }).ParseRequest(output.WrittenSpan, again, out var consumed) == ParseStatus.Done, "what was written cannot be read");
        Fuzzer.Promise(consumed == output.WrittenCount, "what was written is more than a head");
        if (head.Body.Kind == BodyKind.None && again.Body is { Kind: BodyKind.Length, Length: 0 })
        {
            // That there is no body is said where the method leaves it open (RFC 9110 §8.6).
            again.Body = BodyFraming.None;
            again.Headers.Remove(KnownHeader.ContentLength);
        }
        Fuzzer.Promise(Tell(head) == Tell(again), "what was written reads as something else");
        return whole;
    }

    private static string RunResponses(byte[] input)
    {
        var asked = (input.Length % 4) switch { 0 => default, 1 => new ResponseContext(ToHead: true, ToConnect: false, ToUpgrade: false), 2 => new(false, true, false), _ => new ResponseContext(false, false, ToUpgrade: true) };
        var whole = ReadResponses(input, input.Length + 1, asked);
        Fuzzer.Promise(whole == ReadResponses(input, 1, asked), "one byte at a time gave another answer");

        var head = new ResponseHead();
        if (new H1Parser(HttpLimits.Default).ParseResponse(input, head, asked, out _) != ParseStatus.Done) return whole;

        var output = new ArrayBufferWriter<byte>();
        var method = asked.ToHead ? Method.Head : asked.ToConnect ? Method.Connect : Method.Get;
        H1Writer.WriteResponse(head, method, HttpVersion.Http11, output);
        CheckLines(output.WrittenSpan);
        var again = new ResponseHead();
        Fuzzer.Promise(new H1Parser(HttpLimits.Default with { HeadBytesMax = 128 * 1024 }).ParseResponse(output.WrittenSpan, again, asked, out _) == ParseStatus.Done, "what was written cannot be read");
        Fuzzer.Promise(head.Status == again.Status && head.Body == again.Body, "what was written reads as something else");
        return whole;
    }

    private static string RunChunks(byte[] input)
    {
        var whole = ReadChunks(input, input.Length + 1, out var body);
        Fuzzer.Promise(whole == ReadChunks(input, 1, out _), "one byte at a time gave another answer");

        var output = new ArrayBufferWriter<byte>();
        Chunked.Write(body, output);
        Chunked.WriteLast(null, output);
        var again = ReadChunks(output.WrittenSpan.ToArray(), output.WrittenCount, out var bodyAgain);
        Fuzzer.Promise(again.StartsWith("Done", StringComparison.Ordinal) && bodyAgain.AsSpan().SequenceEqual(body), "what was written reads as something else");
        return whole;
    }

    // Nothing written may hold a line end that is not ours.
    private static void CheckLines(ReadOnlySpan<byte> written)
    {
        for (var i = 0; i < written.Length; i++)
        {
            var isBad = written[i] == 0 || (written[i] == '\n' && (i == 0 || written[i - 1] != '\r')) || (written[i] == '\r' && (i + 1 == written.Length || written[i + 1] != '\n'));
            Fuzzer.Promise(!isBad, "a bare line end or NUL was written");
        }

        Fuzzer.Promise(written.EndsWith("\r\n\r\n"u8) && written[..^4].IndexOf("\r\n\r\n"u8) < 0, "the head ends where it should not");
    }

    private static string ReadRequests(byte[] input, int piece)
    {
        var parser = new H1Parser(HttpLimits.Default);
        var head = new RequestHead();
        var story = new StringBuilder();
        var start = 0;
        for (var end = Math.Min(piece, input.Length); ; end = Math.Min(end + piece, input.Length))
        {
            ParseStatus status;
            while ((status = parser.ParseRequest(input.AsSpan(start, end - start), head, out var consumed)) == ParseStatus.Done)
            {
                start += consumed;
                story.Append(Tell(head)).Append('\n');
            }

            if (status == ParseStatus.Error) return story.Append(parser.Error.Details).Append(parser.Error.Message).ToString();
            if (end == input.Length) return story.Append("more").ToString();
        }
    }

    private static string ReadResponses(byte[] input, int piece, ResponseContext asked)
    {
        var parser = new H1Parser(HttpLimits.Default);
        var head = new ResponseHead();
        var story = new StringBuilder();
        var start = 0;
        for (var end = Math.Min(piece, input.Length); ; end = Math.Min(end + piece, input.Length))
        {
            ParseStatus status;
            while ((status = parser.ParseResponse(input.AsSpan(start, end - start), head, asked, out var consumed)) == ParseStatus.Done)
            {
                start += consumed;
                story.Append($"{head} {head.Body} {head.KeepAlive} {head.Headers}\n");
            }

            if (status == ParseStatus.Error) return story.Append(parser.Error.Message).ToString();
            if (end == input.Length) return story.Append("more").ToString();
        }
    }

    private static string ReadChunks(byte[] input, int piece, out byte[] body)
    {
        var decoder = new ChunkedDecoder(HttpLimits.Default);
        var trailers = new Headers();
        var bytes = new List<byte>();
        var start = 0;
        for (var end = Math.Min(piece, input.Length); ; end = Math.Min(end + piece, input.Length))
        {
            ChunkedStatus status;
            do
            {
                status = decoder.Read(input.AsSpan(start, end - start), trailers, out var consumed, out var data);
                start += consumed;
                bytes.AddRange(data);
            }
            while (status == ChunkedStatus.Data);

            if (status == ChunkedStatus.NeedMore && end < input.Length) continue;

            body = [.. bytes];
            return $"{status} {start} {body.Length} {decoder.Error.Message} {trailers}";
        }
    }

    private static string Tell(RequestHead head) => $"{head} {head.Protocol.Length} {head.Body} {head.KeepAlive || head.IsUpgrade} {head.ExpectsContinue} {head.AcceptsTrailers} {head.Headers}";
}
