using System.Collections.Concurrent;
using System.Text.Json;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>The kubelets' versions: whether a proxy may be a native sidecar hangs on the oldest of them.</summary>
internal sealed class NodeVersions : IKubeSink
{
    private readonly ConcurrentDictionary<string, string> versions = new(StringComparer.Ordinal);

    /// <param name="node">The pod's node where it is known; else all count.</param>
    public IEnumerable<string> For(string? node) =>
        node is { Length: > 0 } && versions.TryGetValue(node, out var one) ? [one] : versions.Values;

    public void Replace(IReadOnlyList<JsonElement> objects)
    {
        versions.Clear();
        foreach (var item in objects) Changed(item);
    }

    public void Changed(JsonElement item)
    {
        var name = item.GetProperty("metadata").GetProperty("name").GetString()!;
        if (Inside(item, "status") is { } status && Inside(status, "nodeInfo") is { } about && Inside(about, "kubeletVersion") is { ValueKind: JsonValueKind.String } version)
            versions[name] = version.GetString()!;
    }

    public void Deleted(JsonElement item) => versions.TryRemove(item.GetProperty("metadata").GetProperty("name").GetString()!, out _);

    private static JsonElement? Inside(JsonElement map, string key) => map.ValueKind == JsonValueKind.Object && map.TryGetProperty(key, out var value) ? value : null;

    public void Trouble(string sentence)
    {
        // The store beside us says it.
    }
}
