using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Cli.Output;

/// <summary>JSON as YAML in block style, keys sorted, as kubectl and istioctl print it.</summary>
internal static class YamlText
{
    public static string Of(JsonNode? node)
    {
        var text = new StringBuilder();
        Write(node, 0, text, startsOnLine: true);
        return text.ToString();
    }

    private static void Write(JsonNode? node, int indent, StringBuilder text, bool startsOnLine)
    {
        switch (node)
        {
            case JsonObject { Count: > 0 } map:
                var first = true;
                foreach (var (key, value) in map.OrderBy(field => field.Key, StringComparer.Ordinal))
                {
                    if (!first || !startsOnLine) text.Append(' ', indent);
                    text.Append(Scalar(key)).Append(':');
                    Nested(value, indent, text);
                    first = false;
                }
                break;
            case JsonArray { Count: > 0 } list:
                foreach (var item in list)
                {
                    text.Append(' ', indent).Append("- ");
                    if (item is JsonObject { Count: > 0 } or JsonArray { Count: > 0 }) Write(item, indent + 2, text, startsOnLine: true);
                    else text.Append(Leaf(item)).Append('\n');
                }
                break;
            default:
                text.Append(Leaf(node)).Append('\n');
                break;
        }
    }

    private static void Nested(JsonNode? value, int indent, StringBuilder text)
    {
        switch (value)
        {
            case JsonObject { Count: > 0 }:
                text.Append('\n');
                Write(value, indent + 2, text, startsOnLine: false);
                break;
            case JsonArray { Count: > 0 }:
                text.Append('\n');
                Write(value, indent, text, startsOnLine: false);
                break;
            default:
                text.Append(' ').Append(Leaf(value)).Append('\n');
                break;
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

    /// <summary>Plain where YAML would read the same string back, quoted otherwise.</summary>
    private static string Scalar(string text)
    {
        var plain = text.Length > 0 && !char.IsWhiteSpace(text[0]) && !char.IsWhiteSpace(text[^1])
            && text.All(c => c is >= ' ' and < '\x7f')
            && "-?:,[]{}#&*!|>'\"%@`".IndexOf(text[0], StringComparison.Ordinal) < 0
            && !text.Contains(": ", StringComparison.Ordinal) && !text.Contains(" #", StringComparison.Ordinal) && !text.EndsWith(':')
            && text is not ("null" or "~" or "true" or "false" or "yes" or "no" or "on" or "off" or "Null" or "True" or "False" or "NULL" or "TRUE" or "FALSE" or "y" or "n")
            && !double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out _) && !IsNumberOrTime(text);
        return plain ? text : JsonValue.Create(text).ToJsonString();
    }

    /// <summary>What YAML 1.1 knows beside decimal numbers: 0x1F, 1_000, 1:30 for ninety, dates with and without a time.</summary>
    private static bool IsNumberOrTime(string text) =>
        char.IsAsciiDigit(text[0]) && (text.All(c => char.IsAsciiDigit(c) || c is '_' or ':' or '.' or '-') || text.StartsWith("0x", StringComparison.Ordinal) || text is [_, _, _, _, '-', >= '0' and <= '9', ..]);
}
