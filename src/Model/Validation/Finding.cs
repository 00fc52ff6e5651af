using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>One thing said about a resource: in Istio's words, with the place it was written and the field it is about (empty: the whole resource).</summary>
public sealed record Finding(string Message, Origin Origin, string Field)
{
    /// <summary>The analysis code that reports this finding instead of the general one; null mostly.</summary>
    public string? AnalysisCode { get; init; }
    public IReadOnlyList<string> Parameters { get; init; } = [];
}
