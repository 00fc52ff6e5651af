using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector.GoTemplates;

/// <summary>The functions of Go's templates, of Helm's and of Istio's injection templates, as far as they are used.</summary>
public class TemplateFunctions
{
    /// <summary>How a field is found: by its key; hosts with other names override it.</summary>
    public virtual JsonNode? Field(JsonNode? value, string name) => value switch
    {
        null => null,
        JsonObject map => map[name],
        _ => throw new FormatException($"can't evaluate field {name} in {Print(value)}"),
    };

    public virtual JsonNode? Call(string name, IReadOnlyList<JsonNode?> a) => name switch
    {
        "default" => a.Count > 1 && !a[1].IsEmpty() ? a[1] : a[0],
        "coalesce" => a.FirstOrDefault(value => !value.IsEmpty()),
        "ternary" => a[2].IsEmpty() ? a[1] : a[0],
        "required" => a[1].IsEmpty() ? throw new FormatException(Print(a[0])) : a[1],
        "fail" => throw new FormatException(Print(a[0])),
        "empty" => a[0].IsEmpty(),
        "not" => a[0].IsEmpty(),
        "and" => a.FirstOrDefault(value => value.IsEmpty()) ?? a[^1],
        "or" => a.FirstOrDefault(value => !value.IsEmpty()) ?? a[^1],
        "eq" => a.Skip(1).Any(other => Same(a[0], other)),
        "ne" => !Same(a[0], a[1]),
        "lt" => Compare(a) < 0,
        "le" => Compare(a) <= 0,
        "gt" => Compare(a) > 0,
        "ge" => Compare(a) >= 0,
        "add" => a.Sum(value => (long)Number(value)),
        "sub" => (long)Number(a[0]) - (long)Number(a[1]),
        "mul" => a.Aggregate(1L, (product, value) => product * (long)Number(value)),
        "int" or "int64" or "atoi" => (long)Number(a[0]),
        "len" => Length(a[0]),
        "index" => a.Skip(1).Aggregate(a[0], Index),
        "print" => string.Concat(a.Select(Print)),
        "println" => string.Join(' ', a.Select(Print)) + "\n",
        "printf" => Printf(a),
        "quote" => string.Join(' ', a.Where(value => value is not null).Select(value => Quoted(Print(value)))),
        "squote" => string.Join(' ', a.Where(value => value is not null).Select(value => $"'{Print(value)}'")),
        "toString" => Print(a[0]),
        "toYaml" => a[0] is JsonObject { Count: 0 } ? "{}" : YamlText.Write(a[0]).TrimEnd('\n'),
        "toJson" or "toJSON" or "structToJSON" or "protoToJSON" => a[0]?.Compact() ?? "{}",
        "fromJson" or "fromJSON" => JsonReading.TryParse(Print(a[0])) ?? JsonValue.Create("{}"),
        "indent" => Indent((int)Number(a[0]), Print(a[1]), firstToo: true),
        "nindent" => "\n" + Indent((int)Number(a[0]), Print(a[1]), firstToo: true),
        "list" => List([.. a.Select(value => value?.DeepClone())]),
        "dict" or "strdict" => Dict(a),
        "append" => List([.. (a[0] as JsonArray ?? []).Select(value => value?.DeepClone()), a[1]?.DeepClone()]),
        "concat" => List([.. a.OfType<JsonArray>().SelectMany(list => list).Select(value => value?.DeepClone())]),
        "first" => a[0] is JsonArray { Count: > 0 } list ? list[0] : null,
        "last" => a[0] is JsonArray { Count: > 0 } list ? list[^1] : null,
        "uniq" => List([.. (a[0] as JsonArray ?? []).DistinctBy(Print).Select(value => value?.DeepClone())]),
        "has" => a[1] is JsonArray list && list.Any(value => Same(value, a[0])),
        "hasKey" => a[0] is JsonObject map && map.ContainsKey(Print(a[1])),
        "isset" => a[0] is JsonObject map && map.ContainsKey(Print(a[1])),
        "keys" => Strings(a.OfType<JsonObject>().SelectMany(map => map.Select(entry => entry.Key)).Order(StringComparer.Ordinal)),
        "pick" => Picked(a, wanted: true),
        "omit" => Picked(a, wanted: false),
        "merge" => Merged(a.OfType<JsonObject>().Reverse()),
        "mergeOverwrite" or "mergeMaps" => Merged(a.OfType<JsonObject>()),
        "deepCopy" => a[0]?.DeepClone(),
        "omitNil" => WithoutNulls(a[0]),
        "kindIs" => Kind(a[1]) == Print(a[0]),
        "valueOrDefault" => a[0] is null || Print(a[0]).Length == 0 ? a[1] : a[0],
        "lookup" => new JsonObject(), // there is no cluster to ask
        _ => TextFunctions.Call(name, a),
    };

