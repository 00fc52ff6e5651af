using System.Globalization;
using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>The parts that the proxy's container has in every template.</summary>
internal static class ProxyContainer
{
    public static JsonArray Ports() => List(Map(("name", "http-envoy-prom"), ("containerPort", 15090), ("protocol", "TCP")));

    public static JsonArray Args(PodFacts pod, string role)
    {
        List<string> args =
        [
            "proxy", role, "--domain", $"$(POD_NAMESPACE).svc.{pod.Text("global", "proxy", "clusterDomain")}",
            $"--proxyLogLevel={pod.Annotation("sidecar.istio.io/logLevel", pod.Text("global", "proxy", "logLevel"))}",
            $"--proxyComponentLogLevel={pod.Annotation("sidecar.istio.io/componentLogLevel", pod.Text("global", "proxy", "componentLogLevel"))}",
            $"--log_output_level={AgentLogLevel(pod)}",
        ];
        if (pod.Value("global", "sts", "servicePort").IsEmpty() == false) args.Add($"--stsPort={pod.Text("global", "sts", "servicePort")}");
        if (pod.Value("global", "logAsJson").IsTrue()) args.Add("--log_as_json");
        if (role == "sidecar" && pod.Text("global", "proxy", "outlierLogPath") is { Length: > 0 } path) args.Add($"--outlierLogPath={path}");
        return Strings(args);
    }

    public static string AgentLogLevel(PodFacts pod) =>
        pod.Annotation("sidecar.istio.io/agentLogLevel", pod.Text("global", "logging", "level"));

    /// <summary>As soon as one of the four annotations is there, the values' requests and limits no longer count.</summary>
    public static JsonObject? Resources(PodFacts pod)
    {
        var requests = Annotated(pod, "sidecar.istio.io/proxyCPU", "sidecar.istio.io/proxyMemory");
        var limits = Annotated(pod, "sidecar.istio.io/proxyCPULimit", "sidecar.istio.io/proxyMemoryLimit");
        if (requests is not null || limits is not null) return Map(("requests", requests), ("limits", limits));

        return pod.Value("global", "proxy", "resources") is JsonObject { Count: > 0 } resources ? Canonical(resources) : null;
    }

    private static JsonObject? Annotated(PodFacts pod, string cpu, string memory)
    {
        var amounts = Map(
            ("cpu", pod.Annotations.TryGetValue(cpu, out var cpuText) ? Amount(cpuText) : null),
            ("memory", pod.Annotations.TryGetValue(memory, out var memoryText) ? Amount(memoryText) : null));
        return amounts.Count == 0 ? null : amounts;
    }

    /// <summary>Amounts as Kubernetes writes them: "3" for "3000m".</summary>
    public static JsonObject Canonical(JsonObject resources)
    {
        var canonical = new JsonObject();
        foreach (var (kind, amounts) in resources)
        {
            if (amounts is not JsonObject map)
            {
                if (amounts is not null) canonical[kind] = amounts.DeepClone();
                continue;
            }
            foreach (var (name, amount) in map)
                if (amount.Text() is { } text) canonical.MapAt(kind)[name] = Amount(text);
        }
        return canonical;
    }

    private static string Amount(string text) => Quantity.Canonical(text) ?? text;

    public static JsonObject StartupProbe(PodFacts pod) => Map(
        ("httpGet", Ready()),
        ("periodSeconds", 1),
        ("timeoutSeconds", 3),
        ("failureThreshold", NonZero(pod.Value("global", "proxy", "startupProbe", "failureThreshold").Integer() ?? 600)));

    public static JsonObject ReadinessProbe(PodFacts pod, bool byAnnotation)
    {
        return Map(
            ("httpGet", Ready()),
            ("initialDelaySeconds", NonZero(Number("initialDelaySeconds", "readinessInitialDelaySeconds"))),
            ("periodSeconds", NonZero(Number("periodSeconds", "readinessPeriodSeconds"))),
            ("timeoutSeconds", 3),
            ("failureThreshold", NonZero(Number("failureThreshold", "readinessFailureThreshold"))));

        long Number(string annotation, string value)
        {
            var text = pod.Text("global", "proxy", value);
            if (byAnnotation) text = pod.Annotation("readiness.status.sidecar.istio.io/" + annotation, text);
            return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
        }
    }

    private static JsonObject Ready() => Map(("path", "/healthz/ready"), ("port", 15021));

    public static JsonNode? SeccompProfile(PodFacts pod) =>
        pod.Value("global", "proxy", "seccompProfile") is JsonObject { Count: > 0 } profile ? profile.DeepClone() : null;

    public static JsonArray? ImagePullSecrets(PodFacts pod)
    {
        JsonNode[] secrets = [.. pod.Value("global", "imagePullSecrets").Texts().Select(name => Map(("name", name)))];
        return secrets.Length == 0 ? null : new(secrets);
    }
}
