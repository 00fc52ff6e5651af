namespace Mesh.Proxy.Config;

internal enum BalancingPolicy { RoundRobin, LeastRequest, Random, RingHash, Maglev, ClusterProvided }

internal enum RingHashFunction { XxHash, Murmur2 }

internal enum LocalityMode { None, Weighted, ZoneAware }

/// <summary>How an endpoint is chosen.</summary>
internal sealed record LoadBalancing
{
    public BalancingPolicy Policy { get; init; }
    /// <summary>Below this share of healthy hosts health is not looked at any more.</summary>
    public double PanicPercent { get; init; } = 50;
    public LocalityMode Locality { get; init; }
    public uint ZoneAwareRoutingPercent { get; init; } = 100;
    public ulong ZoneAwareClusterSizeMin { get; init; } = 6;

    // Least request.
    public uint Choices { get; init; } = 2;
    public double ActiveRequestBias { get; init; } = 1.0;
    /// <summary>Null: new endpoints get their full share at once.</summary>
    public SlowStart? SlowStart { get; init; }

    // Ring hash and maglev.
    public ulong RingSizeMin { get; init; } = 1024;
    public ulong RingSizeMax { get; init; } = 8 * 1024 * 1024;
    public RingHashFunction HashFunction { get; init; }
    public ulong MaglevTableSize { get; init; } = 65537;
    /// <summary>Hash endpoints by their host name instead of their address.</summary>
    public bool UseHostnameForHashing { get; init; }
    /// <summary>Percent of the average load an endpoint may carry before the next on the ring is asked; null is no bound.</summary>
    public uint? HashBalanceFactor { get; init; }

    /// <summary>Endpoint named by a header or metadata is taken first (stateful session, dynamic destinations).</summary>
    public bool OverrideHost { get; init; }
    public bool CloseConnectionsOnHostSetChange { get; init; }
}

internal sealed record SlowStart(TimeSpan Window, double Aggression, double MinWeightPercent);
