using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Control;

/// <summary>The pod a user means by [type/]name: itself, or one of those a workload or Service selects.</summary>
internal static class PodLookup
{
    private static readonly Dictionary<string, KubeKind> Owners = new(StringComparer.OrdinalIgnoreCase)
    {
        ["deploy"] = KubeKinds.Deployment, ["deployment"] = KubeKinds.Deployment, ["deployments"] = KubeKinds.Deployment,
        ["ds"] = KubeKinds.DaemonSet, ["daemonset"] = KubeKinds.DaemonSet, ["daemonsets"] = KubeKinds.DaemonSet,
        ["svc"] = KubeKinds.Service, ["service"] = KubeKinds.Service, ["services"] = KubeKinds.Service,
        ["rs"] = new("apps", "v1", "replicasets", "ReplicaSet", true), ["replicaset"] = new("apps", "v1", "replicasets", "ReplicaSet", true),
        ["sts"] = new("apps", "v1", "statefulsets", "StatefulSet", true), ["statefulset"] = new("apps", "v1", "statefulsets", "StatefulSet", true),
        ["job"] = new("batch", "v1", "jobs", "Job", true), ["jobs"] = new("batch", "v1", "jobs", "Job", true),
    };

    /// <returns>No pod, and why.</returns>
    public static async Task<(JsonObject? Pod, string? Problem)> FindAsync(KubeApi api, string type, string name, string space, CancellationToken cancel)
    {
        if (type is "" or "po" or "pod" or "pods")
        {
            var pod = await api.GetAsync(KubeKinds.Pod, space, name, cancel);
            return pod.IsFine ? (pod.Body, null) : (null, pod.Message);
        }
        if (!Owners.TryGetValue(type, out var kind)) return (null, $"unknown resource type \"{type}\": pod, deployment, daemonset, statefulset, replicaset, job or service");

        var owner = await api.GetAsync(kind, space, name, cancel);
        if (!owner.IsFine) return (null, owner.Message);

        var selector = kind == KubeKinds.Service ? owner.Body.At("spec", "selector") : owner.Body.At("spec", "selector", "matchLabels");
        var query = string.Join(',', selector.Strings().Select(pair => $"{pair.Key}={pair.Value}"));
        var pods = await api.ListAsync(KubeKinds.Pod, space, "labelSelector=" + Uri.EscapeDataString(query), cancel);
        var first = query.Length == 0 ? null : pods.Body.At("items").Objects().FirstOrDefault();
        return first is null ? (null, pods.IsFine ? $"no pods found for {type}/{name} in namespace {space}" : pods.ToString()) : (first, null);
    }
}
