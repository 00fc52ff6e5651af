using System.Buffers;
using System.Text;

namespace Mesh.Proxy.Http;

/// <summary>Query parameters as they stand in the request: names and values are compared undecoded, as Envoy's routes compare them, unless a method says otherwise.</summary>
internal static class QueryString
{
    /// <param name="query">With its question mark, or empty.</param>
    /// <param name="value">Of the first parameter of that name, as it stands; empty when it has no "=".</param>
    public static bool TryFind(ReadOnlySpan<byte> query, scoped ReadOnlySpan<char> name, out ReadOnlySpan<byte> value)
    {
        Span<byte> bytes = stackalloc byte[256];
        if (Encoding.UTF8.TryGetBytes(name, bytes, out var length)) return TryFind(query, bytes[..length], out value);

        value = default;
        return false;
    }

    public static bool TryFind(ReadOnlySpan<byte> query, scoped ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        var rest = Parameters(query);
        while (TryTake(ref rest, out _, out var key, out value))
            if (key.SequenceEqual(name)) return true;
        value = default;
        return false;
    }

    /// <summary>The value of the first parameter of that name, both decoded; null when there is none.</summary>
    public static byte[]? FindDecoded(ReadOnlySpan<byte> query, ReadOnlySpan<byte> name)
    {
        var rest = Parameters(query);
        while (TryTake(ref rest, out _, out var key, out var value))
            if (IsDecoded(key, name)) return Decode(value, new byte[value.Length]).ToArray();
        return null;
    }

    /// <summary>The query without the parameters of that name (decoded); the others stay as they were sent. With its question mark, or empty.</summary>
    public static ReadOnlySpan<byte> Without(ReadOnlySpan<byte> query, ReadOnlySpan<byte> name)
    {
        var kept = new ArrayBufferWriter<byte>(query.Length + 1);
        var rest = Parameters(query);
        while (TryTake(ref rest, out var part, out var key, out _))
        {
            if (IsDecoded(key, name)) continue;
            kept.Write(kept.WrittenCount == 0 ? "?"u8 : "&"u8);
            kept.Write(part);
        }
        return kept.WrittenSpan;
    }

    /// <summary>The query with this as the only parameter of that name, behind the others.</summary>
    public static ReadOnlySpan<byte> With(ReadOnlySpan<byte> query, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var others = Without(query, name);
        return (byte[])[.. others, others.IsEmpty ? (byte)'?' : (byte)'&', .. name, (byte)'=', .. value];
    }

    /// <summary>Undoes percent-encoding. <paramref name="room"/> must be as long as the text.</summary>
    public static ReadOnlySpan<byte> Decode(ReadOnlySpan<byte> text, Span<byte> room)
    {
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '%' && i + 2 < text.Length && Hex(text[i + 1]) is >= 0 and var high && Hex(text[i + 2]) is >= 0 and var low)
            {
                room[length++] = (byte)(high << 4 | low);
                i += 2;
            }
            else
            {
                room[length++] = text[i];
            }
        }
        return room[..length];
    }

    private static ReadOnlySpan<byte> Parameters(ReadOnlySpan<byte> query) => query.Length > 0 && query[0] == '?' ? query[1..] : query;

    private static bool TryTake(scoped ref ReadOnlySpan<byte> rest, out ReadOnlySpan<byte> part, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        var end = rest.IndexOf((byte)'&');
        part = end < 0 ? rest : rest[..end];
        var equals = part.IndexOf((byte)'=');
        key = equals < 0 ? part : part[..equals];
        value = equals < 0 ? default : part[(equals + 1)..];
        if (rest.IsEmpty) return false;

        rest = end < 0 ? default : rest[(end + 1)..];
        return true;
    }

    private static bool IsDecoded(ReadOnlySpan<byte> key, ReadOnlySpan<byte> name)
    {
        if (key.Length < name.Length || key.Length > name.Length * 3) return false;

        Span<byte> room = key.Length <= 256 ? stackalloc byte[256] : new byte[key.Length];
        return Decode(key, room).SequenceEqual(name);
    }

    private static int Hex(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };
}
