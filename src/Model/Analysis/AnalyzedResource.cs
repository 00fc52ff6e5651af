using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>An object under analysis: what it says, where it stands, and from which cluster it came (empty: the only one).</summary>
public sealed class AnalyzedResource(Resource resource, Message? spec, string file, int line, string cluster)
{
    private Dictionary<string, string>? labels;
    private Dictionary<string, string>? annotations;

    public Resource Resource { get; } = resource;

    /// <summary>Null for kinds without a schema table; look into <see cref="Node"/> then.</summary>
    public Message? Spec { get; } = spec;
    public MapNode Node => Resource.Node;
    public string Kind => Resource.Kind;
    public string Name => Resource.Name;
    public string Namespace => Resource.Namespace;
    public string Cluster { get; } = cluster;
    public string File { get; } = file;

    /// <summary>Where the object begins; 0 when it came from no file.</summary>
    public int Line { get; } = line;

    public Dictionary<string, string> Labels => labels ??= Resource.Labels.ToDictionary();
    public Dictionary<string, string> Annotations => annotations ??= Resource.Annotations.ToDictionary();

    /// <summary>namespace/name, or the name alone where there is no namespace.</summary>
    public string FullName => Namespace.Length > 0 ? $"{Namespace}/{Name}" : Name;
    public string FriendlyName => $"{Kind} {FullName}";

    /// <summary>The line of a scalar at that path, or of the object.</summary>
    public int LineOf(Node? scalar) => scalar is ScalarNode { Origin.Line: > 0 } found ? found.Origin.Line : Line;

    public override string ToString() => FriendlyName;
}
