using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <param name="Merged">The pod with every template merged over it.</param>
/// <param name="Template">The templates alone, merged: what injection itself brings.</param>
/// <param name="Problem">Null when all went well.</param>
internal sealed record TemplateRendering(JsonObject Merged, JsonObject Template, string? Problem);

/// <summary>The templates a pod asks for, one over the other.</summary>
internal static class TemplateStack
{
    private static readonly string[] BuiltIn = ["gateway", "grpc-simple", "sidecar"];

    public static TemplateRendering Render(JsonObject pod, PodFacts facts)
    {
        var merged = pod.Copy();
        var template = new JsonObject();
        foreach (var name in Selected(facts))
        {
            var (layer, problem) = RenderOne(name, facts);
            if (layer is null) return new(merged, template, problem);

            template = StrategicMerge.Merge(template, layer);
            if (Native(merged, facts)) MoveProxyToInitContainers(merged, template);
            merged = StrategicMerge.Merge(merged, layer);
            if (PodShape.Problem(merged) is { } shape) return new(merged, template, $"template \"{name}\": {shape}");
        }
        return new(merged, template, null);
    }

    private static IEnumerable<string> Selected(PodFacts facts)
    {
        var names = facts.Pod.At("metadata", "annotations", "inject.istio.io/templates").Text() is { } wished
            ? wished.Split(',').Select(name => name.Trim())
            : facts.Settings.DefaultTemplates;
        return names.SelectMany(name => facts.Settings.Aliases.TryGetValue(name, out var others) ? others : [name]);
    }

    private static (JsonObject? Layer, string? Problem) RenderOne(string name, PodFacts facts)
    {
        if (facts.Settings.CustomTemplates.TryGetValue(name, out var text)) return CustomTemplate.Render(name, text, facts);
        return name switch
        {
            "sidecar" => (SidecarTemplate.Render(facts), null),
            "gateway" => (GatewayTemplate.Render(facts), null),
            "grpc-simple" => (GrpcSimpleTemplate.Render(facts), null),
            "grpc-agent" => (null, "template \"grpc-agent\" needs an agent beside the application that hands certificates to gRPC, which this mesh does not have; use \"grpc-simple\", or the sidecar"),
            _ => (null, $"requested template \"{name}\" not found; have {string.Join(", ", BuiltIn.Concat(facts.Settings.CustomTemplates.Keys.Order(StringComparer.Ordinal)))}"),
        };
    }

    // Here only "true" and "false" count; any other value leaves the control plane's answer.
    private static bool Native(JsonObject pod, PodFacts facts) => pod.At("metadata", "annotations", "sidecar.istio.io/nativeSidecar").Text() switch
    {
        "true" => true,
        "false" => false,
        _ => facts.NativeByDefault,
    };

    /// <summary>The user's customisation of istio-proxy stands among the containers; as a native sidecar it belongs to the init containers.</summary>
    private static void MoveProxyToInitContainers(JsonObject pod, JsonObject template)
    {
        var spec = (JsonObject)pod["spec"]!;
        if (template.At("spec", "initContainers").Named(ContainerNames.Proxy) is null || spec["containers"].Named(ContainerNames.Proxy) is not { } proxy) return;

        ((JsonArray)spec["containers"]!).Remove(proxy);
        spec.ListAt("initContainers").AddNode(proxy);
    }
}
