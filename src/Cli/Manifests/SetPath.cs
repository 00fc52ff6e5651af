using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Manifests;

/// <summary>--set a.b[0].c=value: one leaf of a tree. A dot within a name is written \. or the name stands in brackets.</summary>
internal static class SetPath
{
    private const int IndexMax = 1000;

    /// <returns>Null, or why the text is no setting.</returns>
    public static string? Apply(JsonObject tree, string setting)
    {
        var equals = setting.IndexOf('=', StringComparison.Ordinal);
        var path = equals < 0 ? setting : setting[..equals];
        var value = equals < 0 ? null : Value(setting[(equals + 1)..]);
        if (Split(path) is not { Count: > 0 } keys) return $"invalid --set \"{setting}\": a path such as values.global.hub is wanted";

        JsonNode at = tree;
        for (var i = 0; i < keys.Count; i++)
        {
            var last = i == keys.Count - 1;
            var next = last ? value : keys[i + 1].IsIndex ? new JsonArray() : (JsonNode)new JsonObject();
            if (Step(at, keys[i], last, next, setting, out var inner) is { } problem) return problem;
            if (!last) at = inner!;
        }
        return null;
    }

    private static string? Step(JsonNode at, (string Text, bool IsIndex) key, bool last, JsonNode? next, string setting, out JsonNode? inner)
    {
        inner = null;
        switch (at)
        {
            case JsonObject map when !key.IsIndex:
                if (last || map[key.Text] is not (JsonObject or JsonArray)) map[key.Text] = next;
                inner = map[key.Text];
                return null;
            case JsonArray list when key.IsIndex:
                var index = int.Parse(key.Text, CultureInfo.InvariantCulture);
                if (index > IndexMax) return $"invalid --set \"{setting}\": index {index} is above {IndexMax}";
                while (list.Count <= index) ((IList<JsonNode?>)list).Add(new JsonObject());
                if (last || list[index] is not (JsonObject or JsonArray)) list[index] = next;
                inner = list[index];
                return null;
            default:
                return $"invalid --set \"{setting}\": {(key.IsIndex ? $"[{key.Text}] is no field of a map" : $"{key.Text} is no index of a list")}";
        }
    }

    private static List<(string Text, bool IsIndex)>? Split(string path)
    {
        var keys = new List<(string, bool)>();
        var key = new System.Text.StringBuilder();
        for (var i = 0; i < path.Length; i++)
        {
            switch (path[i])
            {
                case '\\' when i + 1 < path.Length:
                    key.Append(path[++i]);
                    break;
                case '.':
                    if (key.Length > 0) keys.Add((key.ToString(), false));
                    key.Clear();
                    break;
                case '[':
                    var end = path.IndexOf(']', i);
                    if (end < 0) return null;
                    if (key.Length > 0) keys.Add((key.ToString(), false));
                    key.Clear();
                    var inner = path[(i + 1)..end];
                    keys.Add((inner, inner.Length > 0 && inner.All(char.IsAsciiDigit) && inner.Length < 6));
                    i = end;
                    break;
                default:
                    key.Append(path[i]);
                    break;
            }
        }
        if (key.Length > 0) keys.Add((key.ToString(), false));
        return keys;
    }

    private static JsonNode? Value(string text)
    {
        if (text.StartsWith('{') && text.EndsWith('}')) return new JsonArray([.. text[1..^1].Split(',').Select(Scalar)]);
        return Scalar(text);
    }

    // Only true, false, null and numbers are more than text here: "--set x=on" means the word.
    private static JsonNode? Scalar(string text) =>
        text is "true" or "false" or "null" || text.Length > 0 && (char.IsAsciiDigit(text[0]) || text[0] == '-') ? YamlJson.Of(new ScalarNode(default, null, text, false)) : JsonValue.Create(text);
}
