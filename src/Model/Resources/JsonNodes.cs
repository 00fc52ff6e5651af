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

    public static Node From(JsonElement element, string file = "") => Value(element, new(file, 0), null, tracks: !IsFrequent(element));

    // Namespaces, accounts, labels, field names: a cluster says the same few thousand words again and again, and what it says is kept as long as the object is.
    private const int WordCharsMax = 64;
    private static readonly string?[] Words = new string?[1 << 14];

    /// <summary>
    /// Kinds of which there are many, written by Kubernetes itself: nobody is told where a mistake in them stands, so the paths are not made.
    /// </summary>
    private static bool IsFrequent(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty("kind", out var kind) && kind.ValueKind == JsonValueKind.String
        && kind.GetString() is "Pod" or "EndpointSlice" or "Endpoints" or "Node";

    /// <summary>The same text, as the string that is known already where it was said lately. Forgets as it likes: a word that gives way to another is only kept twice.</summary>
    internal static string Word(string text)
    {
        if (text.Length > WordCharsMax) return text;
        ref var place = ref Words[(text.GetHashCode(StringComparison.Ordinal) & int.MaxValue) % Words.Length];
        var known = Volatile.Read(ref place);
        if (known == text) return known;
        Volatile.Write(ref place, text);
        return text;
    }

    private static Node Value(JsonElement element, Origin origin, FieldPath? path, bool tracks)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var fields = new List<KeyValuePair<string, Node>>();
                foreach (var property in element.EnumerateObject())
                {
                    var name = Word(property.Name);
                    fields.Add(new(name, Value(property.Value, origin, tracks ? FieldPath.Field(path, name) : null, tracks)));
                }
                return new MapNode(origin, path, fields);
            case JsonValueKind.Array:
                var items = new List<Node>(element.GetArrayLength());
                foreach (var item in element.EnumerateArray()) items.Add(Value(item, origin, tracks ? FieldPath.Item(path, items.Count) : null, tracks));
                return new ListNode(origin, path, items);
            case JsonValueKind.String:
                return new ScalarNode(origin, path, Word(element.GetString()!), true);
            case JsonValueKind.Null or JsonValueKind.Undefined:
                return new ScalarNode(origin, path, "null", false);
            default:
                return new ScalarNode(origin, path, element.GetRawText(), false);
        }
    }
}
