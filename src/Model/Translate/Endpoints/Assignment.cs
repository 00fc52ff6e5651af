using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;
using Mesh.Model.World;
using Proto = Envoy.Config.Endpoint.V3;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change the endpoints of one cluster as one client sees them.</summary>
/// <param name="HasOutliers">Failover needs to learn which endpoints fail: without outlier detection localities only weigh.</param>
/// <param name="WithoutMutualTls">True when the server's policy refuses it, whatever the endpoint could do.</param>
internal sealed record AssignmentInputs(
    string Cluster, ImmutableArray<World.Endpoint> Endpoints, LabelSet SubsetLabels, LocalityBalance? Balance, bool HasOutliers, World.Locality Client,
    bool WithoutMutualTls, LabelSet ClientLabels, string Distribution)
{
    /// <summary>Ports with a mode of their own; null where the namespace's mode decides.</summary>
    public Policies? Policies { get; init; }

    public string NodeName { get; init; } = "";
}

/// <summary>Endpoints grouped by locality, with weights and priorities.</summary>
internal static class Assignment
{
    public static LocalityBalance? Locality(TrafficPolicy policy, MeshConfig mesh) => Locality(policy.LoadBalancer, mesh);

    /// <summary>The rule's own setting, else the mesh's; null when it is switched off.</summary>
    public static LocalityBalance? Locality(LoadBalancer? balancer, MeshConfig mesh)
    {
        var chosen = balancer?.Locality ?? mesh.Locality ?? On;
        return chosen.Enabled == false ? null : chosen;
    }

    private static readonly LocalityBalance On = new([], [], [], true);

    public static Proto.ClusterLoadAssignment Build(AssignmentInputs inputs)
    {
        var groups = new SortedDictionary<string, (World.Locality Locality, List<World.Endpoint> Endpoints)>(StringComparer.Ordinal);
        foreach (var endpoint in inputs.Endpoints)
        {
            if (!inputs.SubsetLabels.Selects(endpoint.Labels)) continue;
            var key = endpoint.Locality.ToString();
            if (!groups.TryGetValue(key, out var group)) groups[key] = group = (endpoint.Locality, []);
            group.Endpoints.Add(endpoint);
        }

        var assignment = new Proto.ClusterLoadAssignment { ClusterName = inputs.Cluster };
        foreach (var (locality, endpoints) in groups.Values)
        {
            var made = new Proto.LocalityLbEndpoints
            {
                Locality = new() { Region = locality.Region, Zone = locality.Zone, SubZone = locality.Subzone },
                LoadBalancingWeight = (uint)Math.Min(uint.MaxValue, endpoints.Sum(endpoint => (long)endpoint.Weight)),
            };
            foreach (var endpoint in endpoints) made.LbEndpoints.Add(One(endpoint, inputs));
            assignment.Endpoints.Add(made);
        }
        LocalityPriorities.Apply(assignment, groups.Values.Select(group => group.Endpoints).ToList(), inputs);
        return assignment;
    }

    private static Proto.LbEndpoint One(World.Endpoint endpoint, AssignmentInputs inputs)
    {
        var made = new Proto.LbEndpoint
        {
            Endpoint = new() { Address = Protos.Address(endpoint.Address, endpoint.Port) },
            LoadBalancingWeight = endpoint.Weight,
            Metadata = new(),
        };
        if (endpoint.SpeaksMutualTls && !inputs.WithoutMutualTls && !RefusedByServer(endpoint, inputs.Policies))
            made.Metadata.FilterMetadata["envoy.transport_socket_match"] = Protos.Struct(("tlsMode", Value.ForString("istio")));
        made.Metadata.FilterMetadata["istio"] = Protos.Struct(("workload", Value.ForString(Workload(endpoint))));
        return made;
    }

    private static bool RefusedByServer(World.Endpoint endpoint, Policies? policies) =>
        policies is not null && policies.ModeFor(endpoint.Namespace, endpoint.Labels).For(endpoint.Port) == MutualTlsMode.Disable;

    /// <summary>The callee's identity for metrics where it cannot tell itself.</summary>
    private static string Workload(World.Endpoint endpoint)
    {
        var (name, revision) = CanonicalNames.Of(endpoint.Labels, endpoint.Workload);
        return $"{endpoint.Workload};{endpoint.Namespace};{name};{revision};Kubernetes";
    }
}
