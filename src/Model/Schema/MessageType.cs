namespace Mesh.Model.Schema;

/// <summary>An object shape by its protobuf name, which users meet in error messages.</summary>
public sealed class MessageType(string name, IReadOnlyList<Field> fields, IReadOnlyList<CrdRule> rules)
{
    private readonly Dictionary<string, Field> byName = Index(fields);

    public string Name { get; } = name;
    public IReadOnlyList<Field> Fields { get; } = fields;
    public IReadOnlyList<CrdRule> Rules { get; } = rules;

    /// <param name="name">In either spelling, JSON's or protobuf's.</param>
    public Field? Find(string name) => byName.GetValueOrDefault(name);

    public override string ToString() => Name;

    private static Dictionary<string, Field> Index(IReadOnlyList<Field> fields)
    {
        var index = new Dictionary<string, Field>(fields.Count * 2);
        foreach (var field in fields)
        {
            index[field.ProtoName] = field;
            index[field.Name] = field;
        }
        return index;
    }
}

public sealed record EnumType(string Name, IReadOnlyList<KeyValuePair<string, int>> Values)
{
    public string? NameOf(int number)
    {
        foreach (var (name, value) in Values)
            if (value == number) return name;
        return null;
    }

    public bool Has(string name) => Values.Any(v => v.Key == name);
}
