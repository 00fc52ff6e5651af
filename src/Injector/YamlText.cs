using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mesh.Injector;

/// <summary>JSON as YAML in block style, the way Kubernetes' tools print it: keys sorted, lists not indented, strings quoted only where they must be.</summary>
public static partial class YamlText
{
    public static string Write(JsonNode? value, bool sortKeys = true)
    {
        var text = new StringBuilder();
        switch (value)
        {
            case JsonObject { Count: > 0 } map:
                Map(text, map, 0, sortKeys, inline: false);
                break;
            case JsonArray { Count: > 0 } list:
                List(text, list, 0, sortKeys);
                break;
            default:
                text.Append(Scalar(value, 0)).Append('\n');
                break;
        }
        return text.ToString();
    }

    private static void Map(StringBuilder text, JsonObject map, int indent, bool sortKeys, bool inline)
    {
        foreach (var (key, value) in sortKeys ? map.OrderBy(entry => entry.Key, StringComparer.Ordinal) : map.AsEnumerable())
        {
            if (!inline) text.Append(' ', indent);
            inline = false;
            text.Append(Key(key)).Append(':');
            Value(text, value, indent, sortKeys);
        }
    }

    private static void Value(StringBuilder text, JsonNode? value, int indent, bool sortKeys)
    {
        switch (value)
        {
            case JsonObject { Count: > 0 } map:
                text.Append('\n');
                Map(text, map, indent + 2, sortKeys, inline: false);
                break;
            case JsonArray { Count: > 0 } list:
                text.Append('\n');
                List(text, list, indent, sortKeys);
                break;
            default:
                text.Append(' ').Append(Scalar(value, indent + 2)).Append('\n');
                break;
        }
    }

    private static void List(StringBuilder text, JsonArray list, int indent, bool sortKeys)
    {
        foreach (var item in list)
        {
            text.Append(' ', indent).Append("- ");
            switch (item)
            {
                case JsonObject { Count: > 0 } map:
                    Map(text, map, indent + 2, sortKeys, inline: true);
                    break;
                case JsonArray { Count: > 0 } inner:
                    text.Length--;
                    text.Append('\n');
                    List(text, inner, indent + 2, sortKeys);
                    break;
                default:
                    text.Append(Scalar(item, indent + 2)).Append('\n');
                    break;
            }
        }
    }

    private static string Key(string key) => IsPlain(key) ? key : Quoted(key);

    private static string Scalar(JsonNode? value, int indent)
    {
        switch (value)
        {
            case null: return "null";
            case JsonObject: return "{}";
            case JsonArray: return "[]";
        }
        if (value.GetValueKind() != JsonValueKind.String) return value.ToJsonString();

        var text = value.GetValue<string>();
        if (IsPlain(text)) return text;
        return text.Contains('\n', StringComparison.Ordinal) && IsBlock(text) ? Block(text, indent) : Quoted(text);
    }

    private static bool IsBlock(string text) =>
        !text.StartsWith(' ') && !text.StartsWith('\n') && !text.EndsWith(" \n", StringComparison.Ordinal) && text.TrimEnd('\n').Length > 0
        && !text.Any(c => c is '\t' or '\r' or (< ' ' and not '\n') or '\x7f' or '\x85' or '\u2028' or '\u2029' or '\ufeff');

    private static string Block(string text, int indent)
    {
        var body = text.TrimEnd('\n');
        var newlines = text.Length - body.Length;
        var block = new StringBuilder(newlines switch { 0 => "|-", 1 => "|", _ => "|+" });
        foreach (var line in body.Split('\n'))
        {
            block.Append('\n');
            if (line.Length > 0) block.Append(' ', indent).Append(line);
        }
        if (newlines > 1) block.Append('\n', newlines - 1);
        return block.ToString();
    }

    private static string Quoted(string text)
    {
        if (!text.Any(c => c < ' ' || c is '\x7f' or '\x85' or '\u2028' or '\u2029' or '\ufeff')) return text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) && !text.Contains('\\', StringComparison.Ordinal)
            ? $"\"{text}\"" : NumberLike().IsMatch(text) ? $"\"{text}\"" : $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";

        var quoted = new StringBuilder("\"");
        foreach (var c in text)
            quoted.Append(c switch
            {
                '"' => "\\\"", '\\' => "\\\\", '\n' => "\\n", '\t' => "\\t", '\r' => "\\r",
                < ' ' or '\x7f' or '\x85' or '\u2028' or '\u2029' or '\ufeff' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => c.ToString(),
            });
        return quoted.Append('"').ToString();
    }

    /// <summary>May it stand without quotes and still be read as the same string, by YAML 1.1 and 1.2 alike?</summary>
    private static bool IsPlain(string text)
    {
        if (text.Length == 0 || char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1])) return false;
        if ("-?:,[]{}#&*!|>'\"%@`=<".Contains(text[0], StringComparison.Ordinal) && !(text[0] == '-' && text.Length > 1 && text[1] is not (' ' or '-') && !char.IsAsciiDigit(text[1]) && text[1] != '.'))
            if (!(text.Length > 2 && text.StartsWith("--", StringComparison.Ordinal) && char.IsAsciiLetter(text[2]))) return false;
        if (text.Contains(": ", StringComparison.Ordinal) || text.EndsWith(':') || text.Contains(" #", StringComparison.Ordinal)) return false;
        if (text.Any(c => c < ' ' || c is '\x7f' or '\x85' or '\u2028' or '\u2029' or '\ufeff')) return false;
        return !Words.Contains(text) && !NumberLike().IsMatch(text);
    }

    private static readonly HashSet<string> Words = new(StringComparer.OrdinalIgnoreCase)
        { "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n" };

    // Integers, floats, hexadecimal, octal, binary, base 60, infinities and dates.
    [GeneratedRegex(@"^[-+]?(\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?|\.\d[\d_]*([eE][-+]?\d+)?|0[xX][\da-fA-F_]+|0[oO]?[0-7_]+|0[bB][01_]+|\d[\d_]*(:[0-5]?\d)+(\.\d*)?|\.(inf|nan))$|^\.(inf|nan|Inf|NaN|INF|NAN)$|^\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?$", RegexOptions.CultureInvariant)]
    private static partial Regex NumberLike();
}
