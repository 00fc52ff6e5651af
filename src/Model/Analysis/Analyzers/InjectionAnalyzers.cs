using System.Text.Json;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>Which namespaces and pods get a sidecar, and whether those that run are the right ones.</summary>
internal static class InjectionAnalyzers
{
    private const string InjectionLabel = "istio-injection";
    private const string RevisionLabel = "istio.io/rev";
    private const string ModeLabel = "istio.io/dataplane-mode";

    public static void Injection(Findings findings)
    {
        var injected = new HashSet<string>();
        foreach (var space in findings.Resources.All("", "Namespace"))
        {
            if (space.Name == "istio-system") continue;
            var labels = space.Labels;
            var hasInjection = labels.TryGetValue(InjectionLabel, out var injection);
            CheckLabels(space, hasInjection, injection, findings);
            if (labels.GetValueOrDefault(ModeLabel) == "ambient") continue;

            var hasRevision = labels.TryGetValue(RevisionLabel, out var revision);
            if (injection is null or "" && !hasRevision)
            {
                if (InjectsByDefault(findings.Resources, revision)) findings.Add("IST0148", space, null);
                else findings.Add("IST0102", space, space.Node.At("metadata", "name"), space.Name, space.Name);
            }
            else if (injection == "enabled")
            {
                injected.Add(space.Name);
            }
        }

        foreach (var pod in findings.Resources.Pods.Where(p => injected.Contains(p.Namespace)))
        {
            var wish = pod.Labels.GetValueOrDefault("sidecar.istio.io/inject") ?? pod.Annotations.GetValueOrDefault("sidecar.istio.io/inject");
            var spec = pod.Node.At("spec");
            if (string.Equals(wish, "false", StringComparison.OrdinalIgnoreCase) || spec.TextAt("hostNetwork") == "true") continue;
            if (Workloads.ProxyImage(Workloads.AllContainers(spec)).Length == 0) findings.Add("IST0103", pod, null, pod.FullName);
        }
    }

