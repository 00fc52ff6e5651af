using System.Buffers;
using Mesh.Http;
using Mesh.Http.H1;

namespace Mesh.Tests.Http;

public sealed class H1RequestTests
{
    [Theory]
    [InlineData("GET http://other.other/abs HTTP/1.1\r\nHost: backend.demo\r\n\r\n", "/abs", "other.other")]
    [InlineData("GET http://backend.demo:8080/abs?x=1 HTTP/1.1\r\nHost: backend.demo:8080\r\n\r\n", "/abs?x=1", "backend.demo:8080")]
    [InlineData("GET http://a.b HTTP/1.1\r\nHost: c\r\n\r\n", "/", "a.b")]
    [InlineData("GET HTTP://a.b?x=1#f HTTP/1.1\r\nHost: c\r\n\r\n", "/?x=1", "a.b")]
    [InlineData("GET https://[::1]:8443/p#f HTTP/1.1\r\nHost: c\r\n\r\n", "/p", "[::1]:8443")]
    [InlineData("GET /x HTTP/1.1\r\nHost:\r\n\r\n", "/x", "")]
    [InlineData("GET /x HTTP/1.1\r\nhOST:  a.b \t\r\n\r\n", "/x", "a.b")]
    public void Path_and_authority_are_read_from_either_form_of_target(string request, string path, string authority)
    {
        var head = H1Probe.Request(request);

        Assert.Equal(path, H1Probe.Text(head.Path));
        Assert.Equal(authority, H1Probe.Text(head.Authority));
        Assert.False(head.Headers.Has(KnownHeader.Host));
    }

    [Fact]
    public void Repeated_hosts_are_joined_where_Istio_would() =>
        Assert.Equal("backend.demo,other.other", H1Probe.Text(H1Probe.Request(
            "GET /x HTTP/1.1\r\nHost: backend.demo\r\nHost: other.other\r\nConnection: close\r\n\r\n", new() { JoinRepeatedHost = true }).Authority));

