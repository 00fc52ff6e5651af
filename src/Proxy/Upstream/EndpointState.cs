using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream;

/// <summary>An endpoint as one loop lives it: its connections, its load, its luck. Survives changes of the snapshot that leave the endpoint in place.</summary>
internal sealed class EndpointState
{
    public EndpointState(ClusterState cluster, Endpoint endpoint, Locality locality, int priority)
    {
        (Cluster, Endpoint, Locality, Priority) = (cluster, endpoint, locality, priority);
        Pools = new(this);
    }

    public ClusterState Cluster { get; }
    public Endpoint Endpoint { get; set; }
    public Locality Locality { get; set; }
    public int Priority { get; set; }
    public EndpointPools Pools { get; }

    /// <summary>Requests (or TCP connections) under way.</summary>
    public int ActiveRequests { get; set; }

    /// <summary>Set aside by outlier detection.</summary>
    public bool IsEjected { get; set; }
    /// <summary>By active health checks; true where there are none.</summary>
    public bool IsPassing { get; set; } = true;
    /// <summary>No longer in the cluster: lives until its last exchange ends.</summary>
    public bool IsRemoved { get; set; }
    /// <summary>When it was first seen, for slow start.</summary>
    public long AddedAt { get; init; }

    public bool IsHealthy => Endpoint.IsServing && IsPassing && !IsEjected;

    public long RequestsTotal, RequestsFailed, ConnectsTotal, ConnectsFailed;
    public int ActiveConnections { get; set; }
}