    public static void Images(Findings findings)
    {
        var images = new Dictionary<string, string>();
        foreach (var map in findings.Resources.All("", "ConfigMap").Where(m => m.Name.StartsWith("istio-sidecar-injector", StringComparison.Ordinal)))
            images[map.Name] = InjectedImage(map);
        if (images.Count == 0) return;

        var mismatched = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var pod in findings.Resources.Pods)
        {
            if (findings.Resources.Namespace(pod.Namespace) is not { } space || InjectorOf(space) is not { } injector) continue;
            if (pod.Annotations.GetValueOrDefault("sidecar.istio.io/proxyImage") is { Length: > 0 } || !images.TryGetValue(injector, out var image)) continue;

            var proxy = Workloads.AllContainers(pod.Node.At("spec")).FirstOrDefault(c => c.TextAt("name") == Workloads.ProxyContainer);
            if (proxy is null || proxy.TextAt("image") == image || proxy.TextAt("image") == $"{image}-{ImageType(pod, findings)}") continue;
            if (!mismatched.TryGetValue(pod.Namespace, out var pods)) mismatched[pod.Namespace] = pods = [];
            pods.Add(pod.Name);
        }
        foreach (var (space, pods) in mismatched)
            findings.Add("IST0158", findings.Resources.Namespace(space), null, Findings.Listed(pods.Order(StringComparer.Ordinal)));
    }

    public static void AutoImages(Findings findings)
    {
        foreach (var pod in findings.Resources.Pods.Where(p => IsAuto(p.Node.At("spec")))) findings.Add("IST0147", pod, null, "Pod", pod.Name);

        var webhooks = findings.Resources.All("MutatingWebhookConfiguration").SelectMany(c => c.Node.ItemsAt("webhooks"))
            .Where(w => w.TextAt("name")?.EndsWith("istio.io", StringComparison.Ordinal) == true).ToList();
        foreach (var deployment in findings.Resources.All("apps", "Deployment"))
        {
            var template = deployment.Node.At("spec", "template");
            if (!IsAuto(template.At("spec"))) continue;
            var space = findings.Resources.Namespace(deployment.Namespace.Length > 0 ? deployment.Namespace : "default")?.Labels ?? [];
            var labels = template.TextsAt("metadata", "labels");
            if (!webhooks.Any(w => LabelSelectors.Matches(w.At("namespaceSelector"), space) && LabelSelectors.Matches(w.At("objectSelector"), labels)))
                findings.Add("IST0146", deployment, null, "Deployment", deployment.Name);
        }
    }

    private static void CheckLabels(AnalyzedResource space, bool hasInjection, string? injection, Findings findings)
    {
        var present = new List<string>();
        if (hasInjection) present.Add($"{InjectionLabel}={injection}");
        foreach (var label in (string[])[RevisionLabel, ModeLabel])
            if (space.Labels.TryGetValue(label, out var value) && (!hasInjection || injection == "enabled")) present.Add($"{label}={value}");
        if (present.Count > 1) findings.Add("IST0123", space, null, Findings.Listed(present));
    }

    private static string? InjectorOf(AnalyzedResource space)
    {
        if (space.Labels.TryGetValue(RevisionLabel, out var revision)) return Injector(revision);
        return space.Labels.GetValueOrDefault(InjectionLabel) == "enabled" ? Injector("default") : null;
    }

    private static string Injector(string? revision) => revision is null or "" or "default" ? "istio-sidecar-injector" : $"istio-sidecar-injector-{revision}";

    private static bool InjectsByDefault(ResourceSet resources, string? revision)
    {
        var map = resources.All("", "ConfigMap").FirstOrDefault(m => m.Name == Injector(revision));
        return map is not null && Values(map) is { } values && values.TryGetProperty("sidecarInjectorWebhook", out var webhook)
            && webhook.ValueKind == JsonValueKind.Object && webhook.TryGetProperty("enableNamespacesByDefault", out var on) && on.ValueKind == JsonValueKind.True;
    }

    private static string InjectedImage(AnalyzedResource map)
    {
        if (Values(map) is not { } values || !values.TryGetProperty("global", out var global) || global.ValueKind != JsonValueKind.Object) return "";
        var image = global.TryGetProperty("proxy", out var proxy) ? Text(proxy, "image") : "";
        return image.Contains('/') ? image : $"{Text(global, "hub")}/{image}:{Text(global, "tag")}";
    }

    private static JsonElement? Values(AnalyzedResource map)
    {
        try
        {
            using var document = JsonDocument.Parse(map.Node.TextAt("data", "values") ?? "");
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null; // an injector without readable values says nothing about images
        }
    }

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value.ToString() : "";

    private static bool IsAuto(Node? podSpec) => Workloads.Containers(podSpec).Any(c => c.TextAt("name") == Workloads.ProxyContainer && c.TextAt("image") == "auto");

    /// <summary>debug, distroless…: from the mesh, the namespace, the workload's ProxyConfig, or its annotation; the nearest wins.</summary>
    private static string ImageType(AnalyzedResource pod, Findings findings)
    {
        var type = findings.MeshConfig.Child("defaultConfig")?.Child("image")?.Text("imageType") ?? "";
        foreach (var config in findings.Resources.All("ProxyConfig").OrderBy(c => c.Namespace == findings.RootNamespace ? 0 : c.Spec!.Has("selector") ? 2 : 1))
        {
            var applies = config.Namespace == findings.RootNamespace
                || config.Namespace == pod.Namespace && LabelSelectors.Matches(config.Spec!.Child("selector")?.TextMap("matchLabels").ToDictionary() ?? [], pod.Labels);
            if (applies && config.Spec!.Child("image")?.Text("imageType") is { Length: > 0 } given) type = given;
        }
        if (pod.Annotations.TryGetValue("proxy.istio.io/config", out var own) && YamlReader.Read(own, "", out _) is [MapNode map, ..] && map.TextAt("image", "imageType") is { Length: > 0 } inline) type = inline;
        return type == "default" ? "" : type;
    }
}
