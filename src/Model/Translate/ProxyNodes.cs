using Google.Protobuf.WellKnownTypes;
using Mesh.Model.World;
using Mesh.Model.Yaml;
using Proto = Envoy.Config.Core.V3;

namespace Mesh.Model.Translate;

/// <summary>Envoy's Node message to the proxy it introduces.</summary>
public static class ProxyNodes
{
    private const string OwnName = "mesh";

    /// <returns>Null when the id is not of Istio's form.</returns>
    public static ProxyNode? From(Proto.Node node)
    {
        var proxy = Parse(node);
        // Our own proxy says its name; it has Istio's filters. A stock Envoy under Istio's metadata has not.
        return proxy is null || node.UserAgentName != OwnName ? proxy : proxy with { HasIstioFilters = true };
    }

    private static ProxyNode? Parse(Proto.Node node) => ProxyNode.Parse(
        node.Id, node.Cluster, new(node.Locality?.Region ?? "", node.Locality?.Zone ?? "", node.Locality?.SubZone ?? ""),
        node.Metadata is null ? null : Map(node.Metadata, null));

    private static MapNode Map(Struct from, FieldPath? path) => new(
        new("node", 0), path, [.. from.Fields.OrderBy(field => field.Key, StringComparer.Ordinal)
            .Select(field => new KeyValuePair<string, Yaml.Node>(field.Key, From(field.Value, FieldPath.Field(path, field.Key))))]);

    private static Yaml.Node From(Value value, FieldPath path) => value.KindCase switch
    {
        Value.KindOneofCase.StructValue => Map(value.StructValue, path),
        Value.KindOneofCase.ListValue => new ListNode(new("node", 0), path, [.. value.ListValue.Values.Select((item, i) => From(item, FieldPath.Item(path, i)))]),
        Value.KindOneofCase.StringValue => new ScalarNode(new("node", 0), path, value.StringValue, true),
        Value.KindOneofCase.BoolValue => new ScalarNode(new("node", 0), path, value.BoolValue ? "true" : "false", false),
        Value.KindOneofCase.NumberValue => new ScalarNode(new("node", 0), path, value.NumberValue.ToString(System.Globalization.CultureInfo.InvariantCulture), false),
        _ => new ScalarNode(new("node", 0), path, "null", false),
    };
}
