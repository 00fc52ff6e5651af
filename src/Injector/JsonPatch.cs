using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>The smallest list of JSON Patch operations (RFC 6902) that this project needs: add, remove, replace. No difference, no operations.</summary>
public static class JsonPatch
{
    public static JsonArray Between(JsonObject from, JsonObject to)
    {
        var operations = new JsonArray();
        Objects(from, to, "", operations);
        return operations;
    }

    private static void Values(JsonNode? from, JsonNode? to, string path, JsonArray operations)
    {
        if (JsonNode.DeepEquals(from, to)) return;
        switch (from, to)
        {
            case (JsonObject before, JsonObject after):
                Objects(before, after, path, operations);
                break;
            case (JsonArray before, JsonArray after):
                Lists(before, after, path, operations);
                break;
            default:
                Add(operations, "replace", path, to);
                break;
        }
    }

    private static void Objects(JsonObject from, JsonObject to, string path, JsonArray operations)
    {
        foreach (var key in from.Select(field => field.Key).Union(to.Select(field => field.Key)).Order(StringComparer.Ordinal))
        {
            var at = $"{path}/{key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";
            if (!to.TryGetPropertyValue(key, out var after)) Add(operations, "remove", at, null);
            else if (!from.TryGetPropertyValue(key, out var before)) Add(operations, "add", at, after);
            else Values(before, after, at, operations);
        }
    }

    private static void Lists(JsonArray from, JsonArray to, string path, JsonArray operations)
    {
        // What both begin and end with stays; only the middle is spoken of.
        var start = 0;
        while (start < from.Count && start < to.Count && JsonNode.DeepEquals(from[start], to[start])) start++;
        var end = 0;
        while (end < from.Count - start && end < to.Count - start && JsonNode.DeepEquals(from[^(end + 1)], to[^(end + 1)])) end++;

        var (before, after) = (from.Count - start - end, to.Count - start - end);
        var common = Math.Min(before, after);
        for (var i = start; i < start + common; i++) Values(from[i], to[i], $"{path}/{i}", operations);
        for (var i = start + common; i < start + after; i++) Add(operations, "add", $"{path}/{i}", to[i]);
        for (var i = start + before - 1; i >= start + common; i--) Add(operations, "remove", $"{path}/{i}", null);
    }

    private static void Add(JsonArray operations, string operation, string path, JsonNode? value)
    {
        var item = new JsonObject { ["op"] = operation, ["path"] = path };
        if (operation != "remove") item["value"] = value?.DeepClone();
        operations.AddNode(item);
    }
}
