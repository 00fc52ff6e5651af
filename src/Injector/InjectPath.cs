using System.Collections.Immutable;

namespace Mesh.Injector;

/// <summary>
/// The webhook's URL may carry settings: <c>/inject/cluster/east/net/net-two/custom/a--slash--b</c> sets the environment variables
/// ISTIO_META_CLUSTER_ID, ISTIO_META_NETWORK and CUSTOM of the proxy.
/// </summary>
public static class InjectPath
{
    private const string OldForm = ":ENV:"; // /inject/:ENV:key=value:ENV:key=value

    public static ImmutableSortedDictionary<string, string> Environment(string path)
    {
        var settings = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var parts = path.TrimEnd('/').Split('/', 3);
        if (parts.Length < 3) return settings.ToImmutable();

        foreach (var (key, value) in parts[2].StartsWith(OldForm, StringComparison.Ordinal) ? OldPairs(parts[2]) : Pairs(parts[2]))
            if (key.Length > 0) settings[VariableFor(key)] = value;
        return settings.ToImmutable();
    }

    // The last key without a value is passed over.
    private static IEnumerable<(string Key, string Value)> Pairs(string text) =>
        text.Split('/').Chunk(2).Where(pair => pair.Length == 2).Select(pair => (pair[0], pair[1].Replace("--slash--", "/", StringComparison.Ordinal)));

    private static IEnumerable<(string Key, string Value)> OldPairs(string text) =>
        text.Split(OldForm).Skip(1).Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2).Select(pair => (pair[0], pair[1]));

    private static string VariableFor(string key) => key switch
    {
        "cluster" => "ISTIO_META_CLUSTER_ID",
        "net" => "ISTIO_META_NETWORK",
        _ => key.ToUpperInvariant(),
    };
}
