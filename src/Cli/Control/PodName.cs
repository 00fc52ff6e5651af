namespace Mesh.Cli.Control;

/// <summary>How users name a pod: [type/]name[.namespace].</summary>
internal static class PodName
{
    /// <returns>An empty type when none was given.</returns>
    public static (string Type, string Name, string Namespace) Parse(string text, string space)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        var (type, rest) = slash < 0 ? ("", text) : (text[..slash], text[(slash + 1)..]);
        var dot = rest.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? (type, rest, space) : (type, rest[..dot], rest[(dot + 1)..]);
    }
}
