using System.Text;

namespace Mesh.Http.Grpc;

/// <summary>grpc-message: UTF-8 with everything but printable ASCII, and '%' itself, percent-encoded (gRPC over HTTP/2).</summary>
public static class GrpcMessage
{
    public static void Set(Headers headers, string message)
    {
        Span<byte> utf8 = stackalloc byte[512];
        if (Encoding.UTF8.GetMaxByteCount(message.Length) > utf8.Length) utf8 = Encoding.UTF8.GetBytes(message);
        else utf8 = utf8[..Encoding.UTF8.GetBytes(message, utf8)];

        Span<byte> coded = utf8.Length <= 512 ? stackalloc byte[utf8.Length * 3] : new byte[utf8.Length * 3];
        headers.Set(KnownHeader.GrpcMessage, coded[..Encode(utf8, coded)]);
    }

    /// <returns>Bytes written: at most three for each.</returns>
    public static int Encode(ReadOnlySpan<byte> utf8, Span<byte> output)
    {
        var written = 0;
        foreach (var b in utf8)
        {
            if (b is >= (byte)' ' and <= (byte)'~' and not (byte)'%')
            {
                output[written++] = b;
                continue;
            }

            output[written++] = (byte)'%';
            output[written++] = "0123456789ABCDEF"u8[b >> 4];
            output[written++] = "0123456789ABCDEF"u8[b & 15];
        }

        return written;
    }

    /// <summary>For logs: escapes that are none stay as they are.</summary>
    public static string Decode(ReadOnlySpan<byte> coded)
    {
        var utf8 = new byte[coded.Length];
        var written = 0;
        for (var i = 0; i < coded.Length; i++)
        {
            var isEscape = coded[i] == '%' && i + 2 < coded.Length && HttpChars.FromHex(coded[i + 1]) >= 0 && HttpChars.FromHex(coded[i + 2]) >= 0;
            utf8[written++] = isEscape ? (byte)(HttpChars.FromHex(coded[i + 1]) << 4 | HttpChars.FromHex(coded[i + 2])) : coded[i];
            if (isEscape) i += 2;
        }

        return Encoding.UTF8.GetString(utf8, 0, written);
    }
}
