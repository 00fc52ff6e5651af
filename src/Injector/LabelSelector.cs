using System.Collections.Immutable;
using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>In, NotIn, Exists or DoesNotExist over one label.</summary>
public sealed record LabelRequirement(string Key, string Operator, ImmutableArray<string> Values)
{
    internal bool IsValid => Operator switch
    {
        "In" or "NotIn" => Key.Length > 0 && !Values.IsEmpty,
        "Exists" or "DoesNotExist" => Key.Length > 0 && Values.IsEmpty,
        _ => false,
    };

    internal bool Matches(IReadOnlyDictionary<string, string> labels)
    {
        var present = labels.TryGetValue(Key, out var value);
        return Operator switch
        {
            "In" => present && Values.Contains(value!),
            "NotIn" => !present || !Values.Contains(value!), // an absent label is "not in" (Kubernetes' rule)
            "Exists" => present,
            _ => !present,
        };
    }
}

/// <summary>Kubernetes' label selector. An empty one matches everything where an API uses it as a filter.</summary>
public sealed record LabelSelector(ImmutableArray<LabelRequirement> Requirements)
{
    public static LabelSelector Everything { get; } = new([]);

    public bool IsEmpty => Requirements.IsEmpty;

    public bool Matches(IReadOnlyDictionary<string, string> labels) => Requirements.All(requirement => requirement.Matches(labels));

    /// <returns>Null when the selector is not valid: such a selector selects nothing.</returns>
    public static LabelSelector? Parse(JsonNode? node)
    {
        if (node is not (null or JsonObject)) return null;

        var requirements = ImmutableArray.CreateBuilder<LabelRequirement>();
        foreach (var (key, value) in node.At("matchLabels").Strings()) requirements.Add(new(key, "In", [value]));
        foreach (var item in node.At("matchExpressions").Objects())
            requirements.Add(new(item["key"].Text() ?? "", item["operator"].Text() ?? "", [.. item["values"].Texts()]));

        return requirements.All(requirement => requirement.IsValid) ? new(requirements.ToImmutable()) : null;
    }

    public JsonObject ToJson() => Map(("matchExpressions", List([.. Requirements.Select(requirement => Map(
        ("key", requirement.Key),
        ("operator", requirement.Operator),
        ("values", requirement.Values.IsEmpty ? null : Strings(requirement.Values))))])));
}
