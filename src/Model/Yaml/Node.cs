namespace Mesh.Model.Yaml;

/// <summary>Where a value was written. Line is 1-based; 0 when the source has no lines (a watch event).</summary>
public readonly record struct Origin(string File, int Line)
{
    public override string ToString() => Line > 0 ? $"{File}:{Line}" : File;
}

/// <summary>One value of a YAML or JSON document that knows where it stands: file, line and field path.</summary>
public abstract class Node(Origin origin, string path)
{
    public Origin Origin { get; } = origin;

    /// <summary>For example <c>spec.http[0].route[1].weight</c>; empty at the top of a document.</summary>
    public string Path { get; } = path;
}

/// <summary>Keys stay in the order in which they were written.</summary>
public sealed class MapNode(Origin origin, string path, IReadOnlyList<KeyValuePair<string, Node>> fields) : Node(origin, path)
{
    public IReadOnlyList<KeyValuePair<string, Node>> Fields { get; } = fields;

    /// <returns>Null when the key is absent.</returns>
    public Node? this[string key]
    {
        get
        {
            foreach (var field in Fields)
                if (field.Key == key) return field.Value;
            return null;
        }
    }
}

public sealed class ListNode(Origin origin, string path, IReadOnlyList<Node> items) : Node(origin, path)
{
    public IReadOnlyList<Node> Items { get; } = items;
}

/// <summary>A string, number, boolean or null. <see cref="IsQuoted"/> tells "1" from 1.</summary>
public sealed class ScalarNode(Origin origin, string path, string text, bool isQuoted) : Node(origin, path)
{
    public string Text { get; } = text;
    public bool IsQuoted { get; } = isQuoted;
    public bool IsNull => !IsQuoted && Text is "" or "~" or "null" or "Null" or "NULL";
}
