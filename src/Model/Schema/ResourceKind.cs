namespace Mesh.Model.Schema;

/// <summary>One served kind: its names, versions, the shape of its spec and what <c>kubectl get</c> shows.</summary>
public sealed record ResourceKind(string Kind, string Group)
{
    /// <summary>The version that is stored stands in <see cref="StorageVersion"/>.</summary>
    public required IReadOnlyList<string> Versions { get; init; }
    public required string StorageVersion { get; init; }
    public required string Plural { get; init; }
    public IReadOnlyList<string> ShortNames { get; init; } = [];
    public required string SpecName { get; init; }
    public bool SpecIsRequired { get; init; }
    public bool IsClusterWide { get; init; }
    public IReadOnlyList<CrdRule> SpecRules { get; init; } = [];
    public IReadOnlyList<PrinterColumn> Columns { get; init; } = [];

    public MessageType Spec => Catalogue.Message(SpecName);
}

public sealed record PrinterColumn(string Name, string Type, string JsonPath);
