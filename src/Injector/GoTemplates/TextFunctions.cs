using System.Text;
using System.Text.Json.Nodes;
using static Mesh.Injector.GoTemplates.TemplateFunctions;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector.GoTemplates;

/// <summary>The functions that work on text.</summary>
internal static class TextFunctions
{
    public static JsonNode? Call(string name, IReadOnlyList<JsonNode?> a) => name switch
    {
        "trim" => Print(a[0]).Trim(),
        "trimAll" => Print(a[1]).Trim(Print(a[0]).ToCharArray()),
        "trimPrefix" => Print(a[1]).StartsWith(Print(a[0]), StringComparison.Ordinal) ? Print(a[1])[Print(a[0]).Length..] : Print(a[1]),
        "trimSuffix" => Print(a[1]).EndsWith(Print(a[0]), StringComparison.Ordinal) ? Print(a[1])[..^Print(a[0]).Length] : Print(a[1]),
        "trunc" => Truncated(Print(a[1]), (int)Number(a[0])),
        "upper" => Print(a[0]).ToUpperInvariant(),
        "lower" or "toLower" => Print(a[0]).ToLowerInvariant(),
        "contains" => Print(a[1]).Contains(Print(a[0]), StringComparison.Ordinal),
        "hasPrefix" => Print(a[1]).StartsWith(Print(a[0]), StringComparison.Ordinal),
        "hasSuffix" => Print(a[1]).EndsWith(Print(a[0]), StringComparison.Ordinal),
        "replace" => Print(a[2]).Replace(Print(a[0]), Print(a[1]), StringComparison.Ordinal),
        "split" or "splitList" => Strings(Print(a[1]).Split(Print(a[0]))),
        "join" => string.Join(Print(a[0]), (a[1] as JsonArray ?? []).Select(Print)),
        "repeat" => string.Concat(Enumerable.Repeat(Print(a[1]), Math.Clamp((int)Number(a[0]), 0, 1000))),
        "b64enc" => Convert.ToBase64String(Encoding.UTF8.GetBytes(Print(a[0]))),
        "b64dec" => Decoded(Print(a[0])),
        "directory" => Print(a[0]) is var path && path.LastIndexOf('/') is >= 0 and var slash ? path[..(slash + 1)] : "",
        _ => throw new FormatException($"function \"{name}\" is not known here"),
    };

    private static string Truncated(string text, int length) => length >= 0
        ? text[..Math.Min(length, text.Length)]
        : text[^Math.Min(-length, text.Length)..];

    private static string Decoded(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length) ? Encoding.UTF8.GetString(bytes, 0, length) : throw new FormatException("illegal base64 data");
    }
}
