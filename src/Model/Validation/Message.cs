using System.Diagnostics;
using System.Globalization;
using Mesh.Model.Schema;
using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>
/// An object of a known shape, read the way Istio reads protobuf JSON: absent and zero are alike, a oneof keeps its last member,
/// an empty list is no list, an empty map is a map. Asking for a field the shape lacks is a bug.
/// </summary>
public sealed class Message(MessageType type, Node? source)
{
    private readonly Dictionary<string, object> values = [];

    public MessageType Type { get; } = type;

    /// <summary>Where it was written; null for a null list item.</summary>
    public Node? Source { get; } = source;

    /// <summary>True for a value that was given (for lists: with at least one item).</summary>
    public bool Has(string field) => values.ContainsKey(Checked(field));

    public string Text(string field) => values.TryGetValue(Checked(field), out var v) ? (string)v : "";
    public bool Is(string field) => values.TryGetValue(Checked(field), out var v) && (bool)v;

    /// <summary>Zero when absent; a double is rounded towards zero.</summary>
    public long Number(string field) => values.TryGetValue(Checked(field), out var v) ? (long)v : 0;
    public double Double(string field) => values.TryGetValue(Checked(field), out var v) ? (double)v : 0;

    /// <summary>In nanoseconds; null when absent.</summary>
    public long? Duration(string field) => values.TryGetValue(Checked(field), out var v) ? (long)v : null;

    /// <summary>The enum value's name; the zero value's when absent.</summary>
    public string Enum(string field) => values.TryGetValue(Checked(field), out var v) ? (string)v : Type.Find(field)!.Enum!.NameOf(0) ?? "";

    public Message? Child(string field) => values.TryGetValue(Checked(field), out var v) ? (Message)v : null;
    public IReadOnlyList<Message> Children(string field) => values.TryGetValue(Checked(field), out var v) ? (IReadOnlyList<Message>)v : [];
    public IReadOnlyList<string> Texts(string field) => values.TryGetValue(Checked(field), out var v) ? (IReadOnlyList<string>)v : [];
    public IReadOnlyList<long> Numbers(string field) => values.TryGetValue(Checked(field), out var v) ? (IReadOnlyList<long>)v : [];

    /// <summary>In the order written; empty when absent.</summary>
    public IReadOnlyList<KeyValuePair<string, object>> Map(string field) =>
        values.TryGetValue(Checked(field), out var v) ? (IReadOnlyList<KeyValuePair<string, object>>)v : [];

    public IEnumerable<KeyValuePair<string, string>> TextMap(string field) => Map(field).Select(e => KeyValuePair.Create(e.Key, (string)e.Value));

    /// <summary>The member of a oneof that is set, or null.</summary>
    public string? Which(string oneof)
    {
        foreach (var field in Type.Fields)
            if (field.Oneof == oneof && values.ContainsKey(field.Name)) return field.Name;
        return null;
    }

    /// <summary>The node of a field, or of this message when the field was not written.</summary>
    public Node? At(string field) =>
        Source is MapNode map ? map[field] ?? (Type.Find(field) is { } known ? map[known.ProtoName] : null) ?? Source : Source;

    /// <summary>Raw YAML of a field of free form; null when absent.</summary>
    public Node? Raw(string field) => values.TryGetValue(Checked(field), out var v) ? (Node)v : null;

    /// <summary>The same text for the same content, whatever the order of writing; the field <paramref name="without"/> is left out.</summary>
    public string Canonical(string? without = null)
    {
        var text = new System.Text.StringBuilder();
        Write(this, text, without);
        return text.ToString();
    }

    internal void Set(Field field, object value)
    {
        if (field.Oneof is { } oneof)
            foreach (var other in Type.Fields)
                if (other.Oneof == oneof) values.Remove(other.Name);
        values[field.Name] = value;
    }

    private string Checked(string field)
    {
        Debug.Assert(Type.Find(field)?.Name == field, $"{Type} has no field '{field}'");
        return field;
    }

    private static void Write(object value, System.Text.StringBuilder to, string? without)
    {
        switch (value)
        {
            case Message message:
                to.Append('{');
                foreach (var field in message.Type.Fields)
                {
                    if (field.Name == without || !message.values.TryGetValue(field.Name, out var v)) continue;
                    to.Append(field.Name).Append(':');
                    Write(v, to, null);
                    to.Append(';');
                }
                to.Append('}');
                break;
            case IReadOnlyList<KeyValuePair<string, object>> map:
                to.Append('{');
                foreach (var (key, v) in map.OrderBy(e => e.Key, StringComparer.Ordinal))
                {
                    to.Append(key.Length).Append('#').Append(key).Append(':');
                    Write(v, to, null);
                    to.Append(';');
                }
                to.Append('}');
                break;
            case IReadOnlyList<Message> list:
                to.Append('[');
                foreach (var item in list) Write(item, to, null);
                to.Append(']');
                break;
            case IReadOnlyList<string> texts:
                to.Append('[');
                foreach (var item in texts) to.Append(item.Length).Append('#').Append(item);
                to.Append(']');
                break;
            case IReadOnlyList<long> numbers:
                to.Append('[').AppendJoin(',', numbers).Append(']');
                break;
            case Node node:
                to.Append(node.Path);
                break;
            case string text:
                to.Append(text.Length).Append('#').Append(text);
                break;
            default:
                to.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }
}
