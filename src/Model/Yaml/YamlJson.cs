using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.Model.Yaml;

/// <summary>YAML as JSON, the way Kubernetes' tools read it: plain words such as on, yes and 0x10 have YAML 1.1's meaning.</summary>
public static class YamlJson
{
    /// <summary>The first document of a text; null when there is none.</summary>
    /// <exception cref="FormatException">The text is not YAML.</exception>
    public static JsonNode? Read(string text)
    {
        var documents = YamlReader.Read(text, "", out var error);
        if (error is not null) throw new FormatException($"line {error.Origin.Line}: {error.Message}");
        return documents.Count == 0 ? null : Of(documents[0]);
    }

    public static JsonNode? Of(Node node)
    {
        switch (node)
        {
            case MapNode map:
                var fields = new JsonObject();
                foreach (var (key, value) in map.Fields) fields[key] = Of(value);
                return fields;
            case ListNode list:
                return new JsonArray([.. list.Items.Select(Of)]);
            default:
                return Scalar((ScalarNode)node);
        }
    }

    private static JsonValue? Scalar(ScalarNode scalar)
    {
        var text = scalar.Text;
        if (scalar.IsQuoted) return JsonValue.Create(text);
        if (scalar.IsNull) return null;
        switch (text)
        {
            case "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" or "y" or "Y": return JsonValue.Create(true);
            case "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF" or "n" or "N": return JsonValue.Create(false);
        }
        if (!char.IsAsciiDigit(text[0]) && text[0] is not ('-' or '+' or '.')) return JsonValue.Create(text);
        if (Integer(text) is { } number) return JsonValue.Create(number);
        return text.Any(char.IsAsciiDigit) && text.All(c => char.IsAsciiDigit(c) || c is '.' or '-' or '+' or 'e' or 'E')
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real)
            ? JsonValue.Create(real) : JsonValue.Create(text);
    }

    private static long? Integer(string text)
    {
        var negative = text[0] == '-';
        var digits = text.TrimStart('-', '+').Replace("_", "", StringComparison.Ordinal);
        if (digits.Length == 0 || text.Length - digits.Length > 1 + text.Count(c => c == '_')) return null;

        var (style, from) = digits switch
        {
            ['0', 'x' or 'X', ..] => (16, 2),
            ['0', 'o' or 'O', ..] => (8, 2),
            ['0', 'b' or 'B', ..] => (2, 2),
            ['0', >= '0' and <= '7', ..] => (8, 1),
            _ => (10, 0),
        };
        var value = 0L;
        if (digits.Length == from) return null;
        foreach (var c in digits.AsSpan(from))
        {
            var digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : 99;
            if (digit >= style || value > (long.MaxValue - digit) / style) return null;
            value = value * style + digit;
        }
        return negative ? -value : value;
    }
}
