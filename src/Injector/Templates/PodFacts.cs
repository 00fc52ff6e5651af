using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>What a template may know: the pod without what an earlier injection put into it, and the settings that apply to it.</summary>
internal sealed class PodFacts(JsonObject pod, string podNamespace, Owner owner, ProxyConfig proxyConfig, InjectorSettings settings, bool nativeByDefault)
{
    public JsonObject Pod { get; } = pod;
    public JsonObject Spec { get; } = (JsonObject)pod["spec"]!;
    public string Namespace { get; } = podNamespace;
    public Owner Owner { get; } = owner;
    public ProxyConfig ProxyConfig { get; } = proxyConfig;
    public InjectorSettings Settings { get; } = settings;
    public ProxyIds Ids { get; init; } = ProxyIds.Usual;

    public IReadOnlyDictionary<string, string> Labels { get; } = pod.At("metadata", "labels").Strings();
    public IReadOnlyDictionary<string, string> Annotations { get; } = pod.At("metadata", "annotations").Strings();

    /// <summary>The control plane's answer, before the pod's own annotation is asked.</summary>
    public bool NativeByDefault { get; } = nativeByDefault;

    /// <summary>The annotation decides where there is one: any value but "false" means yes.</summary>
    public bool Native =>
        Annotations.GetValueOrDefault("sidecar.istio.io/nativeSidecar") is { Length: > 0 } wish ? wish != "false" : NativeByDefault;

    /// <summary>Names of the containers that are not the proxy, in order.</summary>
    public ImmutableArray<string> AppContainers =>
        [.. Spec["containers"].Objects().Select(container => container["name"].Text()!).Where(name => name != ContainerNames.Proxy)];

    public string InterceptionMode => Annotation("sidecar.istio.io/interceptionMode", ProxyConfig.InterceptionMode);
    public bool Tproxy => InterceptionMode == "TPROXY";
    public bool Cni => Value("pilot", "cni", "enabled").IsTrue();

    public string Annotation(string name, string? otherwise) => Annotations.TryGetValue(name, out var value) ? value : otherwise ?? "";
    public string? Label(string name) => Labels.GetValueOrDefault(name);
    public JsonNode? Value(params ReadOnlySpan<string> path) => Settings.Values.At(path);
    public string? Text(params ReadOnlySpan<string> path) => Settings.Values.At(path).Text();

    /// <summary>The first of the texts that says something.</summary>
    public static string FirstNonEmpty(params ReadOnlySpan<string?> texts)
    {
        foreach (var text in texts)
            if (!string.IsNullOrEmpty(text)) return text;
        return "";
    }
}
