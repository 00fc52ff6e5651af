using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Building the pieces of a pod. What is null is left out, as Kubernetes' own types do.</summary>
internal static class JsonWriting
{
    public static JsonObject Map(params ReadOnlySpan<(string Key, JsonNode? Value)> fields)
    {
        var map = new JsonObject();
        foreach (var (key, value) in fields)
            if (value is not null) map[key] = value;
        return map;
    }

    public static JsonArray List(params ReadOnlySpan<JsonNode?> items)
    {
        var list = new JsonArray();
        foreach (var item in items)
            if (item is not null) list.AddNode(item);
        return list;
    }

    public static JsonArray Strings(IEnumerable<string> items)
    {
        var list = new JsonArray();
        foreach (var item in items) list.AddNode(item);
        return list;
    }

    /// <summary>JsonArray's own Add is generic and asks for code at run time.</summary>
    public static void AddNode(this JsonArray list, JsonNode? item) => ((IList<JsonNode?>)list).Add(item);

    /// <summary>A whole number that Kubernetes leaves out when it is 0.</summary>
    public static JsonNode? NonZero(long number) => number == 0 ? null : JsonValue.Create(number);

    public static JsonNode? NonEmpty(string? text) => string.IsNullOrEmpty(text) ? null : JsonValue.Create(text);

    /// <summary>One environment variable; an empty value is left out.</summary>
    public static JsonObject Env(string name, string? value) => Map(("name", name), ("value", NonEmpty(value)));

    public static JsonObject EnvFromField(string name, string fieldPath) =>
        Map(("name", name), ("valueFrom", Map(("fieldRef", Map(("fieldPath", fieldPath))))));

    public static JsonObject EnvFromResource(string name, string resource) =>
        Map(("name", name), ("valueFrom", Map(("resourceFieldRef", Map(("divisor", "1"), ("resource", resource))))));

    public static JsonObject Mount(string name, string path, bool readOnly = false) =>
        Map(("name", name), ("mountPath", path), ("readOnly", readOnly ? JsonValue.Create(true) : null));

    public static string Compact(this JsonNode node)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            node.WriteTo(writer);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
