using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Istio's canonical service and revision of a workload.</summary>
internal static class CanonicalNames
{
    public static (string Name, string Revision) Of(LabelSet labels, string workload) => (
        labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? workload,
        labels["service.istio.io/canonical-revision"] ?? labels["app.kubernetes.io/version"] ?? labels["version"] ?? "latest");
}
