using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Cli.Manifests;

/// <summary>A misspelt value would be silently without effect; here it is an error that names it. --force takes it anyway.</summary>
internal static class SpecRules
{
    private static readonly HashSet<string> SpecFields =
        ["profile", "hub", "tag", "namespace", "revision", "meshConfig", "components", "values", "installPackagePath", "compatibilityVersion", "resourceSuffix", "unvalidatedValues"];

    private static readonly HashSet<string> Components = ["base", "pilot", "cni", "ztunnel", "istiodRemote", "ingressGateways", "egressGateways"];
    private static readonly HashSet<string> ComponentFields = ["enabled", "namespace", "k8s", "name", "label", "hub", "tag", "spec"];

    /// <summary>Values that name things of the user's own, so that no list can know them.</summary>
    private static readonly HashSet<string> Open =
    [
        "env", "labels", "annotations", "podAnnotations", "podLabels", "serviceAnnotations", "serviceAccountAnnotations", "deploymentLabels", "deploymentAnnotations",
        "sidecarInjectorWebhookAnnotations", "nodeSelector", "affinity", "resources", "securityContext", "seccompProfile", "meshConfig", "meshNetworks", "templates", "aliases",
        "injectedAnnotations", "lifecycle", "autoscaleBehavior", "memory", "defaultResources", "tracer", "platform", "defaultConfig", "defaultPodDisruptionBudget", "waypoint",
        "trustBundleName", "telemetry", "tolerations", "volumes", "volumeMounts", "topologySpreadConstraints",
    ];

    /// <summary>Istio's names that this mesh reads without effect, or only where they are set.</summary>
    private static readonly HashSet<string> AlsoKnown =
    [
        "holdApplicationUntilProxyStarts", "capNetBindService", "enableCoreDump", "privateRegistry", "variant", "jwtPolicy", "trustDomain", "useIngressPorts", "ipFamilyPolicy", "ipFamilies",
        "defaultRevision", "profile", "revision", "compatibilityVersion", "ztunnel", "istio_cni", "base", "experimental", "gatewayClasses", "remotePilotAddress", "defaultTolerations",
        "defaultNodeSelector", "sts", "autoscaling", "secretVolumes", "configVolumes", "additionalContainers", "runAsRoot", "customService", "injectionTemplate", "externalTrafficPolicy",
        "podAntiAffinityLabelSelector", "podAntiAffinityTermLabelSelector", "ingressPorts", "zvpn", "pdb", "taint", "trustedZtunnelNamespace", "trustedZtunnelName", "jwksResolverExtraRootCA",
        "initContainers", "terminationMessagePolicy", "spec", "agentgateway", "networkPolicy", "enableReaderRBAC", "stableValidationPolicy", "enableIstioConfigCRDs",
        "enabled", "arch", "globalDomainSuffix", "includeEnvoyFilter", "podDNSSearchNamespaces", "readerServiceAccount", "injectionURL", "chained", "enabledLocalInjectorIstiod",
    ];

    /// <returns>Null when every field is known.</returns>
    public static string? Problem(JsonObject spec)
    {
        foreach (var (key, _) in spec)
            if (!SpecFields.Contains(key)) return $"json: unknown field \"{key}\"";

        foreach (var (name, component) in spec["components"] as JsonObject ?? [])
        {
            if (!Components.Contains(name)) return $"json: unknown field \"{name}\"";
            foreach (var part in component is JsonArray list ? list.OfType<JsonObject>() : component is JsonObject one ? [one] : [])
            {
                if (part.FirstOrDefault(field => !ComponentFields.Contains(field.Key)).Key is { } field) return $"json: unknown field \"{field}\"";
                if (part["k8s"] is JsonObject k8s && K8sSettings.Problem(k8s) is { } unknown) return $"json: unknown field \"{unknown}\"";
                if (part["enabled"] is { } enabled && enabled.GetValueKind() is not (JsonValueKind.True or JsonValueKind.False))
                    return $"json: cannot unmarshal {(enabled.GetValueKind() == JsonValueKind.Number ? "number" : "string")} into Go struct field ComponentSpec.spec.components.{name}.enabled of type bool";
            }
        }

        if (spec["values"] is not JsonObject values) return null;
        var known = Overlay.Of(Chart.DefaultValues("base"), Chart.DefaultValues("gateways"), Chart.DefaultValues("istiod"));
        known["pilot"] = Chart.DefaultValues("istiod");
        known["cni"] = new JsonObject(); // of the node agent's chart, which this mesh has not
        return Unknown(values, known, "Values");
    }

    private static string? Unknown(JsonObject values, JsonObject known, string message)
    {
        foreach (var (key, value) in values)
        {
            if (AlsoKnown.Contains(key) || Open.Contains(key)) continue;
            if (!known.ContainsKey(key)) return $"error unmarshaling JSON: while decoding JSON: unknown field \"{key}\" in istio.operator.v1alpha1.{message}";
            if (value is JsonObject inner && known[key] is JsonObject { Count: > 0 } expected && Unknown(inner, expected, Name(key)) is { } problem) return problem;
        }
        return null;
    }

    private static string Name(string key) => key switch
    {
        "istio-ingressgateway" => "IngressGatewayConfig",
        "istio-egressgateway" => "EgressGatewayConfig",
        "proxy_init" => "ProxyInitConfig",
        "sidecarInjectorWebhook" => "SidecarInjectorConfig",
        "cni" => "CNIConfig",
        "sts" => "STSConfig",
        "sds" => "SDSConfig",
        "v2" => "TelemetryV2Config",
        "prometheus" => "TelemetryV2PrometheusConfig",
        _ => $"{char.ToUpperInvariant(key[0])}{key[1..]}Config",
    };
}
