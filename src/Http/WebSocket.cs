using System.Buffers.Text;
using System.Security.Cryptography;

namespace Mesh.Http;

/// <summary>
/// What differs between a WebSocket handshake in HTTP/1.1 (a key, and a proof that it was read) and in HTTP/2 (neither, RFC 8441 §5). A proxy between
/// the two makes up what the next hop wants.
/// </summary>
public static class WebSocket
{
    public const int KeyBytes = 24;
    public const int AcceptBytes = 28;

    /// <summary>Before an upgrade request goes to an HTTP/1.1 server: one that came over HTTP/2 has no key yet.</summary>
    /// <param name="nonce">16 random bytes.</param>
    public static void PrepareForHttp1(RequestHead head, ReadOnlySpan<byte> nonce)
    {
        if (!head.IsWebSocket || head.Headers.Has(KnownHeader.SecWebsocketKey)) return;

        Span<byte> key = stackalloc byte[KeyBytes];
        Base64.EncodeToUtf8(nonce[..16], key, out _, out _);
        head.Headers.Set(KnownHeader.SecWebsocketKey, key);
        head.Headers.Set(KnownHeader.SecWebsocketVersion, "13"u8);
    }

    /// <summary>Before an upgrade request goes to an HTTP/2 server.</summary>
    public static void PrepareForHttp2(RequestHead head)
    {
        if (head.IsWebSocket) head.Headers.Remove(KnownHeader.SecWebsocketKey);
    }

    /// <summary>Before a 101 goes to the client: what it needs to believe it.</summary>
    /// <param name="clientKey">Of the request as the client sent it; empty when it came over HTTP/2.</param>
    public static void PrepareAnswer(ResponseHead head, ReadOnlySpan<byte> clientKey)
    {
        if (head.Status != 101) return;

        if (clientKey.Length != KeyBytes)
        {
            head.Headers.Remove(KnownHeader.SecWebsocketAccept);
            return;
        }

        Span<byte> accept = stackalloc byte[AcceptBytes];
        ComputeAccept(clientKey, accept);
        head.Headers.Set(KnownHeader.SecWebsocketAccept, accept);
        if (head.Protocol.IsEmpty) head.SetProtocol("websocket"u8);
    }

    /// <summary>RFC 6455 §4.2.2.</summary>
    public static void ComputeAccept(ReadOnlySpan<byte> key, Span<byte> accept)
    {
        Span<byte> text = stackalloc byte[KeyBytes + 36];
        key[..KeyBytes].CopyTo(text);
        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"u8.CopyTo(text[KeyBytes..]);
        Span<byte> digest = stackalloc byte[SHA1.HashSizeInBytes];
#pragma warning disable CA5350 // the protocol's own choice, and no secret depends on it
        SHA1.HashData(text, digest);
#pragma warning restore CA5350
        Base64.EncodeToUtf8(digest, accept, out _, out _);
    }
}
