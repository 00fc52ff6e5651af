using System.Reflection;

namespace Mesh.Cli.Manifests;

/// <summary>The charts and profiles that are part of the program.</summary>
internal static class Bundled
{
    private static readonly Assembly Assembly = typeof(Bundled).Assembly;

    public static IReadOnlyList<string> Names(string prefix) =>
        [.. Assembly.GetManifestResourceNames().Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    /// <returns>Null when there is no such file.</returns>
    public static string? Text(string name)
    {
        using var stream = Assembly.GetManifestResourceStream(name);
        if (stream is null) return null;

        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
