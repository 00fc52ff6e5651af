using System.Globalization;

namespace Mesh.Model.Yaml;

/// <summary>Short ways into objects whose shape no schema table describes (Pods, Services, webhooks…). All answer null or empty for what is not there.</summary>
public static class NodePaths
{
    public static Node? At(this Node? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
            node = (node as MapNode)?[name];
        return node is ScalarNode { IsNull: true } ? null : node;
    }

    public static string? TextAt(this Node? node, params ReadOnlySpan<string> path) => (node.At(path) as ScalarNode)?.Text;

    public static long? NumberAt(this Node? node, params ReadOnlySpan<string> path) =>
        node.At(path) is ScalarNode scalar && long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    public static IReadOnlyList<Node> ItemsAt(this Node? node, params ReadOnlySpan<string> path) => node.At(path) is ListNode list ? list.Items : [];

    /// <summary>A map of strings; values that are no scalars are left out.</summary>
    public static Dictionary<string, string> TextsAt(this Node? node, params ReadOnlySpan<string> path)
    {
        var texts = new Dictionary<string, string>();
        if (node.At(path) is MapNode map)
            foreach (var (name, value) in map.Fields)
                if (value is ScalarNode scalar) texts[name] = scalar.Text;
        return texts;
    }
}
