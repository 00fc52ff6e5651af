using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>Matching labels: equality maps, and Kubernetes' selectors with expressions.</summary>
public static class LabelSelectors
{
    /// <summary>An empty selector matches all.</summary>
    public static bool Matches(IReadOnlyDictionary<string, string> selector, IReadOnlyDictionary<string, string> labels)
    {
        foreach (var (key, value) in selector)
            if (!labels.TryGetValue(key, out var actual) || actual != value) return false;
        return true;
    }

    /// <summary>key=value pairs, sorted by key and joined by commas.</summary>
    public static string Shown(IReadOnlyDictionary<string, string> selector) =>
        string.Join(',', selector.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => $"{s.Key}={s.Value}"));

    /// <summary>The key that <see cref="Shown"/> begins with; empty for an empty selector.</summary>
    public static string FirstKey(IReadOnlyDictionary<string, string> selector) => selector.Keys.Order(StringComparer.Ordinal).FirstOrDefault() ?? "";

    /// <param name="selector">matchLabels and matchExpressions; null matches all.</param>
    public static bool Matches(Node? selector, IReadOnlyDictionary<string, string> labels)
    {
        if (selector is null) return true;
        if (!Matches(selector.TextsAt("matchLabels"), labels)) return false;

        foreach (var expression in selector.ItemsAt("matchExpressions"))
        {
            var key = expression.TextAt("key") ?? "";
            var values = expression.ItemsAt("values").OfType<ScalarNode>().Select(v => v.Text).ToList();
            var has = labels.TryGetValue(key, out var actual);
            var holds = expression.TextAt("operator") switch
            {
                "In" => has && values.Contains(actual!),
                "NotIn" => !has || !values.Contains(actual!),
                "Exists" => has,
                "DoesNotExist" => !has,
                _ => false,
            };
            if (!holds) return false;
        }
        return true;
    }
}
