using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Reading JSON that someone else wrote: nothing here throws on an unexpected shape.</summary>
public static class JsonReading
{
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var key in path)
            node = node is JsonObject map && map.TryGetPropertyValue(key, out var value) ? value : null;
        return node;
    }

    /// <summary>The objects of a list; other items are passed over.</summary>
    public static IEnumerable<JsonObject> Objects(this JsonNode? node) =>
        node is JsonArray list ? list.OfType<JsonObject>() : [];

    public static IEnumerable<string> Texts(this JsonNode? node) =>
        node is JsonArray list ? list.Select(Text).OfType<string>() : [];

    /// <summary>A scalar as one would print it: numbers and booleans too. Null for objects, lists and null.</summary>
    public static string? Text(this JsonNode? node)
    {
        if (node is not JsonValue value) return null;
        return value.GetValueKind() switch
        {
            JsonValueKind.String => value.GetValue<string>(),
            JsonValueKind.True => "true",
            JsonValueKind.False => "false",
            JsonValueKind.Number => value.ToJsonString(),
            _ => null,
        };
    }

    public static bool IsTrue(this JsonNode? node) => node is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    public static long? Integer(this JsonNode? node) =>
        node is JsonValue value && value.GetValueKind() == JsonValueKind.Number
        && long.TryParse(value.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>What a template language calls empty: nothing, "", 0, false, an empty list or map.</summary>
    public static bool IsEmpty(this JsonNode? node) => node switch
    {
        null => true,
        JsonObject map => map.Count == 0,
        JsonArray list => list.Count == 0,
        _ => node.Text() is "" or "0" or "false" or null,
    };

    /// <summary>Name → value of a map of strings (labels, annotations).</summary>
    public static IReadOnlyDictionary<string, string> Strings(this JsonNode? node)
    {
        var strings = new Dictionary<string, string>(StringComparer.Ordinal);
        if (node is JsonObject map)
            foreach (var (key, value) in map)
                if (value.Text() is { } text) strings[key] = text;
        return strings;
    }

    public static JsonObject? Named(this JsonNode? list, string name) =>
        list.Objects().FirstOrDefault(item => item["name"].Text() == name);

    /// <summary>The map at a key, made when it is missing.</summary>
    public static JsonObject MapAt(this JsonObject map, string key)
    {
        if (map[key] is JsonObject existing) return existing;
        var made = new JsonObject();
        map[key] = made;
        return made;
    }

    public static JsonArray ListAt(this JsonObject map, string key)
    {
        if (map[key] is JsonArray existing) return existing;
        var made = new JsonArray();
        map[key] = made;
        return made;
    }

    public static JsonObject Copy(this JsonObject map) => (JsonObject)map.DeepClone();

    /// <summary>Null when the text is not JSON.</summary>
    public static JsonNode? TryParse(string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        try
        {
            return JsonNode.Parse(text, documentOptions: new() { MaxDepth = 64 });
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
