using Mesh.Model.Yaml;

namespace Mesh.Model.Schema;

/// <summary>Fills in what the API server would from the CRD before a controller sees the resource.</summary>
public static class Defaults
{
    /// <returns>The same object when nothing is missing or the kind is not ours.</returns>
    public static MapNode Apply(MapNode resource)
    {
        if (resource["kind"] is not ScalarNode kind || resource["apiVersion"] is not ScalarNode version || resource["spec"] is not MapNode spec) return resource;
        var slash = version.Text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || Catalogue.Find(version.Text[..slash], kind.Text) is not { } known) return resource;

        var filled = Fill(known.Spec, spec);
        return ReferenceEquals(filled, spec) ? resource : With(resource, "spec", filled);
    }

    private static MapNode Fill(MessageType type, MapNode map)
    {
        var result = map;
        foreach (var field in type.Fields)
        {
            var value = result[field.Name];
            if (value is null or ScalarNode { IsNull: true } && field.Default is not null)
            {
                if (field.Default is null) continue;
                value = Parse(field.Default, map, field.Name);
                result = With(result, field.Name, value);
            }
            if (field.Kind != FieldKind.Message) continue;

            var inner = field.Cardinality switch
            {
                Cardinality.List when value is ListNode list => FillList(field.Message!, list),
                Cardinality.One when value is MapNode child => Fill(field.Message!, child),
                _ => value!,
            };
            if (!ReferenceEquals(inner, value)) result = With(result, field.Name, inner);
        }
        return result;
    }

    private static ListNode FillList(MessageType type, ListNode list)
    {
        Node[]? items = null;
        for (var i = 0; i < list.Items.Count; i++)
        {
            if (list.Items[i] is not MapNode map) continue;
            var filled = Fill(type, map);
            if (ReferenceEquals(filled, map)) continue;
            items ??= [.. list.Items];
            items[i] = filled;
        }
        return items is null ? list : new(list.Origin, list.Place, items);
    }

    private static MapNode With(MapNode map, string name, Node value)
    {
        var fields = map.Fields.Where(f => f.Key != name).Append(KeyValuePair.Create(name, value)).ToList();
        return new(map.Origin, map.Place, fields);
    }

    /// <summary>The default stands where its owner stands, so that messages about it point somewhere.</summary>
    private static Node Parse(string text, MapNode owner, string name)
    {
        var path = FieldPath.Field(owner.Place, name);
        if (text.Length == 0) return new ScalarNode(owner.Origin, path, "", true);

        return Move(YamlReader.Read(text, "", out _)[0], owner.Origin, path);
    }

    private static Node Move(Node node, Origin origin, FieldPath path) => node switch
    {
        MapNode map => new MapNode(origin, path, [.. map.Fields.Select(f => KeyValuePair.Create(f.Key, Move(f.Value, origin, FieldPath.Field(path, f.Key))))]),
        ListNode list => new ListNode(origin, path, [.. list.Items.Select((item, i) => Move(item, origin, FieldPath.Item(path, i)))]),
        ScalarNode scalar => new ScalarNode(origin, path, scalar.Text, scalar.IsQuoted),
        _ => node,
    };
}
