using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis;

/// <summary>Is this workload part of the mesh, and how?</summary>
internal static class Workloads
{
    public const string ProxyContainer = "istio-proxy";
    private const string Inject = "sidecar.istio.io/inject";

    public static IEnumerable<Node> Containers(Node? podSpec) => podSpec.ItemsAt("containers");
    public static IEnumerable<Node> AllContainers(Node? podSpec) => podSpec.ItemsAt("containers").Concat(podSpec.ItemsAt("initContainers"));

    public static bool PodIsInMesh(AnalyzedResource pod, ResourceSet resources) =>
        IsInMesh(AllContainers(pod.Node.At("spec")), pod.Labels, pod.Annotations, pod.Namespace, resources);

    public static bool DeploymentIsInMesh(AnalyzedResource deployment, ResourceSet resources)
    {
        var template = deployment.Node.At("spec", "template");
        return IsInMesh(Containers(template.At("spec")), template.TextsAt("metadata", "labels"), template.TextsAt("metadata", "annotations"), deployment.Namespace, resources);
    }

    public static bool IsAmbientPod(AnalyzedResource pod) => pod.Annotations.GetValueOrDefault("ambient.istio.io/redirection") == "enabled";

    public static bool IsAmbientNamespace(AnalyzedResource? space) =>
        space is not null && space.Labels.GetValueOrDefault("istio-injection") != "enabled" && space.Labels.GetValueOrDefault("istio.io/rev") is null or ""
        && space.Labels.GetValueOrDefault("istio.io/dataplane-mode") == "ambient";

    public static bool IsControlPlane(AnalyzedResource resource) => resource.Labels.ContainsKey("istio") || resource.Labels.GetValueOrDefault("release") == "istio";

    /// <summary>The image of the proxy; empty when there is none.</summary>
    public static string ProxyImage(IEnumerable<Node> containers) =>
        containers.FirstOrDefault(c => c.TextAt("name") == ProxyContainer)?.TextAt("image") ?? "";

    private static bool IsInMesh(IEnumerable<Node> containers, Dictionary<string, string> labels, Dictionary<string, string> annotations, string space, ResourceSet resources)
    {
        if (ProxyImage(containers).Length > 0) return true;
        if (labels.TryGetValue(Inject, out var label)) return label == "true";
        if (annotations.TryGetValue(Inject, out var annotation)) return annotation == "true";
        return resources.Namespace(space)?.Labels.GetValueOrDefault("istio-injection") == "enabled";
    }
}
