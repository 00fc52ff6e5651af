using System.Text;

namespace Mesh.Proxy.Config;

/// <summary>
/// A path with <c>{*}</c> for one segment, <c>{**}</c> for the rest, or named variables. Matching walks the path once for segments; at most one
/// rest-of-path may occur, last but for literal text, so no path makes it slow.
/// </summary>
internal sealed class PathTemplate
{
    private const int PartsMax = 64;

    private readonly Part[] parts;

    private PathTemplate(Part[] parts) => this.parts = parts;

    private enum PartKind : byte { Literal, Segment, Rest }

    private readonly record struct Part(PartKind Kind, byte[] Bytes, string Name);

    /// <exception cref="ConfigRefusedException">Not a template.</exception>
    public static PathTemplate Compile(string text)
    {
        if (!text.StartsWith('/')) throw new ConfigRefusedException($"path template '{text}' must begin with a slash");

        var parts = new List<Part>();
        var hasRest = false;
        for (var i = 0; i < text.Length;)
        {
            var (part, next) = Read(text, i);
            if (part.Kind == PartKind.Rest && hasRest) throw new ConfigRefusedException($"path template '{text}' has more than one '**'");
            if (part.Kind == PartKind.Segment && hasRest) throw new ConfigRefusedException($"path template '{text}' has an operator behind '**'");
            hasRest |= part.Kind == PartKind.Rest;
            parts.Add(part);
            i = next;
        }
        if (parts.Count > PartsMax) throw new ConfigRefusedException($"path template '{text}' has {parts.Count} parts, {PartsMax} are allowed");
        return new([.. parts]);
    }

    public bool IsMatch(ReadOnlySpan<byte> path) => Walk(path, null);

    /// <summary>The rewrite with its variables filled in; null when the path does not match.</summary>
    public string? Rewrite(string path, string rewrite)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!Walk(Encoding.UTF8.GetBytes(path), values)) return null;

        foreach (var (name, value) in values) rewrite = rewrite.Replace("{" + name + "}", value, StringComparison.Ordinal);
        return rewrite;
    }

    private bool Walk(ReadOnlySpan<byte> path, Dictionary<string, string>? values)
    {
        var at = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            var part = parts[i];
            if (part.Kind == PartKind.Literal)
            {
                if (!path[at..].StartsWith(part.Bytes)) return false;
                at += part.Bytes.Length;
                continue;
            }
            var length = part.Kind == PartKind.Rest ? RestLength(path[at..], i) : SegmentLength(path[at..], i);
            if (length < 0) return false;
            if (part.Name.Length > 0) values?.TryAdd(part.Name, Encoding.UTF8.GetString(path.Slice(at, length)));
            at += length;
        }
        return at == path.Length;
    }

    // Up to the next slash, at least one character; what follows within the segment is compared from its end.
    private int SegmentLength(ReadOnlySpan<byte> rest, int index)
    {
        var slash = rest.IndexOf((byte)'/');
        var length = slash < 0 ? rest.Length : slash;
        if (index + 1 < parts.Length && parts[index + 1] is { Kind: PartKind.Literal } next)
        {
            var inside = next.Bytes.AsSpan();
            var end = inside.IndexOf((byte)'/');
            if (end >= 0) inside = inside[..end];
            if (length < inside.Length || !rest[..length].EndsWith(inside)) return -1;
            length -= inside.Length;
        }
        return length > 0 ? length : -1;
    }

    private int RestLength(ReadOnlySpan<byte> rest, int index)
    {
        var tail = index + 1 < parts.Length ? parts[index + 1].Bytes.Length : 0;
        return rest.Length >= tail ? rest.Length - tail : -1;
    }

    private static (Part Part, int Next) Read(string text, int at)
    {
        if (text[at] == '{')
        {
            var close = text.IndexOf('}', at);
            if (close < 0) throw new ConfigRefusedException($"path template '{text}': '{{' at {at} has no end");
            var inside = text[(at + 1)..close];
            var equals = inside.IndexOf('=', StringComparison.Ordinal);
            var (name, pattern) = equals >= 0 ? (inside[..equals], inside[(equals + 1)..]) : inside is "*" or "**" ? ("", inside) : (inside, "*");
            return pattern switch
            {
                "*" => (new(PartKind.Segment, [], name), close + 1),
                "**" => (new(PartKind.Rest, [], name), close + 1),
                _ => throw new ConfigRefusedException($"path template '{text}': '{inside}' is neither '*' nor '**'"),
            };
        }
        if (text[at] == '*')
        {
            var isRest = at + 1 < text.Length && text[at + 1] == '*';
            return (new(isRest ? PartKind.Rest : PartKind.Segment, [], ""), at + (isRest ? 2 : 1));
        }
        var end = text.AsSpan(at).IndexOfAny('{', '*');
        var literal = end < 0 ? text[at..] : text.Substring(at, end);
        return (new(PartKind.Literal, Encoding.UTF8.GetBytes(literal), ""), at + literal.Length);
    }
}
