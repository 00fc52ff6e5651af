using Mesh.Http.Hpack;

namespace Mesh.Http.H2;

/// <summary>What reading any HTTP/2 field block has in common.</summary>
internal static class HeadFields
{
    public static void Keep(Headers headers, KnownHeader id, Slice name, Slice value, bool neverIndexed)
    {
        var isKnown = id != KnownHeader.None;
        headers.AddField(new(isKnown ? -1 : name.Offset, isKnown ? KnownHeaders.Name(id).Length : name.Length, value.Offset, value.Length, id,
            neverIndexed ? Headers.FieldFlags.NeverIndexed : Headers.FieldFlags.None));
    }

    /// <summary>Blanks around a value mean nothing and some clients send them; HTTP/1.1 would lose them too.</summary>
    public static Slice Trim(Headers headers, Slice value)
    {
        var bytes = headers.Bytes(value.Offset, value.Length);
        if (bytes.IsEmpty || (bytes[0] > ' ' && bytes[^1] > ' ')) return value;

        var start = 0;
        while (start < bytes.Length && bytes[start] is (byte)' ' or (byte)'\t') start++;
        return new(value.Offset + start, HttpChars.TrimOws(bytes).Length);
    }

    /// <summary>HTTP/2 may split the cookie; HTTP/1.1 and everything that looks at it wants one (RFC 9113 §8.2.3).</summary>
    public static void JoinCookies(Headers headers)
    {
        var length = -2;
        foreach (var crumb in headers.Values(KnownHeader.Cookie)) length += crumb.Length + 2;

        var offset = headers.ArenaUsed;
        var room = headers.Reserve(length);
        var at = 0;
        foreach (var crumb in headers.Values(KnownHeader.Cookie))
        {
            if (at > 0)
            {
                "; "u8.CopyTo(room[at..]);
                at += 2;
            }

            crumb.CopyTo(room[at..]);
            at += crumb.Length;
        }

        headers.ReplaceFirst(KnownHeader.Cookie, new(offset, length));
    }

    /// <summary>How long is the body (RFC 9113 §8.1.1)?</summary>
    /// <param name="mayDiffer">An answer to HEAD, 304: content-length speaks of a body that is not sent.</param>
    public static ProtocolError ReadLength(Headers headers, int lengths, Slice length, bool endStream, bool mayDiffer, out BodyFraming body)
    {
        body = endStream ? BodyFraming.None : BodyFraming.Streamed;
        if (lengths == 0) return default;
        if (lengths > 1 || !HttpChars.TryParseDecimal(headers.Bytes(length.Offset, length.Length), out var bytes)) return H2Errors.BadLength;
        if (mayDiffer) return default;
        if (endStream && bytes != 0) return H2Errors.LengthMismatch;

        body = BodyFraming.OfLength(bytes);
        return default;
    }
}
