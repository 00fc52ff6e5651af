using System.Buffers;
using System.Text;
using Mesh.Http;
using Mesh.Http.H1;

namespace Mesh.Tests.Http;

/// <summary>Reads whole HTTP/1.1 connections the way a proxy does, and tells as text what came of them.</summary>
internal static class H1Probe
{
    public static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);

    public static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    /// <summary>Every request of a connection with its body, one line each: "GET /x (host) body" or "error status details".</summary>
    public static string ReadRequests(byte[] connection, int pieceBytes = int.MaxValue, HttpLimits? limits = null)
    {
        limits ??= HttpLimits.Default;
        var story = new StringBuilder();
        var parser = new H1Parser(limits);
        var chunked = new ChunkedDecoder(limits);
        var head = new RequestHead();
        var body = new StringBuilder();
        var start = 0;
        var end = 0;
        var inBody = false;
        long left = 0;
        while (true)
        {
            var input = connection.AsSpan(start, end - start);
            if (!inBody)
            {
                var status = parser.ParseRequest(input, head, out var consumed);
                start += consumed;
                if (status == ParseStatus.Error) return story.Append($"error {parser.Error.Status} {parser.Error.Details}\n").ToString();
                if (status == ParseStatus.NeedMore)
                {
                    if (end == connection.Length) return story.Append(input.IsEmpty ? "" : "unfinished\n").ToString();

                    end = Grow(end, pieceBytes, connection.Length);
                    continue;
                }

                inBody = true;
                left = head.Body.Length;
                chunked.Reset();
                body.Clear();
                continue;
            }

            var done = head.Body.IsEmpty;
            if (head.Body.Kind == BodyKind.Length && left > 0)
            {
                var take = (int)Math.Min(left, input.Length);
                body.Append(Text(input[..take]));
                start += take;
                left -= take;
            }
            else if (head.Body.Kind == BodyKind.Streamed)
            {
                var status = chunked.Read(input, null, out var consumed, out var data);
                start += consumed;
                body.Append(Text(data));
                if (status == ChunkedStatus.Error) return story.Append($"error {chunked.Error.Status} {chunked.Error.Details}\n").ToString();
                if (status == ChunkedStatus.Data) continue;

                done = status == ChunkedStatus.Done;
            }

            if (done || (head.Body.Kind == BodyKind.Length && left == 0))
            {
                inBody = false;
                story.Append($"{head} {body}".TrimEnd()).Append('\n');
                continue;
            }

            if (end == connection.Length) return story.Append($"{head} {body} incomplete\n").ToString();

            end = Grow(end, pieceBytes, connection.Length);
        }
    }

    public static string WriteRequest(RequestHead head)
    {
        var output = new ArrayBufferWriter<byte>();
        H1Writer.WriteRequest(head, output);
        return Text(output.WrittenSpan);
    }

    public static RequestHead Request(string text, HttpLimits? limits = null)
    {
        var head = new RequestHead();
        var parser = new H1Parser(limits ?? HttpLimits.Default);
        var status = parser.ParseRequest(Bytes(text), head, out _);
        Assert.True(status == ParseStatus.Done, $"{status}: {parser.Error}");
        return head;
    }

    public static ResponseHead Response(string text, ResponseContext asked = default)
    {
        var head = new ResponseHead();
        var parser = new H1Parser(HttpLimits.Default);
        var status = parser.ParseResponse(Bytes(text), head, asked, out _);
        Assert.True(status == ParseStatus.Done, $"{status}: {parser.Error}");
        return head;
    }

    public static ProtocolError ResponseError(string text, ResponseContext asked = default)
    {
        var parser = new H1Parser(HttpLimits.Default);
        return parser.ParseResponse(Bytes(text), new(), asked, out _) == ParseStatus.Error ? parser.Error : default;
    }

    private static int Grow(int end, int pieceBytes, int length) => (int)Math.Min((long)end + pieceBytes, length);
}
