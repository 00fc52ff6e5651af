using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>One spelling for every path, before anything is decided by it: dot segments, escapes of plain letters, doubled slashes (RFC 3986 §6.2.2).</summary>
internal static class PathRules
{
    private const int PathBytesMax = 64 * 1024;

    /// <returns>False when the path cannot be given one meaning.</returns>
    public static bool TryNormalize(Exchange exchange)
    {
        var (request, settings) = (exchange.Request, exchange.Settings);
        var path = request.PathOnly;
        if (IsPlain(path)) return true;
        if (path.IsEmpty || path[0] != '/' || path.Length > PathBytesMax) return path is [(byte)'*'];

        var room = path.Length < 2048 ? stackalloc byte[2048] : new byte[path.Length + 1];
        if (!TryWrite(path, settings, room, out var length)) return false;
        if (room[..length].SequenceEqual(path)) return true;

        byte[] whole = [.. room[..length], .. request.Query];
        request.SetPath(whole);
        return true;
    }

    // Nothing in it that any rule would touch: no escape, no backslash, no dot segment, no doubled slash.
    private static bool IsPlain(ReadOnlySpan<byte> path)
    {
        if (path.IsEmpty || path[0] != '/' || path.IndexOfAny((byte)'%', (byte)'\\') >= 0) return false;

        return path.IndexOf("/."u8) < 0 && path.IndexOf("//"u8) < 0;
    }

    private static bool TryWrite(ReadOnlySpan<byte> path, HttpConnectionSettings settings, Span<byte> room, out int length)
    {
        length = 0;
        for (var i = 0; i < path.Length; i++)
        {
            var b = path[i];
            if (b == '\\') b = (byte)'/';
            if (b == '%' && i + 2 < path.Length && Hex(path[i + 1]) is >= 0 and var high && Hex(path[i + 2]) is >= 0 and var low)
            {
                var decoded = (byte)(high << 4 | low);
                if (decoded == 0) return false;

                var isSlash = decoded is (byte)'/' or (byte)'\\';
                if (isSlash && settings.EscapedSlashes == EscapedSlashes.RejectRequest) return false;
                if (IsUnreserved(decoded) || isSlash && settings.EscapedSlashes is EscapedSlashes.UnescapeAndForward or EscapedSlashes.UnescapeAndRedirect)
                {
                    b = isSlash ? (byte)'/' : decoded;
                    i += 2;
                }
            }
            if (b == '/' && length > 0 && room[length - 1] == '/' && settings.MergeSlashes) continue;

            room[length++] = b;
            if (b == '/') DropDots(room, ref length);
        }
        if (EndsWithDots(room[..length]))
        {
            room[length++] = (byte)'/';
            DropDots(room, ref length);
        }
        return length > 0 && room[0] == '/';
    }

    private static bool EndsWithDots(ReadOnlySpan<byte> path) => path.EndsWith("/."u8) || path.EndsWith("/.."u8);

    /// <summary>Behind a slash just written: takes off "./" and "../" with the segment before.</summary>
    private static void DropDots(Span<byte> room, ref int length)
    {
        var path = room[..length];
        if (path.EndsWith("/./"u8))
        {
            length -= 2;
        }
        else if (path.EndsWith("/../"u8))
        {
            length -= 3;
            var before = room[..(length - 1)].LastIndexOf((byte)'/');
            length = before < 0 ? 1 : before + 1;
        }
    }

    private static bool IsUnreserved(byte b) => char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~';

    private static int Hex(byte b) => b switch
    {
        >= (byte)'0' and <= (byte)'9' => b - '0',
        >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
        _ => -1,
    };
}
