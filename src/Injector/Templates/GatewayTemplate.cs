using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>The template "gateway": the pod is the proxy. Its user writes the Deployment and a container istio-proxy with image auto.</summary>
internal static class GatewayTemplate
{
    public static JsonObject Render(PodFacts pod)
    {
        var own = pod.Value("gateways", "securityContext");
        var spec = Map(
            ("securityContext", own is JsonObject { Count: > 0 } ? own.DeepClone()
                : Map(("sysctls", List(Map(("name", "net.ipv4.ip_unprivileged_port_start"), ("value", "0")))))), // so that uid 1337 may serve 80 and 443
            ("containers", List(Proxy(pod))),
            ("volumes", ProxyVolumes.ForGateway(pod)),
            ("imagePullSecrets", ProxyContainer.ImagePullSecrets(pod)));

        var labels = Map(
            ("service.istio.io/canonical-name", SidecarTemplate.CanonicalName(pod)),
            ("service.istio.io/canonical-revision", SidecarTemplate.CanonicalRevision(pod)));
        return Map(("metadata", Map(("labels", labels), ("annotations", SidecarTemplate.CommonAnnotations(pod)))), ("spec", spec));
    }

    private static JsonObject Proxy(PodFacts pod) => Map(
        ("name", ContainerNames.Proxy),
        ("image", ProxyImage.ForProxy(pod)),
        ("imagePullPolicy", NonEmpty(pod.Text("global", "imagePullPolicy"))),
        ("ports", ProxyContainer.Ports()),
        ("args", ProxyContainer.Args(pod, "router")),
        ("lifecycle", pod.Value("global", "proxy", "lifecycle") is JsonObject { Count: > 0 } lifecycle ? lifecycle.DeepClone() : null),
        ("securityContext", Map(("runAsUser", pod.Ids.User), ("runAsGroup", pod.Ids.Group))),
        ("env", ProxyEnvironment.Render(pod, gateway: true)),
        ("readinessProbe", ProxyContainer.ReadinessProbe(pod, byAnnotation: false)),
        ("volumeMounts", ProxyVolumes.MountsForGateway(pod)));
}
