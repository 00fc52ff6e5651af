namespace Mesh.Model.Schema;

/// <summary>Bounds on one value; null where there is none. <see cref="Rules"/> are CRD rules by name.</summary>
public sealed record Limits
{
    public static readonly Limits None = new();

    public int? LengthMin { get; init; }
    public int? LengthMax { get; init; }
    public string? Pattern { get; init; }
    public decimal? Minimum { get; init; }
    public decimal? Maximum { get; init; }
    public int? ItemsMin { get; init; }
    public int? ItemsMax { get; init; }
    public int? PropertiesMin { get; init; }
    public int? PropertiesMax { get; init; }
    public IReadOnlyList<CrdRule> Rules { get; init; } = [];
}
