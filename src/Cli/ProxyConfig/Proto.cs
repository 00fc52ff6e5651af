using System.Globalization;
using System.Text.Json.Nodes;

namespace Mesh.Cli.ProxyConfig;

/// <summary>Reads protobuf's JSON, which writes a field either as connect_timeout or as connectTimeout, and rewrites it in the second form.</summary>
internal static class Proto
{
    // Below these fields the keys are data of the user's (a Struct), not names of fields.
    private static readonly HashSet<string> Structs = ["filter_metadata", "filterMetadata", "json_format", "jsonFormat", "dynamic_parameters", "static_layer", "staticLayer"];
    private const string TypedStruct = "type.googleapis.com/xds.type.v3.TypedStruct", OldTypedStruct = "type.googleapis.com/udpa.type.v1.TypedStruct";

    // The keys of these are names; what they lead to are messages again.
    private static readonly HashSet<string> Maps = ["typed_per_filter_config", "typedPerFilterConfig", "typed_extension_protocol_options", "typedExtensionProtocolOptions", "typed_filter_metadata",
        "key_values", "keyValues", "providers", "policies", "requirement_map", "requirementMap"];

    public static JsonNode? Get(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (node is not JsonObject map) return null;
            node = map[name] ?? map[Camel(name)];
        }
        return node;
    }

    public static string Text(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Get(path) is JsonValue value ? value.ToString() : "";

    /// <summary>0 where the field is absent, as protobuf has it.</summary>
    public static int Number(this JsonNode? node, params ReadOnlySpan<string> path) =>
        int.TryParse(node.Text(path), CultureInfo.InvariantCulture, out var number) ? number : 0;

    public static IEnumerable<JsonNode> Items(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Get(path) is JsonArray array ? array.OfType<JsonNode>() : [];

    public static IReadOnlyList<string> Texts(this JsonNode? node, params ReadOnlySpan<string> path) =>
        [.. node.Items(path).Select(item => item.ToString())];

    /// <summary>The same message with its fields' names in lowerCamelCase.</summary>
    public static JsonNode? ToCamel(JsonNode? node) => node switch
    {
        JsonObject map => CamelObject(map),
        JsonArray array => new JsonArray([.. array.Select(ToCamel)]),
        _ => node?.DeepClone(),
    };

    private static JsonObject CamelObject(JsonObject map)
    {
        var camel = new JsonObject();
        var isStruct = map.Text("@type") is TypedStruct or OldTypedStruct;
        foreach (var (name, value) in map)
            camel[Camel(name)] = value switch
            {
                _ when Structs.Contains(name) || isStruct || (name == "metadata" && value is JsonObject o && !IsMetadataMessage(o)) => value?.DeepClone(),
                JsonValue time when name is "last_updated" or "lastUpdated" => time.ToString().Replace(".000Z", "Z", StringComparison.Ordinal),
                JsonObject inner when Maps.Contains(name) => new JsonObject(inner.Select(entry => KeyValuePair.Create(entry.Key, ToCamel(entry.Value)))),
                _ => ToCamel(value),
            };
        return camel;
    }

    /// <summary>A node's metadata is a Struct; a route's or a cluster's is a message with filter_metadata in it.</summary>
    private static bool IsMetadataMessage(JsonObject metadata) =>
        metadata.All(field => field.Key is "filter_metadata" or "filterMetadata" or "typed_filter_metadata" or "typedFilterMetadata");

    private static string Camel(string name)
    {
        if (!name.Contains('_', StringComparison.Ordinal) || name.Any(c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '_')) return name; // no field is called so

        var words = name.Split('_');
        return words[0] + string.Concat(words.Skip(1).Select(word => word.Length == 0 ? "" : char.ToUpperInvariant(word[0]) + word[1..]));
    }
}
