namespace Mesh.Model.Yaml;

/// <summary>Where a value was written. Line is 1-based; 0 when the source has no lines (a watch event).</summary>
public readonly record struct Origin(string File, int Line)
{
    public override string ToString() => Line > 0 ? $"{File}:{Line}" : File;
}

/// <summary>One value of a YAML or JSON document that knows where it stands: file, line and field path.</summary>
public abstract class Node(Origin origin, FieldPath? place)
{
    public Origin Origin { get; } = origin;

    /// <summary>Null at the top of a document.</summary>
    public FieldPath? Place { get; } = place;

    /// <summary><see cref="Place"/> as text, for example <c>spec.http[0].route[1].weight</c>; empty at the top. Made anew each time.</summary>
    public string Path => Place?.ToString() ?? "";
}

/// <summary>Keys stay in the order in which they were written.</summary>
public sealed class MapNode(Origin origin, FieldPath? place, IReadOnlyList<KeyValuePair<string, Node>> fields) : Node(origin, place)
{
    private const int ScannedMax = 32; // beyond so many fields a look goes through an index, made at the first one
    private Dictionary<string, Node>? index;

    public IReadOnlyList<KeyValuePair<string, Node>> Fields { get; } = fields;

    /// <returns>Null when the key is absent.</returns>
    public Node? this[string key]
    {
        get
        {
            if (Fields.Count > ScannedMax) return (index ??= MakeIndex()).GetValueOrDefault(key);

            foreach (var field in Fields)
                if (field.Key == key) return field.Value;
            return null;
        }
    }

    /// <summary>Of equal keys the first counts, as in a scan. Two threads may both make it: they make the same.</summary>
    private Dictionary<string, Node> MakeIndex()
    {
        var made = new Dictionary<string, Node>(Fields.Count);
        foreach (var (name, value) in Fields) made.TryAdd(name, value);
        return made;
    }
}

public sealed class ListNode(Origin origin, FieldPath? place, IReadOnlyList<Node> items) : Node(origin, place)
{
    public IReadOnlyList<Node> Items { get; } = items;
}

/// <summary>A string, number, boolean or null. <see cref="IsQuoted"/> tells "1" from 1.</summary>
public sealed class ScalarNode(Origin origin, FieldPath? place, string text, bool isQuoted) : Node(origin, place)
{
    public string Text { get; } = text;
    public bool IsQuoted { get; } = isQuoted;
    public bool IsNull => !IsQuoted && Text is "" or "~" or "null" or "Null" or "NULL";
}
