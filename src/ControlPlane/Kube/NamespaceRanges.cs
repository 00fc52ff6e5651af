using System.Collections.Concurrent;
using System.Text.Json;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>What OpenShift wrote at its namespaces about the users and groups that their pods may have. Elsewhere it stays empty.</summary>
internal sealed class NamespaceRanges : IKubeSink
{
    private const string Prefix = "openshift.io/sa.scc.";

    private readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, string>> byName = new(StringComparer.Ordinal);

    /// <returns>Null for a namespace that says nothing.</returns>
    public IReadOnlyDictionary<string, string>? Of(string name) => byName.GetValueOrDefault(name);

    public void Replace(IReadOnlyList<JsonElement> objects)
    {
        byName.Clear();
        foreach (var item in objects) Changed(item);
    }

    public void Changed(JsonElement item)
    {
        var metadata = item.GetProperty("metadata");
        var name = metadata.GetProperty("name").GetString()!;
        var ranges = metadata.TryGetProperty("annotations", out var annotations) && annotations.ValueKind == JsonValueKind.Object
            ? annotations.EnumerateObject().Where(a => a.Name.StartsWith(Prefix, StringComparison.Ordinal) && a.Value.ValueKind == JsonValueKind.String).ToDictionary(a => a.Name, a => a.Value.GetString()!)
            : [];
        if (ranges.Count > 0) byName[name] = ranges;
        else byName.TryRemove(name, out _);
    }

    public void Deleted(JsonElement item) => byName.TryRemove(item.GetProperty("metadata").GetProperty("name").GetString()!, out _);

    public void Trouble(string sentence)
    {
        // The store beside us says it.
    }
}
