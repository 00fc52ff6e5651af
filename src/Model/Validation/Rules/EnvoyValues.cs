using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>The value of an EnvoyFilter patch: Envoy's own configuration, of which we know the outermost fields and the versions of types.</summary>
internal static class EnvoyValues
{
    private const string AnyPrefix = "type.googleapis.com/";
    private const int ValuesMax = 100_000;

    public static void Check(string target, MapNode value, Report report)
    {
        if (EnvoyFields.Of(target) is not { } shape)
        {
            report.Error($"Envoy filter: unknown object type for applyTo {target}", value);
            return;
        }

        var (types, left) = (new List<ScalarNode>(), ValuesMax);
        Collect(value, types, ref left);
        foreach (var type in types)
        {
            if (KnownType(type.Text)) continue;
            var hint = type.Text.Contains(".v2.", StringComparison.Ordinal) ? " (hint: try using the v3 XDS API)" : "";
            report.Error($"referenced type unknown{hint}: Envoy filter: could not resolve Any message type: {type.Text}", type);
            return;
        }

        foreach (var (name, field) in value.Fields)
        {
            if (shape.Fields.Contains(EnvoyFields.Snake(name))) continue;
            report.Warn($"Envoy filter: unknown field \"{name}\" in {shape.Name}", field);
            break; // Istio tells of the first
        }
        if (shape.NeedsTypedConfig && value["typed_config"] is null && value["typedConfig"] is null && value["config_discovery"] is null && value["configDiscovery"] is null)
            report.Warn($"using deprecated types by name without typed_config; {(value["name"] as ScalarNode)?.Text}", value);
    }

    /// <summary>Types come with Envoy, Istio, xDS itself, or protobuf; only v2 and misspelt packages are surely unknown.</summary>
    private static bool KnownType(string url)
    {
        if (!url.StartsWith(AnyPrefix, StringComparison.Ordinal)) return url.Contains('/');
        var name = url[AnyPrefix.Length..];
        if (name.StartsWith("envoy.", StringComparison.Ordinal)) return EnvoyFields.KnowsPackageOf(name);
        return name.StartsWith("udpa.", StringComparison.Ordinal) || name.StartsWith("xds.", StringComparison.Ordinal) || name.StartsWith("google.protobuf.", StringComparison.Ordinal)
            || name.StartsWith("istio.", StringComparison.Ordinal) || name.StartsWith("stats.", StringComparison.Ordinal);
    }

    private static void Collect(Node node, List<ScalarNode> types, ref int left)
    {
        if (--left < 0) return;
        switch (node)
        {
            case MapNode map:
                foreach (var (name, value) in map.Fields)
                {
                    if (name == "@type" && value is ScalarNode type) types.Add(type);
                    else Collect(value, types, ref left);
                }
                break;
            case ListNode list:
                foreach (var item in list.Items) Collect(item, types, ref left);
                break;
            default:
                break;
        }
    }
}
