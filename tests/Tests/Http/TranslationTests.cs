using System.Buffers;
using Mesh.Http;
using Mesh.Http.H1;
using Mesh.Http.H2;

namespace Mesh.Tests.Http;

/// <summary>One message through a hop that speaks the other version on its other side: what changes, and what must not.</summary>
public sealed class TranslationTests
{
    [Theory]
    [InlineData("GET /x?y HTTP/1.1\r\nHost: a.b:80\r\nX-Own: 1\r\n\r\n", "GET /x?y HTTP/1.1\r\nhost: a.b:80\r\nx-own: 1\r\n\r\n")]
    [InlineData("GET http://other/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x HTTP/1.1\r\nhost: other\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip, trailers\r\nTrailer: x-sum\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\ntrailer: x-sum\r\nte: trailers\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nX: y\r\nCookie: b=2\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\ncookie: a=1; b=2\r\nx: y\r\n\r\n")]
    [InlineData("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n")]
    [InlineData("DELETE /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "DELETE /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n")]
    public void A_request_of_HTTP_1_comes_out_of_HTTP_2_as_it_went_in(string sent, string received) => Assert.Equal(received, ThroughHttp2(sent));

    [Fact]
    public void A_websocket_handshake_survives_a_hop_over_HTTP_2()
    {
        const string Handshake = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        var pair = Connected();
        var asked = H1Probe.Request(Handshake);
        var clientKey = asked.Headers.Get(KnownHeader.SecWebsocketKey).ToArray();
        WebSocket.PrepareForHttp2(asked);
        pair.Client.OpenStream(asked, endStream: false, 0);
        pair.ToServer();

        var request = pair.ServerStreams[1].Request;
        Assert.False(request.Headers.Has(KnownHeader.SecWebsocketKey));
        WebSocket.PrepareForHttp1(request, new byte[16]);
        var atServer = H1Probe.Request(H1Probe.WriteRequest(request));
        Assert.True(atServer.IsWebSocket);
        Assert.Equal("chat", atServer.Headers.GetText(KnownHeader.SecWebsocketProtocol));

        var answer = H1Probe.Response("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: of-the-other-key\r\n\r\n", ResponseContext.For(atServer));
        WebSocket.PrepareAnswer(answer, []);
        pair.Server.SendResponse(pair.ServerStreams[1], answer, endStream: false);
        Assert.Equal(["Response 101"], pair.ToClient());

        var atClient = pair.ClientStreams[1].Response;
        WebSocket.PrepareAnswer(atClient, clientKey);
        var output = new ArrayBufferWriter<byte>();
        H1Writer.WriteResponse(atClient, Method.Get, HttpVersion.Http11, output);
        Assert.Equal("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", H1Probe.Text(output.WrittenSpan));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-Own: 1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-own: 1\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")]
    [InlineData("HTTP/1.1 503 No\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n", "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n")]
    public void An_answer_of_HTTP_1_comes_out_of_HTTP_2_with_its_meaning(string sent, string received)
    {
        var pair = Connected();
        pair.Client.OpenStream(H1Probe.Request("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), endStream: true, 0);
        pair.ToServer();
        pair.Server.SendResponse(pair.ServerStreams[1], H1Probe.Response(sent), endStream: false);
        pair.ToClient();

        var output = new ArrayBufferWriter<byte>();
        H1Writer.WriteResponse(pair.ClientStreams[1].Response, Method.Get, HttpVersion.Http11, output);
        Assert.Equal(received, H1Probe.Text(output.WrittenSpan));
    }

    [Fact]
    public void A_field_that_must_never_be_indexed_stays_so_over_hops()
    {
        var pair = Connected();
        var head = H1Probe.Request("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        head.Headers.Append("x-secret"u8, "1"u8, neverIndexed: true);
        pair.Client.OpenStream(head, endStream: true, 0);
        pair.ToServer();

        var fields = new List<string>();
        foreach (var one in pair.ServerStreams[1].Request.Headers) fields.Add($"{one.ToString()} {one.NeverIndexed}");
        Assert.Equal(["x-secret: 1 True"], fields);
    }

    private static string ThroughHttp2(string sent)
    {
        var pair = Connected();
        var head = H1Probe.Request(sent);
        pair.Client.OpenStream(head, endStream: head.Body.IsEmpty && !head.IsConnect, 0);
        pair.ToServer();
        return H1Probe.WriteRequest(pair.ServerStreams[1].Request);
    }

    private static H2Pair Connected()
    {
        var pair = new H2Pair();
        pair.Exchange();
        return pair;
    }
}
