using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>The settings of one proxy, in the field names and spellings of protobuf's JSON. A missing field has its default.</summary>
internal sealed class ProxyConfig
{
    public const string Annotation = "proxy.istio.io/config";

    private readonly JsonObject fields;

    private ProxyConfig(JsonObject fields) => this.fields = fields;

    public string InterceptionMode => fields["interceptionMode"].Text() ?? "REDIRECT";
    public bool HoldApplicationUntilProxyStarts => fields["holdApplicationUntilProxyStarts"].IsTrue();
    public string? ImageType => fields.At("image", "imageType").Text();
    public long StatusPort => fields["statusPort"].Integer() ?? 0;

    public ImmutableSortedDictionary<string, string> Metadata =>
        fields["proxyMetadata"].Strings().ToImmutableSortedDictionary(StringComparer.Ordinal);

    /// <summary>
    /// Mesh defaults, then the oldest ProxyConfig resource of the root namespace, of the pod's namespace, then the pod's annotation, then the
    /// oldest resource that selects the pod; later ones win.
    /// </summary>
    public static ProxyConfig For(JsonObject pod, string podNamespace, InjectorSettings settings)
    {
        var root = settings.MeshConfig["rootNamespace"].Text() ?? "istio-system";
        var labels = pod.At("metadata", "labels").Strings();
        var config = OfMesh(settings);

        config = config.With(FromResource(settings.ProxyConfigs.FirstOrDefault(r => r.Namespace == root && r.MatchLabels.Count == 0)));
        if (podNamespace != root)
            config = config.With(FromResource(settings.ProxyConfigs.FirstOrDefault(r => r.Namespace == podNamespace && r.MatchLabels.Count == 0)));
        config = config.With(FromAnnotation(pod, settings));
        return config.With(FromResource(settings.ProxyConfigs.FirstOrDefault(r => r.Namespace == podNamespace && r.MatchLabels.Count > 0
            && r.MatchLabels.All(wanted => labels.GetValueOrDefault(wanted.Key) == wanted.Value))));
    }

    /// <summary>The mesh's own settings, which some rules read whatever a pod says.</summary>
    public static ProxyConfig OfMesh(InjectorSettings settings) =>
        new ProxyConfig(ProxyConfigSchema.Defaults()).With(Readable(settings.MeshConfig["defaultConfig"]));

    /// <summary>The mesh's settings with the pod's annotation over them: the order of containers hangs on these two alone.</summary>
    public static ProxyConfig OfMeshAndAnnotation(JsonObject pod, InjectorSettings settings) =>
        OfMesh(settings).With(FromAnnotation(pod, settings));

    /// <returns>Null when the annotation's text is a ProxyConfig that a proxy can run with.</returns>
    public static string? AnnotationProblem(string text, Func<string, JsonNode?> readYaml)
    {
        JsonNode? node;
        try
        {
            node = readYaml(text);
        }
        catch (FormatException e)
        {
            return $"failed to convert to apply proxy config: {e.Message}";
        }

        if (node is null) return null;
        return ProxyConfigReading.Read(node, out var fields) is { } problem
            ? $"failed to convert to apply proxy config: {problem}"
            : ProxyConfigReading.Refusal(Overlay(ProxyConfigSchema.Defaults(), fields));
    }

    public JsonObject Fields() => fields.Copy();

    /// <summary>What differs from the defaults, as one JSON object: the proxy knows the rest.</summary>
    public JsonObject WithoutDefaults()
    {
        var defaults = ProxyConfigSchema.Defaults();
        var kept = new JsonObject();
        foreach (var (key, value) in fields)
        {
            if (value is null || defaults[key] is { } usual && JsonNode.DeepEquals(usual, value) || IsZero(key, value)) continue;
            kept[key] = value.DeepClone();
        }
        return kept;
    }

    private ProxyConfig With(JsonObject? over) => over is null ? this : new(Overlay(fields, over));

    private static JsonObject Overlay(JsonObject under, JsonObject over)
    {
        var merged = under.Copy();
        // Two fields of one choice: the later one stands.
        if (over.ContainsKey("tracingServiceName")) merged.Remove("serviceCluster");
        if (over.ContainsKey("serviceCluster")) merged.Remove("tracingServiceName");

        foreach (var (key, value) in over)
        {
            // Fields are replaced whole, but for these two, which merge by key.
            if (key is "proxyMetadata" or "proxyHeaders" && merged[key] is JsonObject existing && value is JsonObject added)
            {
                foreach (var (name, inner) in added) existing[name] = inner?.DeepClone();
            }
            else merged[key] = value?.DeepClone();
        }
        return merged;
    }

    private static JsonObject? FromResource(ProxyConfigResource? resource)
    {
        if (resource is null) return null;

        var fields = new JsonObject();
        if (resource.Spec["concurrency"].Integer() is { } concurrency) fields["concurrency"] = concurrency;
        if (resource.Spec["environmentVariables"] is JsonObject variables) fields["proxyMetadata"] = variables.DeepClone();
        if (resource.Spec["image"] is JsonObject image) fields["image"] = image.DeepClone();
        return fields;
    }

    private static JsonObject? FromAnnotation(JsonObject pod, InjectorSettings settings)
    {
        if (pod.At("metadata", "annotations", Annotation).Text() is not { } text) return null;
        try
        {
            return Readable(settings.ReadYaml(text));
        }
        catch (FormatException)
        {
            return null; // AnnotationRules has refused the pod already; who only asks for the order goes on without
        }
    }

    private static JsonObject? Readable(JsonNode? node) =>
        node is not null && ProxyConfigReading.Read(node, out var fields) is null ? fields : null;

    private static bool IsZero(string key, JsonNode value) => ProxyConfigSchema.Fields[key].Kind switch
    {
        FieldKind.Text or FieldKind.Integer or FieldKind.Flag or FieldKind.TextMap or FieldKind.Texts => value.IsEmpty(),
        FieldKind.Choice => value.Text() == ProxyConfigSchema.Fields[key].Choices![0] && key != "tracingServiceName",
        _ => value.GetValueKind() == JsonValueKind.Null,
    };
}
