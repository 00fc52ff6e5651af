using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

/// <summary>What names a resource: <c>group/Kind namespace/name</c>. The namespace is empty for cluster-wide kinds.</summary>
public readonly record struct ResourceKey(string Group, string Kind, string Namespace, string Name)
{
    public override string ToString() => Namespace.Length == 0 ? $"{Kind} {Name}" : $"{Kind} {Namespace}/{Name}";
}

/// <summary>The part that every Kubernetes object has.</summary>
public sealed record ResourceMeta(
    string Group, string Version, string Kind, string Namespace, string Name, LabelSet Labels, LabelSet Annotations,
    DateTimeOffset Created, string ResourceVersion, string Uid, long Generation, Origin Origin)
{
    public ResourceKey Key => new(Group, Kind, Namespace, Name);

    public bool IsBeingDeleted { get; init; }
}

/// <summary>
/// One object as it was accepted. Compared by reference: it is read once for each version of it, so "the same object" means "unchanged".
/// </summary>
public abstract class Resource(ResourceMeta meta)
{
    public ResourceMeta Meta { get; } = meta;

    public string Name => Meta.Name;

    public string Namespace => Meta.Namespace;

    public override string ToString() => Meta.Key.ToString();

    /// <summary>Istio's order among rivals: the oldest first, then by name, then by namespace.</summary>
    public static int ByAge(Resource a, Resource b)
    {
        var age = a.Meta.Created.CompareTo(b.Meta.Created);
        if (age != 0) return age;
        var name = string.CompareOrdinal(a.Name, b.Name);
        return name != 0 ? name : string.CompareOrdinal(a.Namespace, b.Namespace);
    }
}
