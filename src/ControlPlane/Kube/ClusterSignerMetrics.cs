using Prometheus;

namespace Mesh.ControlPlane.Kube;

/// <summary>What became of requests to signers of the cluster. Only signers whose root the mesh knows have a label of their own.</summary>
internal sealed class ClusterSignerMetrics(CollectorRegistry registry)
{
    private readonly Counter requests = Metrics.WithCustomRegistry(registry).CreateCounter(
        "mesh_external_ca_requests_total", "Workload certificates asked of signers of the cluster, by what became of the request.", "signer", "outcome");

    public void Count(string signer, string outcome) => requests.WithLabels(signer, outcome).Inc();
}
