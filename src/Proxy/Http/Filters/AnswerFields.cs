using System.Text;
using Mesh.Http;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Fields that a service asked beside the request wants on the answer, kept with the exchange until there is one.</summary>
internal static class AnswerFields
{
    /// <summary>True for what HTTP can carry as a value: other parties' text may hold line breaks that would begin a field of their own.</summary>
    public static bool IsValue(string text) => !text.AsSpan().ContainsAnyInRange('\0', '\b') && !text.AsSpan().ContainsAnyInRange('\n', '\x1f') && !text.Contains('\x7f', StringComparison.Ordinal);

    public static void Keep(Exchange exchange, string key, IEnumerable<KeyValuePair<string, string>> fields)
    {
        var text = string.Join('\n', fields.Where(field => IsValue(field.Value) && HeaderName.TryParse(field.Key) is not null).Select(field => $"{field.Key}:{field.Value}"));
        if (text.Length > 0) exchange.SetFilterState(key, text);
    }

    /// <returns>In the order in which they were kept.</returns>
    public static IEnumerable<(HeaderName Name, byte[] Value)> Kept(Exchange exchange, string key)
    {
        foreach (var line in (exchange.GetFilterState(key) ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            yield return (HeaderName.TryParse(line[..colon])!, Encoding.Latin1.GetBytes(line[(colon + 1)..]));
        }
    }
}
