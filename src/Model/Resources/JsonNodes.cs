using System.Text.Json;
using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

/// <summary>JSON (a watch event, an admission review) to the nodes that <see cref="ResourceReader"/> reads. Lines are not known.</summary>
public static class JsonNodes
{
    private const int DepthMax = 128;   // deeper than any CRD; the bound keeps recursion off the stack's end

    /// <summary>Throws <see cref="JsonException"/> for what is not JSON.</summary>
    public static Node Read(ReadOnlyMemory<byte> utf8, string file = "")
    {
        using var document = JsonDocument.Parse(utf8, new() { MaxDepth = DepthMax });
        return From(document.RootElement, file);
    }

    public static Node From(JsonElement element, string file = "") => Value(element, new(file, 0), IsFrequent(element) ? null : "");

    /// <summary>
    /// Kinds of which there are many, written by Kubernetes itself: nobody is told where a mistake in them stands, so the paths are not made.
    /// </summary>
    private static bool IsFrequent(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty("kind", out var kind) && kind.ValueKind == JsonValueKind.String
        && kind.GetString() is "Pod" or "EndpointSlice" or "Endpoints" or "Node";

    private static Node Value(JsonElement element, Origin origin, string? path)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var fields = new List<KeyValuePair<string, Node>>();
                foreach (var property in element.EnumerateObject())
                    fields.Add(new(property.Name, Value(property.Value, origin, path is null ? null : path.Length == 0 ? property.Name : $"{path}.{property.Name}")));
                return new MapNode(origin, path ?? "", fields);
            case JsonValueKind.Array:
                var items = new List<Node>(element.GetArrayLength());
                foreach (var item in element.EnumerateArray()) items.Add(Value(item, origin, path is null ? null : $"{path}[{items.Count}]"));
                return new ListNode(origin, path ?? "", items);
            case JsonValueKind.String:
                return new ScalarNode(origin, path ?? "", element.GetString()!, true);
            case JsonValueKind.Null or JsonValueKind.Undefined:
                return new ScalarNode(origin, path ?? "", "null", false);
            default:
                return new ScalarNode(origin, path ?? "", element.GetRawText(), false);
        }
    }
}
