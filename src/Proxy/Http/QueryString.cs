using System.Text;

namespace Mesh.Proxy.Http;

/// <summary>Query parameters as they stand in the request: names and values are compared undecoded, as Envoy compares them.</summary>
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
        var rest = query.Length > 0 && query[0] == '?' ? query[1..] : query;
        while (!rest.IsEmpty)
        {
            var end = rest.IndexOf((byte)'&');
            var part = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];

            var equals = part.IndexOf((byte)'=');
            var key = equals < 0 ? part : part[..equals];
            if (!key.SequenceEqual(name)) continue;

            value = equals < 0 ? default : part[(equals + 1)..];
            return true;
        }
        value = default;
        return false;
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

    private static int Hex(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };
}
