using System.Buffers;
using System.Text;

namespace Mesh.Http;

/// <summary>The character classes of RFC 9110 §5.6 and RFC 3986, as bytes.</summary>
internal static class HttpChars
{
    public static readonly SearchValues<byte> TokenBytes = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    // HTTP/2 names: a token without upper case (RFC 9113 §8.2.1).
    public static readonly SearchValues<byte> LowerTokenBytes = SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"u8);

    // What a field value must not hold: every control but the horizontal tab (RFC 9110 §5.5).
    public static readonly SearchValues<byte> BadValueBytes = SearchValues.Create(Controls(allowTab: true));

    // What a request target must not hold: controls, space, DEL, and what is no ASCII (Envoy refuses those too).
    public static readonly SearchValues<byte> BadTargetBytes = SearchValues.Create([.. Controls(allowTab: false), (byte)' ', .. Enumerable.Range(0x80, 0x80).Select(b => (byte)b)]);

    public static readonly SearchValues<byte> AuthorityBytes =
        SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%!$&'()*+,;=:[]"u8);

    public static readonly SearchValues<byte> UpperBytes = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    public static bool IsToken(ReadOnlySpan<byte> bytes) => !bytes.IsEmpty && !bytes.ContainsAnyExcept(TokenBytes);

    /// <summary>host [":" port] with the letters of a URI's authority (RFC 3986 §3.2); empty too. One colon outside of brackets, digits behind it.</summary>
    public static bool IsAuthority(ReadOnlySpan<byte> bytes)
    {
        if (bytes.ContainsAnyExcept(AuthorityBytes)) return false;

        var rest = bytes;
        if (!rest.IsEmpty && rest[0] == '[')
        {
            var close = rest.IndexOf((byte)']');
            if (close < 0) return false;
            rest = rest[(close + 1)..];
            if (!rest.IsEmpty && rest[0] != ':') return false;
        }
        if (rest.IndexOfAny((byte)'[', (byte)']') >= 0) return false;

        var colon = rest.IndexOf((byte)':');
        return colon < 0 || !rest[(colon + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9');
    }

    public static byte ToLower(byte b) => (uint)(b - 'A') <= 'Z' - 'A' ? (byte)(b | 0x20) : b;

    public static bool IsDigit(byte b) => (uint)(b - '0') <= 9;

    /// <summary>Strict 1*DIGIT: no sign, no space, no overflow.</summary>
    public static bool TryParseDecimal(ReadOnlySpan<byte> digits, out long value)
    {
        value = 0;
        if (digits.IsEmpty || digits.Length > 19) return false;

        foreach (var digit in digits)
        {
            if (!IsDigit(digit) || value > (long.MaxValue - (digit - '0')) / 10) return false;

            value = value * 10 + (digit - '0');
        }

        return true;
    }

    /// <returns>-1 when the byte is no hexadecimal digit.</returns>
    public static int FromHex(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };

    public static ReadOnlySpan<byte> TrimOws(ReadOnlySpan<byte> value)
    {
        var start = 0;
        var end = value.Length;
        while (start < end && value[start] is (byte)' ' or (byte)'\t') start++;
        while (end > start && value[end - 1] is (byte)' ' or (byte)'\t') end--;
        return value[start..end];
    }

    /// <summary>Takes the next element of a comma-separated list (RFC 9110 §5.6.1), trimmed; empty elements are passed over.</summary>
    public static bool TryNextElement(ref ReadOnlySpan<byte> list, out ReadOnlySpan<byte> element)
    {
        while (!list.IsEmpty)
        {
            var comma = list.IndexOf((byte)',');
            element = TrimOws(comma < 0 ? list : list[..comma]);
            list = comma < 0 ? [] : list[(comma + 1)..];
            if (!element.IsEmpty) return true;
        }

        element = [];
        return false;
    }

    public static bool ListHas(ReadOnlySpan<byte> list, ReadOnlySpan<byte> lowerToken)
    {
        while (TryNextElement(ref list, out var element))
        {
            if (Ascii.EqualsIgnoreCase(element, lowerToken)) return true;
        }

        return false;
    }

    private static byte[] Controls(bool allowTab)
    {
        var bytes = new List<byte>();
        for (var b = 0; b < 0x20; b++)
        {
            if (b != '\t' || !allowTab) bytes.Add((byte)b);
        }

        bytes.Add(0x7F);
        return [.. bytes];
    }
}
