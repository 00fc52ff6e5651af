using System.Collections.Frozen;

namespace Mesh.Model.Schema;

/// <summary>All shapes and kinds we know, read once from the tables beside this file.</summary>
public static class Catalogue
{
    private static readonly string[] Tables = ["types", "networking", "security", "telemetry", "extensions", "mesh", "gatewayapi", "ratelimit"];
    private static readonly Lazy<Contents> All = new(Read);

    public static IReadOnlyList<ResourceKind> Kinds => All.Value.Kinds;

    /// <summary>Null for a kind that is none of ours. The version does not matter: all versions of a kind share one shape.</summary>
    public static ResourceKind? Find(string group, string kind) => All.Value.ByGroupKind.GetValueOrDefault((group, kind));

    public static MessageType Message(string name) =>
        All.Value.Messages.TryGetValue(name, out var type) ? type : throw new InvalidOperationException($"no message '{name}' in the schema tables");

    public static EnumType Enum(string name) =>
        All.Value.Enums.TryGetValue(name, out var type) ? type : throw new InvalidOperationException($"no enum '{name}' in the schema tables");

    public static IEnumerable<MessageType> Messages => All.Value.Messages.Values;

    private static Contents Read()
    {
        var reader = new TableReader();
        foreach (var table in Tables)
        {
            using var stream = typeof(Catalogue).Assembly.GetManifestResourceStream($"{table}.schema")
                ?? throw new InvalidOperationException($"the schema table '{table}' is not in the assembly");
            using var text = new StreamReader(stream);
            reader.Read(table, text);
        }
        return new(reader.Kinds, reader.Kinds.ToFrozenDictionary(k => (k.Group, k.Kind)),
            reader.Messages.ToFrozenDictionary(m => m.Name), reader.Enums.ToFrozenDictionary(e => e.Name));
    }

    private sealed record Contents(IReadOnlyList<ResourceKind> Kinds, FrozenDictionary<(string Group, string Kind), ResourceKind> ByGroupKind,
        FrozenDictionary<string, MessageType> Messages, FrozenDictionary<string, EnumType> Enums);
}
