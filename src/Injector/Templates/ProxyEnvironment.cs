using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>The environment of the proxy's container: who it is, whom it asks, and what surrounds it.</summary>
internal static class ProxyEnvironment
{
    public static JsonArray Render(PodFacts pod, bool gateway)
    {
        List<JsonObject> env = [];
        if (!gateway && pod.Settings.MeshConfig.At("inboundTrafficPolicy", "mode").Text() == "LOCALHOST")
            env.Add(Env("REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION", "true"));
        env.AddRange(
        [
            Env("PILOT_CERT_PROVIDER", pod.Text("global", "pilotCertProvider")),
            Env("CA_ADDR", CaAddress(pod)),
            EnvFromField("POD_NAME", "metadata.name"),
            EnvFromField("POD_NAMESPACE", "metadata.namespace"),
            EnvFromField("INSTANCE_IP", "status.podIP"),
            EnvFromField("SERVICE_ACCOUNT", "spec.serviceAccountName"),
            EnvFromField("HOST_IP", "status.hostIP"),
            EnvFromResource("ISTIO_CPU_LIMIT", "limits.cpu"),
            Env("PROXY_CONFIG", pod.ProxyConfig.WithoutDefaults().Compact() + "\n"),
            Env("ISTIO_META_POD_PORTS", PodPorts(pod)),
            Env("ISTIO_META_APP_CONTAINERS", string.Join(',', pod.AppContainers)),
            EnvFromResource("GOMEMLIMIT", "limits.memory"),
            Env("ISTIO_META_CLUSTER_ID", PodFacts.FirstNonEmpty(pod.Text("global", "multiCluster", "clusterName"), "Kubernetes")),
            EnvFromField("ISTIO_META_NODE_NAME", "spec.nodeName"),
            Env("ISTIO_META_INTERCEPTION_MODE", gateway ? pod.ProxyConfig.InterceptionMode
                : PodFacts.FirstNonEmpty(pod.Annotations.GetValueOrDefault("sidecar.istio.io/interceptionMode"), pod.ProxyConfig.InterceptionMode)),
        ]);

        AddUnlessEmpty("ISTIO_META_NETWORK", pod.Text("global", "network"));
        AddUnlessEmpty("ISTIO_META_WORKLOAD_NAME", gateway ? pod.Owner.Name
            : PodFacts.FirstNonEmpty(pod.Label("service.istio.io/workload-name"), pod.Owner.Name));
        if (pod.Owner is { ApiVersion.Length: > 0, Name.Length: > 0 }) env.Add(Env("ISTIO_META_OWNER", pod.Owner.Url(pod.Namespace)));
        if (pod.Annotations.ContainsKey("sidecar.istio.io/bootstrapOverride"))
            env.Add(Env("ISTIO_BOOTSTRAP_OVERRIDE", "/etc/istio/custom-bootstrap/custom_bootstrap.json"));

        var trustDomain = PodFacts.FirstNonEmpty(pod.Settings.MeshConfig["trustDomain"].Text(), "cluster.local");
        env.Add(Env("ISTIO_META_MESH_ID", PodFacts.FirstNonEmpty(pod.Text("global", "meshID"), trustDomain)));
        env.Add(Env("TRUST_DOMAIN", trustDomain));
        if (!gateway) AddUnlessEmpty("OTEL_RESOURCE_ATTRIBUTES", OtelAttributes(pod));
        env.AddRange(pod.ProxyConfig.Metadata.Select(entry => Env(entry.Key, entry.Value)));
        return List([.. env]);

        void AddUnlessEmpty(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value)) env.Add(Env(name, value));
        }
    }

    private static string CaAddress(PodFacts pod)
    {
        var revision = pod.Settings.Revision.Length == 0 ? "" : "-" + pod.Settings.Revision;
        return PodFacts.FirstNonEmpty(pod.Text("global", "caAddress"), $"istiod{revision}.{pod.Text("global", "istioNamespace")}.svc:15012");
    }

    private static string PodPorts(PodFacts pod)
    {
        var ports = pod.Spec["containers"].Objects().SelectMany(container => container["ports"].Objects());
        return List([.. ports.Select(Port)]).Compact();
    }

    private static JsonObject Port(JsonObject port) => Map(
        ("name", NonEmpty(port["name"].Text())),
        ("hostPort", NonZero(port["hostPort"].Integer() ?? 0)),
        ("containerPort", port["containerPort"].Integer() ?? 0),
        ("protocol", NonEmpty(port["protocol"].Text())),
        ("hostIP", NonEmpty(port["hostIP"].Text())));

    /// <summary>OpenTelemetry's service attributes for Kubernetes, where a tracing provider asks for them. Empty otherwise.</summary>
    private static string OtelAttributes(PodFacts pod)
    {
        const string prefix = "resource.opentelemetry.io/";
        var asked = pod.Settings.MeshConfig["extensionProviders"].Objects()
            .Any(provider => provider.At("opentelemetry", "serviceAttributeEnrichment").Text() == "OTEL_SEMANTIC_CONVENTIONS");
        if (!asked) return "";

        var containers = pod.Spec["containers"].Objects().ToList();
        var version = PodFacts.FirstNonEmpty(
            pod.Annotation(prefix + "service.version", null), pod.Label("app.kubernetes.io/version"),
            containers.Count == 1 ? TagAndDigest(containers[0]["image"].Text() ?? "") : null);
        // The pod's name is not known yet; Kubernetes puts it in for $(POD_NAME).
        var instance = PodFacts.FirstNonEmpty(pod.Annotation(prefix + "service.instance.id", null),
            containers.Count > 0 ? $"{pod.Namespace}.$(POD_NAME).{containers[0]["name"].Text()}" : null);
        return string.Join(',', new[]
        {
            ("service.namespace", PodFacts.FirstNonEmpty(pod.Annotation(prefix + "service.namespace", null), pod.Namespace)),
            ("service.version", version),
            ("service.instance.id", instance),
        }.Where(attribute => attribute.Item2.Length > 0).Select(attribute => $"{attribute.Item1}={attribute.Item2}"));
    }

    private static string TagAndDigest(string image)
    {
        var at = image.IndexOf('@', StringComparison.Ordinal);
        var digest = at < 0 ? "" : image[(at + 1)..];
        var name = at < 0 ? image : image[..at];
        var colon = name.LastIndexOf(':');
        var tag = colon > name.LastIndexOf('/') ? name[(colon + 1)..] : "";
        return tag.Length > 0 && digest.Length > 0 ? $"{tag}@{digest}" : tag + digest;
    }
}
