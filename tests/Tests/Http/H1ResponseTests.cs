using System.Buffers;
using Mesh.Http;
using Mesh.Http.H1;

namespace Mesh.Tests.Http;

/// <summary>Answers of servers, honest and hostile.</summary>
public sealed class H1ResponseTests
{
    private static readonly ResponseContext ToHead = new(true, false, false);
    private static readonly ResponseContext ToConnect = new(false, true, false);
    private static readonly ResponseContext ToUpgrade = new(false, false, true);

    [Fact]
    public void The_framing_follows_from_request_status_and_fields()
    {
        Assert.Equal(BodyFraming.OfLength(5), H1Probe.Response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").Body);
        Assert.Equal(BodyFraming.Streamed, H1Probe.Response("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n").Body);
        Assert.Equal(BodyFraming.UntilClose, H1Probe.Response("HTTP/1.1 200 OK\r\n\r\n").Body);
        Assert.Equal(BodyFraming.None, H1Probe.Response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ToHead).Body);
        Assert.Equal(BodyFraming.None, H1Probe.Response("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n").Body);
        Assert.Equal(BodyFraming.None, H1Probe.Response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").Body);
        Assert.Equal(BodyFraming.Tunnel, H1Probe.Response("HTTP/1.1 200 Connected\r\nContent-Length: 5\r\n\r\n", ToConnect).Body);
        Assert.Equal(BodyFraming.Tunnel, H1Probe.Response("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", ToUpgrade).Body);
        Assert.Equal(BodyFraming.OfLength(3), H1Probe.Response("HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\n", ToConnect).Body);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n")]
    [InlineData("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 204 OK\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\nX: a\n\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")]
    [InlineData("HTTP/1.1 99 No\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 No\r\n\r\n")]
    [InlineData("HTTP/2.0 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1  200 OK\r\n\r\n")]
    [InlineData("ICY 200 OK\r\n\r\n")]
    [InlineData("\r\nHTTP/1.1 200 OK\r\n\r\n")]
    public void A_doubtful_answer_is_refused(string response) => Assert.False(H1Probe.ResponseError(response).IsNone);

    [Fact]
    public void A_head_beyond_the_limits_is_refused()
    {
        Assert.Equal("http1.headers_too_large", H1Probe.ResponseError("HTTP/1.1 200 OK\r\nX: " + new string('a', 1 << 20) + "\r\n\r\n").Details);
        Assert.Equal("http1.too_many_headers", H1Probe.ResponseError("HTTP/1.1 200 OK\r\n" + string.Concat(Enumerable.Repeat("X: 1\r\n", 5000)) + "\r\n").Details);
    }

    [Fact]
    public void Interim_answers_are_bounded()
    {
        var parser = new H1Parser(HttpLimits.Default);
        var head = new ResponseHead();
        var interim = H1Probe.Bytes("HTTP/1.1 100 Continue\r\n\r\n");
        var taken = 0;
        while (parser.ParseResponse(interim, head, default, out _) == ParseStatus.Done && head.IsInterim) taken++;

        Assert.Equal(16, taken);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false)]
    [InlineData("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", true)]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false)]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true)]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", false)]
    public void Whether_the_connection_may_be_used_again(string response, bool expected) => Assert.Equal(expected, H1Probe.Response(response).KeepAlive);

    [Fact]
    public void What_is_written_reads_as_the_same_answer()
    {
        foreach (var text in new[]
        {
            "HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        })
        {
            var head = H1Probe.Response(text);
            var again = H1Probe.Response(Write(head));

            Assert.Equal((head.ToString(), head.Body, head.KeepAlive), (again.ToString(), again.Body, again.KeepAlive));
            Assert.Equal(head.Headers.ToString(), again.Headers.ToString());
        }
    }

    [Fact]
    public void A_body_of_unknown_length_ends_with_the_connection_for_HTTP_1_0()
    {
        var head = H1Probe.Response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

        Assert.Equal("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", Write(head, version: HttpVersion.Http10));
        Assert.True(H1Writer.EndsWithConnection(head.Body, HttpVersion.Http10));
    }

    [Fact]
    public void An_answer_without_body_says_so_and_one_to_HEAD_says_what_GET_would_get()
    {
        var made = new ResponseHead { Status = 503, KeepAlive = true };
        Assert.Equal("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Write(made));

        var toHead = H1Probe.Response("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", ToHead);
        Assert.Equal("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", Write(toHead, Method.Head));
    }

    [Fact]
    public void No_value_can_split_the_answer()
    {
        var head = new ResponseHead { Status = 200, KeepAlive = true };
        head.Headers.Append("x-made"u8, "a\r\nSet-Cookie: evil=1\0"u8);

        Assert.Equal("HTTP/1.1 200 OK\r\nx-made: a  Set-Cookie: evil=1 \r\ncontent-length: 0\r\n\r\n", Write(head));
    }

    [Fact]
    public void An_answer_on_a_kept_connection_allocates_nothing()
    {
        var bytes = H1Probe.Bytes("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi");
        var parser = new H1Parser(HttpLimits.Default);
        var head = new ResponseHead();
        var output = new ArrayBufferWriter<byte>(4096);

        Assert.Equal(0, Allocations.Of(() =>
        {
            parser.ParseResponse(bytes, head, default, out _);
            head.Headers.Set(KnownHeader.Server, "envoy"u8);
            output.ResetWrittenCount();
            H1Writer.WriteResponse(head, Method.Get, HttpVersion.Http11, output);
        }));
    }

    private static string Write(ResponseHead head, Method method = Method.Get, HttpVersion version = HttpVersion.Http11)
    {
        var output = new ArrayBufferWriter<byte>();
        H1Writer.WriteResponse(head, method, version, output);
        return H1Probe.Text(output.WrittenSpan);
    }
}
