namespace Mesh.Proxy.Security;

/// <summary>An identity of the mesh: <c>spiffe://trust-domain/path</c>, checked by the letter of the SPIFFE standard, so that no two spellings are one identity.</summary>
internal readonly record struct SpiffeId(string Text, string TrustDomain, string Path)
{
    public const int BytesMax = 2048;
    private const string Scheme = "spiffe://";

    public static bool TryParse(string text, out SpiffeId id)
    {
        id = default;
        if (text.Length is 0 or > BytesMax || !text.StartsWith(Scheme, StringComparison.Ordinal)) return false;

        var rest = text.AsSpan(Scheme.Length);
        var slash = rest.IndexOf('/');
        var domain = slash < 0 ? rest : rest[..slash];
        var path = slash < 0 ? default : rest[slash..];
        if (domain.IsEmpty || domain.Length > 255) return false;
        foreach (var c in domain)
            if (!(char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '-' or '_')) return false;
        if (!IsPath(path)) return false;

        id = new(text, domain.ToString(), path.ToString());
        return true;
    }

    // Segments of unreserved characters, none empty, none a dot segment; so neither escapes nor NUL nor a second meaning.
    private static bool IsPath(ReadOnlySpan<char> path)
    {
        if (path.IsEmpty) return true;
        foreach (var range in path[1..].Split('/'))
        {
            var segment = path[1..][range];
            if (segment.IsEmpty || segment is "." or "..") return false;
            foreach (var c in segment)
                if (!(char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_')) return false;
        }
        return true;
    }
}
