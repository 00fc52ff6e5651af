using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>Cluster and network of the proxy: values, then the webhook's URL, then (network only) the pod's label.</summary>
internal static class ClusterEnvironment
{
    private const string ClusterId = "ISTIO_META_CLUSTER_ID";
    private const string Network = "ISTIO_META_NETWORK";
    private const string NetworkLabel = "topology.istio.io/network";

    public static void Apply(JsonObject pod, JsonObject original, string path, InjectorSettings settings)
    {
        var variables = InjectPath.Environment(path);
        var cluster = PodFacts.FirstNonEmpty(variables.GetValueOrDefault(ClusterId), settings.Values.At("global", "multiCluster", "clusterName").Text());
        var network = original.At("metadata", "labels", NetworkLabel).Text()
            ?? PodFacts.FirstNonEmpty(variables.GetValueOrDefault(Network), settings.Values.At("global", "network").Text());
        if (cluster.Length > 0) variables = variables.SetItem(ClusterId, cluster);
        if (network.Length > 0) variables = variables.SetItem(Network, network);
        if (variables.IsEmpty) return;

        if (UserContainers.Proxy(pod) is { } proxy)
        {
            var kept = proxy["env"].Objects().Where(entry => !variables.ContainsKey(entry["name"].Text() ?? "")).Select(entry => entry.Copy());
            proxy["env"] = List([.. kept, .. variables.Select(entry => Env(entry.Key, entry.Value))]);
        }
        if (variables.TryGetValue(Network, out var name)) pod.MapAt("metadata").MapAt("labels")[NetworkLabel] = name;
    }
}
