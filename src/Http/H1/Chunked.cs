using System.Buffers;

namespace Mesh.Http.H1;

/// <summary>Writes chunked bodies (RFC 9112 §7.1): one chunk for each piece, the last chunk with or without trailers.</summary>
public static class Chunked
{
    /// <summary>The most that a chunk costs besides its data: 8 digits and two CRLF.</summary>
    public const int OverheadBytesMax = 12;

    public static ReadOnlySpan<byte> LastChunk => "0\r\n\r\n"u8;

    /// <summary>Size line, data, CRLF. An empty piece writes nothing, since an empty chunk would end the body.</summary>
    public static void Write(ReadOnlySpan<byte> data, IBufferWriter<byte> output)
    {
        if (data.IsEmpty) return;

        var room = output.GetSpan(data.Length + OverheadBytesMax);
        var size = WriteSize(data.Length, room);
        data.CopyTo(room[size..]);
        room[size + data.Length] = (byte)'\r';
        room[size + data.Length + 1] = (byte)'\n';
        output.Advance(size + data.Length + 2);
    }

    /// <summary>Only the size line, for a caller that sends the data from where it lies and "\r\n" behind it.</summary>
    /// <returns>Bytes written, at most 10.</returns>
    public static int WriteSize(int length, Span<byte> room)
    {
        length.TryFormat(room, out var digits, "x");
        room[digits] = (byte)'\r';
        room[digits + 1] = (byte)'\n';
        return digits + 2;
    }

    public static void WriteLast(Headers? trailers, IBufferWriter<byte> output)
    {
        if (trailers is null or { Count: 0 })
        {
            output.Write(LastChunk);
            return;
        }

        output.Write("0\r\n"u8);
        foreach (var trailer in trailers)
        {
            if (!Trailers.MayCarry(trailer.Known)) continue;

            output.Write(trailer.Name);
            output.Write(": "u8);
            output.Write(trailer.Value);
            output.Write("\r\n"u8);
        }

        output.Write("\r\n"u8);
    }
}
