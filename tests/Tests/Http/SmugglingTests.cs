using Mesh.Http;

namespace Mesh.Tests.Http;

/// <summary>The catalogue of request smuggling vectors: what two readers might read differently is refused, and never repaired.</summary>
public sealed class SmugglingTests
{
    private const string P = "POST /v HTTP/1.1\r\nHost: a.example\r\n";
    private const string G = "GET /v HTTP/1.1\r\nHost: a.example\r\n";
    private const string Smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

    public static TheoryData<string, string, string> Vectors => new()
    {
        // id, bytes, what the connection comes to
        { "F00 plain GET", G + "\r\n", "GET /v (a.example)\n" },
        { "F0B body of a length", P + "Content-Length: 5\r\n\r\nhello", "POST /v (a.example) hello\n" },
        { "F0C chunked with a legal quoted extension", P + "Transfer-Encoding: chunked\r\n\r\n5;a=b;c=\"d e\"\r\nhello\r\n0\r\n\r\n", "POST /v (a.example) hello\n" },
        { "F0D three in a pipeline", G + "\r\n" + G + "\r\n" + G + "\r\n", "GET /v (a.example)\nGET /v (a.example)\nGET /v (a.example)\n" },
        { "F01 CL.TE", P + "Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Smuggled, "error 400 http1.content_length_and_chunked_not_allowed\n" },
        { "F02 TE.CL", P + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n3c\r\n" + Smuggled, "error 400 http1.content_length_and_chunked_not_allowed\n" },
        { "F03 two lengths that differ", P + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", "error 400 http1.codec_error\n" },
        { "F04 two lengths that agree", P + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F05 a list of lengths", P + "Content-Length: 5, 5\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F06 +5", P + "Content-Length: +5\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F07 -1", P + "Content-Length: -1\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F08 0x5", P + "Content-Length: 0x5\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F09 5 e0", P + "Content-Length: 5 e0\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F10 2^64+5", P + "Content-Length: 18446744073709551621\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F11 2^63", P + "Content-Length: 9223372036854775808\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F12 empty", P + "Content-Length:\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F18 xchunked", P + "Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "error 501 http1.invalid_transfer_encoding\n" },
        { "F19 chunked not last", P + "Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "error 501 http1.invalid_transfer_encoding\n" },
        { "F20 identity, chunked", P + "Transfer-Encoding: identity, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "error 501 http1.invalid_transfer_encoding\n" },
        { "F21 chunked twice", P + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "error 501 http1.invalid_transfer_encoding\n" },
        { "F22 vertical tab before chunked", P + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", "error 400 http1.invalid_characters\n" },
        { "F23 space before the colon", P + "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nhello", "error 400 http1.codec_error\n" },
        { "F24 underscore alias", P + "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello", "POST /v (a.example) hello\n" },
        { "F25 chunked in HTTP/1.0", "POST /v HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "error 426 low_version\n" },
        { "F26 empty Transfer-Encoding", P + "Transfer-Encoding:\r\n\r\n0\r\n\r\n", "error 501 http1.invalid_transfer_encoding\n" },
        { "F34 Connection names Content-Length", P + "Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", "POST /v (a.example) hello\n" },
        { "F35 Connection names Transfer-Encoding", P + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "POST /v (a.example) hello\n" },
        { "F36 GET with a body, then another", G + "Content-Length: 5\r\n\r\nhello" + G + "\r\n", "GET /v (a.example) hello\nGET /v (a.example)\n" },
        { "F37 the body is a request", "POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 43\r\n\r\n" + Smuggled, "POST /early (a.example) GET /smuggled HTTP/1.1\r\nHost: a.example\n" },
        { "F39 a body cut short", P + "Content-Length: 50\r\n\r\nhello", "POST /v (a.example) hello incomplete\n" },
        { "C01 0x5", P + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C02 -1", P + "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C03 2^64+5", P + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C03b 2^63", P + "Transfer-Encoding: chunked\r\n\r\n8000000000000000\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C04 bare LF behind the size", P + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C05 LF inside an extension", P + "Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n32\r\n0\r\n\r\n" + Smuggled + "\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C05b CR inside an extension", P + "Transfer-Encoding: chunked\r\n\r\n2;\rxx\r\nab\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C06 data not followed by CRLF", P + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C06b data followed by CR and something", P + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\rX0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C07 no size", P + "Transfer-Encoding: chunked\r\n\r\n;x\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C08 extension of 1 MiB", P + "Transfer-Encoding: chunked\r\n\r\n5;a" + new string('x', 1 << 20) + "\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C09 trailers that frame and authenticate", P + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 99\r\nHost: evil\r\nAuthorization: x\r\n\r\n", "POST /v (a.example) hello\n" },
        { "C08b extension without a name", P + "Transfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C08c extension with an open quote", P + "Transfer-Encoding: chunked\r\n\r\n5;a=\"b\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C08d extensions with blanks", P + "Transfer-Encoding: chunked\r\n\r\n5 ; a = b\t;c=\"\\\"\"\r\nhello\r\n0\r\n\r\n", "POST /v (a.example) hello\n" },
        { "C08e blank behind the size", P + "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C10 blank before the size", P + "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "C11 underscore in the size", P + "Transfer-Encoding: chunked\r\n\r\n1_0\r\nhello\r\n0\r\n\r\n", "error 400 http1.codec_error\n" },
        { "L01 bare LF everywhere", "GET /v HTTP/1.1\nHost: a.example\n\n", "error 400 http1.codec_error\n" },
        { "L02 bare CR in a value", G + "X-A: a\rX-B: b\r\n\r\n", "error 400 http1.invalid_characters\n" },
        { "L03 NUL in a value", G + "X-A: a\0b\r\n\r\n", "error 400 http1.invalid_characters\n" },
        { "L04 blank before the first field", "GET /v HTTP/1.1\r\n X-A: 1\r\nHost: a.example\r\n\r\n", "error 400 http1.codec_error\n" },
        { "L05 folded field", G + "X-A: a\r\n b\r\n\r\n", "error 400 http1.codec_error\n" },
        { "L06 no Host", "GET /v HTTP/1.1\r\nX-A: 1\r\n\r\n", "error 400 missing_host_header\n" },
        { "L07 two Hosts", G + "Host: a.example\r\n\r\n", "error 400 http1.codec_error\n" },
        { "L08 user information in Host", "GET /v HTTP/1.1\r\nHost: good@evil.example\r\n\r\n", "error 400 http.invalid_authority\n" },
        { "L09 whole URL and another Host", "GET http://a.example/v HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET /v (a.example)\n" },
        { "L10 whole URL with user information", "GET http://good.example@a.example/v HTTP/1.1\r\nHost: a.example\r\n\r\n", "error 400 http1.invalid_url\n" },
        { "L11 fragment", "GET /v#/public HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /v (a.example)\n" },
        { "L16 HTTP/0.9", "GET /v\r\n", "error 426 low_version\n" },
        { "L17 two spaces", "GET  /v HTTP/1.1 \r\nHost: a.example\r\n\r\n", "GET /v (a.example)\n" },
        { "L18 tab in the request line", "GET\t/v HTTP/1.1\r\nHost: a.example\r\n\r\n", "error 400 http1.codec_error\n" },
        { "L19 101 fields", G + string.Concat(Enumerable.Range(0, 100).Select(i => $"X-{i}: 1\r\n")) + "\r\n", "error 431 http1.too_many_headers\n" },
        { "L20 field of 1 MiB", G + "X-A: a" + new string('x', 1 << 20) + "\r\n\r\n", "error 431 http1.headers_too_large\n" },
        { "L21 empty field name", G + ": x\r\n\r\n", "error 400 http1.codec_error\n" },
        { "L22 CONNECT is the router's to refuse", "CONNECT 127.0.0.1:15000 HTTP/1.1\r\nHost: 127.0.0.1:15000\r\n\r\n", "CONNECT  (127.0.0.1:15000)\n" },
        { "L23 no colon", G + "X-A\r\n\r\n", "error 400 http1.codec_error\n" },
        { "E00 Connection names X-Forwarded-For", G + "Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", "error 400 http1.connection_header_rejected\n" },
        { "E01 Expect and body at once", P + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "POST /v (a.example) hello\n" },
        { "E03 h2c", G + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "GET /v (a.example)\n" },
        { "E04 websocket without a key, then another request", G + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 999\r\n\r\n" + Smuggled, "GET /v (a.example)\nGET /smuggled (a.example)\n" },
    };

    [Theory, MemberData(nameof(Vectors))]
    public void A_connection_comes_to_what_the_catalogue_says(string id, string bytes, string expected)
    {
        Assert.NotEmpty(id);
        Assert.Equal(expected, H1Probe.ReadRequests(H1Probe.Bytes(bytes)));
    }

    [Theory, MemberData(nameof(Vectors))]
    public void It_does_so_however_the_bytes_are_split(string id, string bytes, string expected)
    {
        Assert.NotEmpty(id);
        foreach (var piece in bytes.Length > 4096 ? [4099] : new[] { 1, 2, 3, 7, 64 })
            Assert.Equal(expected, H1Probe.ReadRequests(H1Probe.Bytes(bytes), piece));
    }

    [Fact]
    public void What_is_written_on_reads_as_the_same_request()
    {
        foreach (var row in Vectors)
        {
            var bytes = row.Data.Item2;
            var read = H1Probe.ReadRequests(H1Probe.Bytes(bytes));
            if (read.Contains("incomplete", StringComparison.Ordinal) || read.StartsWith("error", StringComparison.Ordinal) || read.StartsWith("CONNECT", StringComparison.Ordinal)) continue;

            var head = H1Probe.Request(bytes);
            var again = H1Probe.Request(H1Probe.WriteRequest(head));

            Assert.Equal(head.ToString(), again.ToString());
            Assert.Equal(head.Body, again.Body);
            Assert.Equal(head.Headers.ToString(), again.Headers.ToString());
        }
    }

    [Fact]
    public void An_upgrade_to_h2c_is_not_passed_on()
    {
        var head = H1Probe.Request(G + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n");

        Assert.False(head.IsUpgrade);
        Assert.Equal("GET /v HTTP/1.1\r\nhost: a.example\r\n\r\n", H1Probe.WriteRequest(head));
    }

    [Fact]
    public void Hop_by_hop_fields_stay_behind()
    {
        var head = H1Probe.Request(G + "Connection: close, X-Hop\r\nKeep-Alive: timeout=99\r\nProxy-Connection: keep-alive\r\nX-Hop: 1\r\nTE: gzip\r\nX-Stays: 1\r\n\r\n");

        Assert.False(head.KeepAlive);
        Assert.Equal("GET /v HTTP/1.1\r\nhost: a.example\r\nX-Stays: 1\r\n\r\n", H1Probe.WriteRequest(head));
    }

    [Fact]
    public void Trailers_that_frame_or_authenticate_are_dropped_and_others_kept()
    {
        var trailers = new Headers();
        var decoder = new Mesh.Http.H1.ChunkedDecoder(HttpLimits.Default);
        var status = decoder.Read(H1Probe.Bytes("0\r\nContent-Length: 99\r\nHost: evil\r\nAuthorization: x\r\nX-Checksum: 7\r\n\r\n"), trailers, out _, out _);

        Assert.Equal(Mesh.Http.H1.ChunkedStatus.Done, status);
        Assert.Equal("x-checksum: 7\n", trailers.ToString(), ignoreCase: true);
    }
}