    [Theory]
    [InlineData("GET /x HTTP/1.0\r\n\r\n", "error 426 low_version\n")]
    [InlineData("GET /x HTTP/9.9\r\nHost: a\r\n\r\n", "error 426 low_version\n")]
    [InlineData("GET /x\r\n\r\n", "error 426 low_version\n")]
    [InlineData("hello\r\n", "error 400 http1.codec_error\n")]
    [InlineData("hello there\r\n", "error 400 http1.codec_error\n")]
    [InlineData("GET /x HTTP/1.1x\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "error 404 absolute_path_rejected\n")]
    [InlineData("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.invalid_url\n")]
    [InlineData("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.invalid_scheme\n")]
    [InlineData("GET x HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.invalid_url\n")]
    [InlineData("FOO / HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("get / HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND / (a)\n")]
    [InlineData("GET /x HTTP/1.2\r\nHost: a\r\n\r\n", "error 426 low_version\n")]
    [InlineData("GET /x HTTP/1.1\r\nHost: a b\r\n\r\n", "error 400 http.invalid_authority\n")]
    [InlineData("GET /\u00e9 HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("GET /x HTTP/1.1\r\nHost: a\r\nX\u0001: 1\r\n\r\n", "error 400 http1.invalid_characters\n")]
    [InlineData("GET /x HTTP/1.1\r\nHost: a\r\nX\u00e9: 1\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "error 400 http1.codec_error\n")]
    [InlineData("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "error 400 http1.transfer_encoding_not_allowed\n")]
    public void What_is_not_HTTP_1_1_is_answered_as_Istio_answers_it(string request, string expected) =>
        Assert.Equal(expected, H1Probe.ReadRequests(H1Probe.Bytes(request)));

    [Fact]
    public void Http_1_0_is_taken_where_it_is_switched_on()
    {
        var limits = new HttpLimits { AcceptHttp10 = true };

        var closing = H1Probe.Request("GET /x HTTP/1.0\r\n\r\n", limits);
        var keeping = H1Probe.Request("GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", limits);

        Assert.Equal((HttpVersion.Http10, false, true), (closing.Version, closing.KeepAlive, keeping.KeepAlive));
        Assert.Equal("error 400 http1.transfer_encoding_not_allowed\n",
            H1Probe.ReadRequests(H1Probe.Bytes("POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), limits: limits));
    }

    [Fact]
    public void A_websocket_handshake_asks_for_an_upgrade()
    {
        const string Handshake = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

        var head = H1Probe.Request(Handshake);

        Assert.True(head.IsWebSocket);
        Assert.Contains("connection: upgrade\r\nupgrade: WebSocket\r\n", H1Probe.WriteRequest(head));
        Assert.True(H1Probe.Request(H1Probe.WriteRequest(head)).IsWebSocket);
    }

    [Theory]
    [InlineData("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")]
    [InlineData("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n")]
    [InlineData("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")]
    [InlineData("Connection: Upgrade\r\nUpgrade: h2c, h2c\r\n")]
    public void A_malformed_handshake_is_an_ordinary_request(string fields) =>
        Assert.False(H1Probe.Request("GET /ws HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n").IsUpgrade);

    [Fact]
    public void Expect_is_a_property_until_whoever_answers_it_clears_it()
    {
        var head = H1Probe.Request("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n");

        Assert.True(head.ExpectsContinue);
        Assert.False(head.Headers.Has(KnownHeader.Expect));
        Assert.Contains("expect: 100-continue", H1Probe.WriteRequest(head));
        head.ExpectsContinue = false;
        Assert.DoesNotContain("expect", H1Probe.WriteRequest(head));
    }

    [Theory]
    [InlineData(60 * 1024 - 2, "error 431 http1.headers_too_large\n")]
    [InlineData(58 * 1024, "GET /")]
    public void A_long_url_has_all_of_the_head(int length, string expected) =>
        Assert.StartsWith(expected, H1Probe.ReadRequests(H1Probe.Bytes("GET /" + new string('a', length) + " HTTP/1.1\r\nHost: a\r\n\r\n")));

    [Fact]
    public void A_shorter_limit_for_the_request_line_is_answered_414() =>
        Assert.Equal("error 414 http1.headers_too_large\n", H1Probe.ReadRequests(
            H1Probe.Bytes("GET /" + new string('a', 9000) + " HTTP/1.1\r\nHost: a\r\n\r\n"), limits: new() { RequestLineBytesMax = 8192 }));

    [Fact]
    public void Header_names_keep_their_case_and_their_order()
    {
        var head = H1Probe.Request("GET /x HTTP/1.1\r\nHost: a\r\nX-Bb: 1\r\nx-AA:2\r\nAccept:\t*/*\t\r\nX-Bb: 3\r\n\r\n");

        Assert.Equal("X-Bb: 1\nx-AA: 2\nAccept: */*\nX-Bb: 3\n", head.Headers.ToString());
        Assert.Equal("GET /x HTTP/1.1\r\nhost: a\r\nX-Bb: 1\r\nx-AA: 2\r\nAccept: */*\r\nX-Bb: 3\r\n\r\n", H1Probe.WriteRequest(head));
    }

    [Theory]
    [InlineData("MOVE /x HTTP/1.1\r\nHost: a\r\nX-Own: 1\r\nX-Half", "MOVE", "X-Own: 1\n")]
    [InlineData("MOVE /x HTTP/1.1\r\nHost: a\r\nX-Own: 1\r\nBad Name: 1\r\n\r\n", "MOVE", "X-Own: 1\n")]
    [InlineData("MOVE /x HTTP/1.0\r\n\r\n", "MOVE", "")]
    [InlineData("MOVE", "", "")]
    public void A_head_that_is_unfinished_or_refused_can_be_logged_and_says_nothing_of_the_last_one(string bytes, string method, string fields)
    {
        var parser = new H1Parser(HttpLimits.Default);
        var head = new RequestHead();
        parser.ParseRequest("PUT /old HTTP/1.1\r\nHost: old\r\nX-Old: 1\r\n\r\n"u8, head, out _);

        for (var end = 1; end <= bytes.Length; end++)
        {
            if (parser.ParseRequest(H1Probe.Bytes(bytes[..end]), head, out _) == ParseStatus.Error) break;

            Assert.DoesNotContain("old", head + head.Headers.ToString(), StringComparison.OrdinalIgnoreCase);
        }

        head.Headers.Remove(KnownHeader.Host);
        Assert.Equal((method, fields), (H1Probe.Text(head.MethodName), head.Headers.ToString()));
    }

    [Fact]
    public void A_request_on_a_kept_connection_allocates_nothing()
    {
        var bytes = H1Probe.Bytes("POST /v1/items?x=1 HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: curl/8.5\r\nAccept: */*\r\nX-Request-Id: 0123\r\n"
            + "X-Own: 7\r\nContent-Type: application/json\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\n{}");
        var parser = new H1Parser(HttpLimits.Default);
        var head = new RequestHead();
        var output = new ArrayBufferWriter<byte>(4096);

        Assert.Equal(0, Allocations.Of(() =>
        {
            parser.ParseRequest(bytes, head, out _);
            head.Headers.Set(KnownHeader.XEnvoyAttemptCount, 1);
            head.Headers.Remove("x-own"u8);
            head.Headers.Append("x-new"u8, "v"u8);
            output.ResetWrittenCount();
            H1Writer.WriteRequest(head, output);
        }));
    }
}
