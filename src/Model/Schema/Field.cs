namespace Mesh.Model.Schema;

/// <summary>One field of a message: its names, type, place in a oneof and bounds.</summary>
public sealed record Field(string Name, FieldKind Kind, Cardinality Cardinality)
{
    /// <summary>The protobuf spelling, which JSON readers take as well.</summary>
    public string ProtoName { get; init; } = Name;

    /// <summary>A second spelling that the CRD lists as a property of its own; null mostly.</summary>
    public string? CrdAlias { get; init; }

    /// <summary>Null may stand for the value, and absent differs from zero (a protobuf wrapper).</summary>
    public bool IsNullable { get; init; }
    public bool IsRequired { get; init; }
    public bool IsDeprecated { get; init; }

    /// <summary>Checked, but nothing in this mesh acts on it: analysis says so where it is set.</summary>
    public bool HasNoEffect { get; init; }
    public string? Oneof { get; init; }
    public FieldKind KeyKind { get; init; } = FieldKind.Text;

    /// <summary>Full name of the message or enum; null for plain kinds.</summary>
    public string? TypeName { get; init; }

    /// <summary>A number or a name: Kubernetes' IntOrString.</summary>
    public bool IsIntOrString { get; init; }

    /// <summary>Bounds of the value; for lists and maps those of the whole.</summary>
    public Limits Limits { get; init; } = Limits.None;

    /// <summary>Bounds of each list item or map value.</summary>
    public Limits ElementLimits { get; init; } = Limits.None;

    /// <summary>Item fields that together must be unique in the list (Kubernetes' map lists).</summary>
    public IReadOnlyList<string> ListKeys { get; init; } = [];

    /// <summary>What the API server fills in when the field is absent, as YAML; null mostly.</summary>
    public string? Default { get; init; }

    public MessageType? Message => Kind == FieldKind.Message ? Catalogue.Message(TypeName!) : null;
    public EnumType? Enum => Kind == FieldKind.Enum ? Catalogue.Enum(TypeName!) : null;
}
