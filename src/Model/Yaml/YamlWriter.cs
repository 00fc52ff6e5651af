using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Model.Yaml;

/// <summary>JSON as block-style YAML, fields in their order. Strings are quoted wherever any YAML reader could take them for something else.</summary>
public static class YamlWriter
{
    private const string Indicators = "-?:,[]{}#&*!|>'\"%@`";
    private static readonly string[] Words = ["null", "~", "true", "false", "yes", "no", "on", "off", "y", "n"];

    public static string Write(JsonNode? node)
    {
        var text = new StringBuilder();
        Block(node, 0, text);
        return text.ToString();
    }

    private static void Block(JsonNode? node, int indent, StringBuilder text)
    {
        switch (node)
        {
            case JsonObject { Count: > 0 } map:
                foreach (var (name, value) in map)
                {
                    text.Append(' ', indent).Append(Scalar(name)).Append(':');
                    Value(value, indent, text, listIndent: 0);
                }
                break;
            case JsonArray { Count: > 0 } list:
                foreach (var item in list) Item(item, indent, text);
                break;
            default:
                text.Append(' ', indent).Append(Leaf(node)).Append('\n');
                break;
        }
    }

    private static void Value(JsonNode? value, int indent, StringBuilder text, int listIndent)
    {
        if (value is JsonObject { Count: > 0 } or JsonArray { Count: > 0 })
        {
            text.Append('\n');
            Block(value, indent + (value is JsonArray ? listIndent : 2), text);
        }
        else
        {
            text.Append(' ').Append(Leaf(value)).Append('\n');
        }
    }

    /// <summary>The first field of an object stands on the line of its dash.</summary>
    private static void Item(JsonNode? item, int indent, StringBuilder text)
    {
        text.Append(' ', indent).Append("- ");
        if (item is JsonObject { Count: > 0 } map)
        {
            var first = true;
            foreach (var (name, value) in map)
            {
                if (!first) text.Append(' ', indent + 2);
                text.Append(Scalar(name)).Append(':');
                Value(value, indent + 2, text, listIndent: 0);
                first = false;
            }
        }
        else
        {
            text.Append(item is JsonArray { Count: > 0 } ? item.ToJsonString() : Leaf(item)).Append('\n');
        }
    }

    private static string Leaf(JsonNode? node) => node switch
    {
        null => "null",
        JsonObject => "{}",
        JsonArray => "[]",
        JsonValue value when value.GetValueKind() == JsonValueKind.String => Scalar(value.GetValue<string>()),
        _ => node.ToJsonString(),
    };

    private static string Scalar(string text)
    {
        if (text.Any(char.IsControl)) return JsonValue.Create(text).ToJsonString();

        var isPlain = text.Length > 0 && text[0] != ' ' && text[^1] != ' ' && text[^1] != ':'
            && !Indicators.Contains(text[0]) && !char.IsAsciiDigit(text[0]) && text[0] is not ('.' or '+')
            && !text.Contains(": ", StringComparison.Ordinal) && !text.Contains(" #", StringComparison.Ordinal)
            && !Words.Contains(text.ToLower(CultureInfo.InvariantCulture));
        return isPlain ? text : $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
    }
}
