namespace Mesh.Model.Validation;

/// <summary>May this resource come in? Any error refuses it; warnings only speak.</summary>
public sealed record Verdict(IReadOnlyList<Finding> Errors, IReadOnlyList<Finding> Warnings)
{
    public static readonly Verdict Accepted = new([], []);

    public bool IsAllowed => Errors.Count == 0;
}
