using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

internal enum EndpointHealth { Unknown, Healthy, Unhealthy, Draining, TimedOut, Degraded }

/// <summary>An address with weight and locality.</summary>
internal sealed record Endpoint
{
    public required SocketTarget Address { get; init; }
    public ImmutableArray<SocketTarget> AdditionalAddresses { get; init; } = [];
    /// <summary>What health checks, host rewrites and hashing by name use; often empty.</summary>
    public string Hostname { get; init; } = "";
    public uint Weight { get; init; } = 1;
    public EndpointHealth Health { get; init; }
    public Metadata Metadata { get; init; } = Metadata.Empty;
    public int? HealthCheckPort { get; init; }

    /// <summary>Whether the control plane would have requests sent to it.</summary>
    public bool IsServing => Health is EndpointHealth.Unknown or EndpointHealth.Healthy or EndpointHealth.Degraded;
}

/// <summary>The endpoints of one locality at one priority.</summary>
internal sealed record LocalityEndpoints
{
    public Locality Locality { get; init; } = Locality.Nowhere;
    public ImmutableArray<Endpoint> Endpoints { get; init; } = [];
    /// <summary>Null: this locality takes part only when nothing is weighted by locality.</summary>
    public uint? Weight { get; init; }
    /// <summary>Zero is the best.</summary>
    public int Priority { get; init; }
    public Metadata Metadata { get; init; } = Metadata.Empty;
}

/// <summary>All endpoints of a cluster, as the control plane last said.</summary>
internal sealed record ClusterEndpoints
{
    public required string Name { get; init; }
    public ImmutableArray<LocalityEndpoints> Localities { get; init; } = [];
    /// <summary>In percent: how much of its load a priority of which only a part is healthy may still take.</summary>
    public uint OverprovisioningFactor { get; init; } = 140;
    public bool WeightedPriorityHealth { get; init; }
    /// <summary>Shares of requests thrown away before any endpoint is chosen.</summary>
    public ImmutableArray<Fraction> Drops { get; init; } = [];
}
