using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>Names, labels and annotations of any Kubernetes object.</summary>
public sealed class Resource
{
    private readonly MapNode? metadata;

    public Resource(MapNode node)
    {
        Node = node;
        metadata = node["metadata"] as MapNode;
        Kind = Text(node["kind"]);
        ApiVersion = Text(node["apiVersion"]);
        var slash = ApiVersion.IndexOf('/', StringComparison.Ordinal);
        (Group, Version) = slash < 0 ? ("", ApiVersion) : (ApiVersion[..slash], ApiVersion[(slash + 1)..]);
        Name = Text(metadata?["name"]);
        Namespace = Text(metadata?["namespace"]);
    }

    public MapNode Node { get; }
    public string ApiVersion { get; }
    public string Group { get; }
    public string Version { get; }
    public string Kind { get; }
    public string Name { get; }

    /// <summary>Empty when the object names none.</summary>
    public string Namespace { get; init; }

    public Node? Spec => Node["spec"];

    public string? Label(string name) => ((metadata?["labels"] as MapNode)?[name] as ScalarNode)?.Text;
    public string? Annotation(string name) => ((metadata?["annotations"] as MapNode)?[name] as ScalarNode)?.Text;
    public IEnumerable<KeyValuePair<string, string>> Labels => Map("labels");
    public IEnumerable<KeyValuePair<string, string>> Annotations => Map("annotations");

    /// <summary>Where an annotation stands, or the annotations, or the object.</summary>
    public Node AnnotationNode(string name) => (metadata?["annotations"] as MapNode)?[name] ?? Node;

    public override string ToString() => $"{Kind} {Namespace}/{Name}";

    private IEnumerable<KeyValuePair<string, string>> Map(string name) =>
        metadata?[name] is MapNode map ? map.Fields.Where(f => f.Value is ScalarNode).Select(f => KeyValuePair.Create(f.Key, ((ScalarNode)f.Value).Text)) : [];

    private static string Text(Node? node) => node is ScalarNode { IsNull: false } scalar ? scalar.Text : "";
}
