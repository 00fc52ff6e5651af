using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>Collects what the rules have to say about one resource.</summary>
public sealed class Report(Node resource)
{
    // More would help nobody, and a hostile resource could make millions.
    private const int FindingsMax = 200;

    // A message quotes what it refuses, and that may be a megabyte. Longer than what any sound resource makes.
    private const int MessageCharsMax = 8192;

    private readonly List<Finding> errors = [];
    private readonly List<Finding> warnings = [];

    public IReadOnlyList<Finding> Errors => errors;
    public IReadOnlyList<Finding> Warnings => warnings;

    /// <param name="problem">Null says nothing, so that a check can be handed in directly.</param>
    public void Error(string? problem, Node? at = null)
    {
        if (problem is not null && errors.Count < FindingsMax) errors.Add(Finding(problem, at));
    }

    public void Warn(string? problem, Node? at = null)
    {
        if (problem is not null && warnings.Count < FindingsMax) warnings.Add(Finding(problem, at));
    }

    /// <summary>A warning that analysis reports under a code of its own, with these parameters.</summary>
    public void Warn(string problem, Node? at, string analysisCode, params string[] parameters)
    {
        if (warnings.Count < FindingsMax) warnings.Add(Finding(problem, at) with { AnalysisCode = analysisCode, Parameters = parameters });
    }

    /// <summary>Takes over what another report found.</summary>
    public void Add(Finding error)
    {
        if (errors.Count < FindingsMax) errors.Add(error);
    }

    public void AddWarning(Finding warning)
    {
        if (warnings.Count < FindingsMax) warnings.Add(warning);
    }

    public Verdict Verdict => errors.Count == 0 && warnings.Count == 0 ? Verdict.Accepted : new([.. errors], [.. warnings]);

    private Finding Finding(string problem, Node? at)
    {
        var node = at ?? resource;
        return new(problem.Length > MessageCharsMax ? $"{problem[..(MessageCharsMax / 2)]} … {problem[^(MessageCharsMax / 2)..]}" : problem, node.Origin, node.Path);
    }
}
