using System.Collections.Immutable;
using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>The annotation sidecar.istio.io/status: the names of all that injection added, and by which revision.</summary>
public sealed record InjectionStatus(ImmutableArray<string> InitContainers, ImmutableArray<string> Containers, string Revision)
{
    public const string Annotation = "sidecar.istio.io/status";

    /// <returns>Null when the pod has not been injected.</returns>
    public static InjectionStatus? Of(JsonObject pod)
    {
        if (JsonReading.TryParse(pod.At("metadata", "annotations", Annotation).Text()) is not JsonObject status) return null;
        return new([.. status["initContainers"].Texts()], [.. status["containers"].Texts()], status["revision"].Text() ?? "");
    }

    internal static void Write(JsonObject pod, JsonObject template, InjectorSettings settings)
    {
        var spec = template.At("spec");
        var status = new JsonObject
        {
            ["initContainers"] = Names(spec.At("initContainers")),
            ["containers"] = Names(spec.At("containers")),
            ["volumes"] = Names(spec.At("volumes")),
            ["imagePullSecrets"] = Names(spec.At("imagePullSecrets")),
            ["revision"] = settings.Revision.Length == 0 ? "default" : settings.Revision,
        };
        var annotations = pod.MapAt("metadata").MapAt("annotations");
        annotations[Annotation] = status.Compact();
        foreach (var (name, value) in settings.InjectedAnnotations) annotations[name] = value;
    }

    private static JsonArray? Names(JsonNode? list)
    {
        var names = list.Objects().Select(item => item["name"].Text()).OfType<string>().ToList();
        return names.Count == 0 ? null : Strings(names);
    }
}
