namespace Mesh.Http;

/// <summary>What to do with a slash or backslash written as %2F or %5C (Envoy's path_with_escaped_slashes_action).</summary>
public enum EscapedSlashes : byte
{
    Keep = 0,
    Refuse,
    UnescapeAndRedirect,
    UnescapeAndForward,
}

public enum PathOutcome : byte
{
    Unchanged = 0,
    Changed,

    /// <summary>The path was changed and the client is to be sent to the new one (307).</summary>
    Redirect,

    /// <summary>Answer 400, details path_normalization_failed.</summary>
    Refused,
}

/// <summary>
/// Makes one path of the many that mean the same, before anything matches, authorizes or forwards it: all of them see the same bytes. Follows Envoy
/// byte for byte, but for one kind of path: an encoded dot segment with parameters ("%2e%2e;x") is resolved like a plain one, so that normalizing twice
/// changes nothing more.
/// </summary>
public readonly record struct PathNormalization(bool ResolvesDots, bool MergesSlashes, EscapedSlashes EscapedSlashes)
{
    // Istio: MeshConfig pathNormalization.
    public static PathNormalization None { get; } = new(false, false, EscapedSlashes.Keep);
    public static PathNormalization Base { get; } = new(true, false, EscapedSlashes.Keep);
    public static PathNormalization MergeSlashes { get; } = new(true, true, EscapedSlashes.Keep);
    public static PathNormalization DecodeAndMergeSlashes { get; } = new(true, true, EscapedSlashes.UnescapeAndForward);

    // The bytes that no rule touches, wherever they stand but for dots and slashes.
    private static readonly System.Buffers.SearchValues<byte> PlainBytes =
        System.Buffers.SearchValues.Create("/.-_~!$&'()*+,:;=@[]0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    /// <summary>Rewrites the head's path when it must. Costs one scan when it need not.</summary>
    public PathOutcome Apply(RequestHead head)
    {
        if (this == None) return PathOutcome.Unchanged;

        var path = head.PathOnly;
        if (path.IsEmpty || path[0] != '/' || !MayChange(path)) return PathOutcome.Unchanged;

        // Three bytes for one is the most that escaping makes.
        var query = head.Query;
        var arena = head.Headers;
        var start = arena.ArenaUsed;
        var room = arena.Reserve(path.Length * 3 + query.Length);
        path = head.PathOnly; // the arena may have moved
        query = head.Query;
        var length = Rewrite(path, room, out var hadEscapedSlash);
        var isSame = length == path.Length && room[..length].SequenceEqual(path);
        if (length < 0 || isSame)
        {
            arena.Unreserve(room.Length);
            return length < 0 ? PathOutcome.Refused : PathOutcome.Unchanged;
        }

        query.CopyTo(room[length..]);
        arena.Unreserve(room.Length - length - query.Length);
        head.UsePath(new(start, length + query.Length));
        return hadEscapedSlash && EscapedSlashes == EscapedSlashes.UnescapeAndRedirect ? PathOutcome.Redirect : PathOutcome.Changed;
    }

    private bool MayChange(ReadOnlySpan<byte> path)
    {
        if (MergesSlashes && path.IndexOf("//"u8) >= 0) return true;
        if (EscapedSlashes != EscapedSlashes.Keep && path.Contains((byte)'%')) return true;

        return ResolvesDots && (path.ContainsAnyExcept(PlainBytes) || path.IndexOf("/."u8) >= 0);
    }

    /// <returns>Bytes written; -1 to refuse.</returns>
    private int Rewrite(ReadOnlySpan<byte> path, Span<byte> room, out bool hadEscapedSlash)
    {
        hadEscapedSlash = false;
        var length = path.Length;
        if (EscapedSlashes == EscapedSlashes.Keep) path.CopyTo(room);
        else length = UnescapeSlashes(path, room, out hadEscapedSlash);
        if (hadEscapedSlash && EscapedSlashes == EscapedSlashes.Refuse) return -1;

        if (ResolvesDots)
        {
            // Escaping may grow what unescaping left: the source is put out of the way.
            var source = room[^length..];
            room[..length].CopyTo(source);
            length = Canonical(source, room);
            if (length < 0) return -1;
        }

        return MergesSlashes ? Merge(room[..length]) : length;
    }

    private static int UnescapeSlashes(ReadOnlySpan<byte> path, Span<byte> room, out bool found)
    {
        found = false;
        var written = 0;
        for (var i = 0; i < path.Length; i++)
        {
            var decoded = DecodeAt(path, i);
            var isSlash = decoded is '/' or '\\';
            found |= isSlash;
            room[written++] = isSlash ? (byte)decoded : path[i];
            if (isSlash) i += 2;
        }

        return written;
    }

    /// <summary>Dot segments, backslashes, needless and missing percent-encoding. Reads behind what it writes, never before.</summary>
    private static int Canonical(ReadOnlySpan<byte> path, Span<byte> output)
    {
        var written = 0;
        var loosePercent = -1; // where the output has a '%' that begins no escape
        for (var i = 0; i < path.Length;)
        {
            var b = path[i];
            if (b is (byte)'/' or (byte)'\\')
            {
                output[written++] = (byte)'/';
                loosePercent = -1;
                i = SkipDotSegments(path, i + 1, output, ref written);
                continue;
            }

            if (b == '%')
            {
                var decoded = DecodeAt(path, i);
                if (decoded == 0) return -1;

                if (decoded > 0 && IsUnreserved((byte)decoded))
                {
                    output[written++] = (byte)decoded;
                    i += 3;
                }
                else if (decoded > 0)
                {
                    path.Slice(i, 3).CopyTo(output[written..]);
                    written += 3;
                    i += 3;
                    continue;
                }
                else
                {
                    loosePercent = written;
                    output[written++] = b;
                    i++;
                    continue;
                }
            }
            else if (MustEscape(b))
            {
                output[written++] = (byte)'%';
                output[written++] = HexDigit(b >> 4);
                output[written++] = HexDigit(b & 15);
                i++;
                continue;
            }
            else
            {
                output[written++] = b;
                i++;
            }

            // "%" "%32" "e" must not become "%2e": the loose percent sign is encoded then.
            if (loosePercent < 0 || written - loosePercent != 3 || HttpChars.FromHex(output[written - 2]) < 0 || HttpChars.FromHex(output[written - 1]) < 0) continue;

            output[written + 1] = output[written - 1];
            output[written] = output[written - 2];
            output[written - 2] = (byte)'2';
            output[written - 1] = (byte)'5';
            written += 2;
            loosePercent = -1;
        }

        return written;
    }

    /// <summary>At the beginning of a segment: passes over "." and ".." with their parameters, however they are encoded.</summary>
    private static int SkipDotSegments(ReadOnlySpan<byte> path, int at, Span<byte> output, ref int written)
    {
        while (true)
        {
            var dots = 0;
            var end = at;
            while (dots < 3 && DotAt(path, end) is > 0 and var width)
            {
                dots++;
                end += width;
            }

            if (dots is 0 or 3 || (end < path.Length && path[end] is not ((byte)'/' or (byte)'\\' or (byte)';'))) return at;

            if (dots == 2) BackUp(output, ref written);
            while (end < path.Length && path[end] is not ((byte)'/' or (byte)'\\')) end++;
            at = Math.Min(end + 1, path.Length);
            if (end == path.Length) return at;
        }
    }

    private static void BackUp(Span<byte> output, ref int written)
    {
        if (written <= 1) return;

        written = output[..(written - 1)].LastIndexOf((byte)'/') + 1;
    }

    private static int Merge(Span<byte> path)
    {
        var written = 0;
        foreach (var b in path)
        {
            if (b != '/' || written == 0 || path[written - 1] != '/') path[written++] = b;
        }

        return written;
    }

    private static int DotAt(ReadOnlySpan<byte> path, int at)
    {
        if (at >= path.Length) return 0;
        if (path[at] == '.') return 1;

        return DecodeAt(path, at) == '.' ? 3 : 0;
    }

    /// <returns>The byte that an escape stands for; -1 when none is here.</returns>
    private static int DecodeAt(ReadOnlySpan<byte> path, int at)
    {
        if (path[at] != '%' || at + 2 >= path.Length) return -1;

        var high = HttpChars.FromHex(path[at + 1]);
        var low = HttpChars.FromHex(path[at + 2]);
        return high < 0 || low < 0 ? -1 : high << 4 | low;
    }

    private static bool IsUnreserved(byte b) => char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~';

    private static bool MustEscape(byte b) =>
        b is <= (byte)' ' or >= 0x7F or (byte)'"' or (byte)'<' or (byte)'>' or (byte)'^' or (byte)'`' or (byte)'{' or (byte)'|' or (byte)'}' or (byte)'#';

    private static byte HexDigit(int value) => (byte)(value < 10 ? '0' + value : 'A' + value - 10);
}
