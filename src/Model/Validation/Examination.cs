using Mesh.Model.Schema;

namespace Mesh.Model.Validation;

/// <summary>What came of looking at one resource.</summary>
/// <param name="Kind">Null for a kind that is none of ours; then the verdict accepts.</param>
/// <param name="IsUnreadable">The errors are about its shape (types, unknown fields); its meaning was not looked at.</param>
public sealed record Examination(ResourceKind? Kind, Resource? Resource, bool IsUnreadable, Verdict Verdict)
{
    public static readonly Examination OfUnknownKind = new(null, null, false, Verdict.Accepted);
}
