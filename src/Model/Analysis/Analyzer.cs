namespace Mesh.Model.Analysis;

/// <summary>One named look at the resources; the names are Istio's, so that <c>--analyzer</c> takes the same.</summary>
public sealed record Analyzer(string Name, string About, Action<Findings> Run)
{
    /// <summary>It compares with what runs (Pods, Services, Namespaces, Nodes, Secrets); where none of these are known it could only be wrong.</summary>
    public bool NeedsRuntime { get; init; }

    /// <summary>It tells what Istio does and this mesh does not: Istio has no such analyzer.</summary>
    public bool IsDifference { get; init; }
}
