namespace Mesh.Model.Analysis;

/// <summary>All objects under analysis, by kind. A later object of the same kind and name replaces an earlier one, as applying it would.</summary>
public sealed class ResourceSet
{
    private const string Istio = ".istio.io";
    private readonly Dictionary<(string Group, string Kind), Dictionary<string, AnalyzedResource>> kinds = [];

    private static readonly (string Group, string Kind)[] RuntimeKinds = [("", "Pod"), ("", "Service"), ("", "Namespace"), ("", "Node"), ("", "Secret")];

    /// <summary>Is anything here that runs, or only configuration?</summary>
    public bool HasRuntime => RuntimeKinds.Any(kinds.ContainsKey);

    public void Add(AnalyzedResource resource)
    {
        var key = (resource.Resource.Group, resource.Kind);
        if (!kinds.TryGetValue(key, out var all)) kinds[key] = all = [];
        all[$"{resource.Cluster}|{resource.FullName}"] = resource;
    }

    /// <summary>Istio's own kinds need no group; Gateway, which exists twice, means Istio's.</summary>
    public IEnumerable<AnalyzedResource> All(string kind)
    {
        foreach (var ((group, name), all) in kinds)
            if (name == kind && (group.Length == 0 || group.EndsWith(Istio, StringComparison.Ordinal) || kind != "Gateway" && !group.StartsWith("gateway.", StringComparison.Ordinal)))
                foreach (var resource in all.Values) yield return resource;
    }

    public IEnumerable<AnalyzedResource> All(string group, string kind) => kinds.TryGetValue((group, kind), out var all) ? all.Values : [];

    public AnalyzedResource? Find(string group, string kind, string fullName, string cluster = "") =>
        kinds.TryGetValue((group, kind), out var all) ? all.GetValueOrDefault($"{cluster}|{fullName}") : null;

    public AnalyzedResource? Namespace(string name) => Find("", "Namespace", name);
    public AnalyzedResource? Gateway(string fullName) => Find("networking.istio.io", "Gateway", fullName);

    public IEnumerable<AnalyzedResource> Pods => All("", "Pod");
    public IEnumerable<AnalyzedResource> Services => All("", "Service");
}
