using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>
/// The kubelet has no mesh certificate, so with STRICT mTLS its probes would fail. They go to the proxy's status port instead,
/// and the proxy asks the application; what to ask is in ISTIO_KUBE_APP_PROBERS.
/// </summary>
internal static class ProbeRewrite
{
    private const string Variable = "ISTIO_KUBE_APP_PROBERS";
    private const string StatusPortAnnotation = "status.sidecar.istio.io/port";

    private static readonly (string Field, string Path)[] Probes =
        [("readinessProbe", "readyz"), ("livenessProbe", "livez"), ("startupProbe", "startupz")];

    private static readonly (string Field, string Path)[] Hooks = [("preStop", "prestopz"), ("postStart", "poststartz")];

    public static void Apply(JsonObject pod, InjectorSettings settings)
    {
        if (UserContainers.Proxy(pod) is not { } proxy || !Wanted(pod, settings)) return;

        var meshPort = ProxyConfig.OfMesh(settings).StatusPort;
        var port = pod.At("metadata", "annotations", StatusPortAnnotation).Text() is { } text && long.TryParse(text.Trim(), out var annotated) ? annotated : meshPort;

        var asked = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        foreach (var container in pod.At("spec", "initContainers").Objects().Concat(pod.At("spec", "containers").Objects()))
            if (container["name"].Text() != ContainerNames.Proxy) RewriteContainer(container, port, meshPort, asked);

        if (asked.Count > 0) Tell(proxy, asked, injectedBefore: pod.At("metadata", "annotations", InjectionStatus.Annotation) is not null);
    }

    private static bool Wanted(JsonObject pod, InjectorSettings settings)
    {
        var wish = pod.At("metadata", "annotations", "sidecar.istio.io/rewriteAppHTTPProbers").Text();
        return (wish is null ? null : AnnotationRules.ParseBool(wish)) ?? settings.Values.At("sidecarInjectorWebhook", "rewriteAppHTTPProbe").IsTrue();
    }

    private static void RewriteContainer(JsonObject container, long port, long meshPort, SortedDictionary<string, JsonObject> asked)
    {
        var name = container["name"].Text();
        foreach (var (field, path) in Probes)
            if (container[field] is JsonObject probe)
                RewriteHandler(probe, $"/app-health/{name}/{path}", container, port, meshPort, asked, grpc: true);

        if (container["lifecycle"] is not JsonObject lifecycle) return;
        foreach (var (field, path) in Hooks)
            if (lifecycle[field] is JsonObject hook)
                RewriteHandler(hook, $"/app-lifecycle/{name}/{path}", container, port, meshPort, asked, grpc: false);
    }

    private static void RewriteHandler(
        JsonObject handler, string path, JsonObject container, long port, long meshPort, SortedDictionary<string, JsonObject> asked, bool grpc)
    {
        var kind = Array.Find(["httpGet", "tcpSocket", "grpc"], kind => handler[kind] is JsonObject && (grpc || kind != "grpc"));
        if (kind is null) return; // exec, or nothing at all

        var action = ((JsonObject)handler[kind]!).Copy();
        if (Question(kind, action, container, meshPort) is { } question)
        {
            var prober = new JsonObject { [kind] = question };
            if (grpc && handler["timeoutSeconds"].Integer() is > 0 and var seconds) prober["timeoutSeconds"] = seconds;
            asked[path] = prober;
        }

        var rewritten = kind == "httpGet" ? action : [];
        rewritten["path"] = path;
        rewritten["port"] = port;
        if (rewritten["scheme"].Text() == "HTTPS") rewritten["scheme"] = "HTTP"; // the proxy speaks HTTPS to the application, not the kubelet to the proxy
        handler.Remove(kind);
        handler["httpGet"] = rewritten;
    }

    /// <returns>Null for a port name that the container does not have, and for a probe that was rewritten before.</returns>
    private static JsonObject? Question(string kind, JsonObject action, JsonObject container, long meshPort)
    {
        var question = action.Copy();
        if (kind == "grpc")
        {
            if (!question.ContainsKey("service")) question["service"] = null;
            return question;
        }

        if (action["port"].Integer() is { } number) return number == meshPort ? null : question;

        var named = container["ports"].Objects().LastOrDefault(port => port["name"].Text() is { Length: > 0 } name && name == action["port"].Text());
        if (named is null) return null;

        question["port"] = named["containerPort"]?.DeepClone();
        return question;
    }

    private static void Tell(JsonObject proxy, SortedDictionary<string, JsonObject> asked, bool injectedBefore)
    {
        var env = proxy.ListAt("env");
        var existing = injectedBefore ? env.Named(Variable) : null;
        if (existing is not null)
        {
            // What the first injection wrote down wins: the probes in the pod are ours by now.
            if (JsonReading.TryParse(existing["value"].Text()) is not JsonObject known) return;
            foreach (var (path, prober) in known)
                if (prober is JsonObject map) asked[path] = map.Copy();
        }

        var value = Map([.. asked.Select(entry => (entry.Key, (JsonNode?)entry.Value))]).Compact();
        if (existing is not null) existing["value"] = value;
        else env.AddNode(Env(Variable, value));
    }
}
