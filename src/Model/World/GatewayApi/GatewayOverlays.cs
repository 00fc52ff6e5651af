using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;

namespace Mesh.Model.World;

/// <summary>
/// What ConfigMaps say about the objects that are made for a gateway: patches by the object's key. First the map that is labelled as the defaults of the
/// gateway's class, in the root namespace, then the one that the Gateway itself names.
/// </summary>
internal static class GatewayOverlays
{
    public const string DefaultsForClass = "gateway.istio.io/defaults-for-class";

    private static readonly ImmutableArray<string> Keys = ["deployment", "service", "serviceAccount", "horizontalPodAutoscaler", "podDisruptionBudget"];

    /// <returns>The patches in the order in which they apply, and why they cannot be used; null when they can.</returns>
    public static (ImmutableArray<GatewayOverlay> Overlays, ApiCondition? Refusal) Of(ApiGateway gateway, ApiInputs inputs)
    {
        var overlays = ImmutableArray.CreateBuilder<GatewayOverlay>();
        if (inputs.DefaultsOfClass(gateway.ClassName) is { } defaults && Add(defaults) is { } bad) return ([], bad);
        if (gateway.Parameters is not { } reference) return (overlays.ToImmutable(), null);

        if (reference.Group.Length > 0 || reference.Kind != "ConfigMap")
            return ([], Refused($"unsupported parametersRef {reference.Group}/{reference.Kind}: only a ConfigMap is supported"));
        if (inputs.ConfigMap(gateway.Namespace, reference.Name) is not { } own)
            return ([], Refused($"parametersRef: ConfigMap {gateway.Namespace}/{reference.Name} not found"));
        return Add(own) is { } worse ? ([], worse) : (overlays.ToImmutable(), null);

        ApiCondition? Add(KubeConfigMap map)
        {
            foreach (var key in Keys)
            {
                if (map.Data[key] is not { } text) continue;
                var (patch, problem) = Read(text);
                if (patch is null) return Refused($"ConfigMap {map.Namespace}/{map.Name}, key {key}: {problem}");
                overlays.Add(new(key, patch));
            }
            return null;
        }
    }

    private static (JsonObject? Patch, string Problem) Read(string text)
    {
        try
        {
            return (YamlJson.Read(text) as JsonObject, "a patch is a YAML map, such as \"spec: {replicas: 2}\"");
        }
        catch (FormatException e)
        {
            return (null, e.Message);
        }
    }

    private static ApiCondition Refused(string message) => new("Accepted", false, "InvalidParameters", message);
}