    /// <summary>As Go prints a value.</summary>
    public static string Print(JsonNode? value) => value switch
    {
        null => "",
        JsonObject or JsonArray => value.Compact(),
        JsonValue scalar when scalar.GetValueKind() == JsonValueKind.Number && scalar.Integer() is null => Float(scalar),
        _ => value.Text() ?? "",
    };

    // A number such as 1e3 or 2.50 that came through YAML: shortest form, as Go's %v.
    private static string Float(JsonValue scalar) =>
        double.TryParse(scalar.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number.ToString("R", CultureInfo.InvariantCulture) : scalar.ToJsonString();

    internal static double Number(JsonNode? value) =>
        double.TryParse(Print(value), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : 0;

    internal static string Indent(int spaces, string text, bool firstToo)
    {
        var padding = new string(' ', Math.Clamp(spaces, 0, 200));
        var lines = text.Split('\n').Select((line, index) => index == 0 && !firstToo ? line : padding + line);
        return string.Join('\n', lines);
    }

    private static bool Same(JsonNode? left, JsonNode? right) =>
        left is null || right is null ? left is null && right is null : JsonNode.DeepEquals(left, right) || Print(left) == Print(right);

    private static int Compare(IReadOnlyList<JsonNode?> a) =>
        a[0]?.GetValueKind() == JsonValueKind.String && a[1]?.GetValueKind() == JsonValueKind.String
            ? string.CompareOrdinal(Print(a[0]), Print(a[1])) : Number(a[0]).CompareTo(Number(a[1]));

    private static int Length(JsonNode? value) => value switch
    {
        JsonArray list => list.Count,
        JsonObject map => map.Count,
        _ => Encoding.UTF8.GetByteCount(Print(value)),
    };

    private static JsonNode? Index(JsonNode? value, JsonNode? key) => value switch
    {
        JsonObject map => map[Print(key)],
        JsonArray list when key.Integer() is { } at => at >= 0 && at < list.Count ? list[(int)at] : throw new FormatException($"index out of range: {at}"),
        null => null,
        _ => throw new FormatException($"can't index item of {Kind(value)}"),
    };

    private static string Kind(JsonNode? value) => value switch
    {
        JsonObject => "map",
        JsonArray => "slice",
        null => "invalid",
        _ => value.GetValueKind() switch { JsonValueKind.String => "string", JsonValueKind.Number => value.Integer() is null ? "float64" : "int", _ => "bool" },
    };

    internal static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
            quoted.Append(c switch
            {
                '"' => "\\\"", '\\' => "\\\\", '\n' => "\\n", '\t' => "\\t", '\r' => "\\r",
                < ' ' => string.Create(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => c.ToString(),
            });
        return quoted.Append('"').ToString();
    }

    private static string Printf(IReadOnlyList<JsonNode?> a)
    {
        var format = Print(a[0]);
        var text = new StringBuilder();
        var next = 1;
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            var verb = format[++i];
            if (verb == '%') text.Append('%');
            else if (next >= a.Count) throw new FormatException($"printf \"{format}\" has too few arguments");
            else text.Append(verb == 'q' ? Quoted(Print(a[next++])) : Print(a[next++]));
        }
        return text.ToString();
    }

    private static JsonObject Dict(IReadOnlyList<JsonNode?> a)
    {
        var map = new JsonObject();
        for (var i = 0; i + 1 < a.Count; i += 2) map[Print(a[i])] = a[i + 1]?.DeepClone();
        return map;
    }

    private static JsonObject Picked(IReadOnlyList<JsonNode?> a, bool wanted)
    {
        var keys = a.Skip(1).Select(Print).ToHashSet(StringComparer.Ordinal);
        var map = new JsonObject();
        foreach (var (key, value) in a[0] as JsonObject ?? [])
            if (keys.Contains(key) == wanted) map[key] = value?.DeepClone();
        return map;
    }

    private static JsonObject Merged(IEnumerable<JsonObject> maps)
    {
        var merged = new JsonObject();
        foreach (var map in maps) Overlay.Onto(merged, map);
        return merged;
    }

    private static JsonNode? WithoutNulls(JsonNode? value)
    {
        if (value is not JsonObject map) return value?.DeepClone();
        var kept = new JsonObject();
        foreach (var (key, inner) in map)
            if (WithoutNulls(inner) is { } whole) kept[key] = whole;
        return kept.Count == 0 && map.Count > 0 ? null : kept;
    }
}
