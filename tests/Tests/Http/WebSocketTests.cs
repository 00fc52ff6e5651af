using Mesh.Http;

namespace Mesh.Tests.Http;

public sealed class WebSocketTests
{
    [Fact]
    public void The_proof_is_that_of_RFC_6455()
    {
        Span<byte> accept = stackalloc byte[WebSocket.AcceptBytes];
        WebSocket.ComputeAccept("dGhlIHNhbXBsZSBub25jZQ=="u8, accept);

        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", H1Probe.Text(accept));
    }

    [Fact]
    public void A_handshake_from_HTTP_2_gets_a_key_for_HTTP_1_and_its_answer_loses_the_proof()
    {
        var head = new RequestHead();
        head.SetMethod(Method.Get);
        head.SetPath("/ws"u8);
        head.SetAuthority("a"u8);
        head.SetProtocol("websocket"u8);

        WebSocket.PrepareForHttp1(head, new byte[16]);
        Assert.True(H1Probe.Request(H1Probe.WriteRequest(head)).IsWebSocket);

        var answer = H1Probe.Response("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n", new(false, false, true));
        WebSocket.PrepareAnswer(answer, []);
        Assert.False(answer.Headers.Has(KnownHeader.SecWebsocketAccept));
    }

    [Fact]
    public void An_answer_from_HTTP_2_gets_the_proof_for_an_HTTP_1_client()
    {
        var answer = new ResponseHead { Status = 101, Body = BodyFraming.Tunnel };

        WebSocket.PrepareAnswer(answer, "dGhlIHNhbXBsZSBub25jZQ=="u8);

        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", answer.Headers.GetText(KnownHeader.SecWebsocketAccept));
        Assert.Equal("websocket", H1Probe.Text(answer.Protocol));
    }
}
