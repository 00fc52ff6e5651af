using Mesh.Model.Resources;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Model.Translate;

/// <summary>DestinationRule's loadBalancer, and the locality weights that endpoints carry.</summary>
internal static class Balancing
{
    private const ulong RingSizeDefault = 1024;

    public static void Apply(Proto.Cluster cluster, LoadBalancer? balancer, MeshConfig mesh)
    {
        if (Assignment.Locality(balancer, mesh) is not null) cluster.CommonLbConfig.LocalityWeightedLbConfig = new();
        if (cluster.ClusterDiscoveryTypeCase == Proto.Cluster.ClusterDiscoveryTypeOneofCase.ClusterType) return;
        if (cluster.Type == Proto.Cluster.Types.DiscoveryType.OriginalDst)
        {
            cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.ClusterProvided;
            return;
        }
        switch (balancer?.Simple)
        {
            case LoadBalancerKind.Random:
                cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.Random;
                break;
            case LoadBalancerKind.RoundRobin:
                cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.RoundRobin;
                if (balancer.Warmup is { } slow) cluster.RoundRobinLbConfig = new() { SlowStartConfig = SlowStart(slow) };
                break;
            default:
                cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.LeastRequest;
                if (balancer?.Warmup is { } start) cluster.LeastRequestLbConfig = new() { SlowStartConfig = SlowStart(start) };
                break;
        }
        if (balancer?.Hash is { } hash) Hash(cluster, hash);
    }

    private static void Hash(Proto.Cluster cluster, ConsistentHash hash)
    {
        cluster.ClearLbConfig();
        if (hash.IsMaglev)
        {
            cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.Maglev;
            if (hash.MaglevTableSize is { } size) cluster.MaglevLbConfig = new() { TableSize = size };
            return;
        }
        cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.RingHash;
        cluster.RingHashLbConfig = new() { MinimumRingSize = hash.MinimumRingSize ?? RingSizeDefault };
    }

    private static Proto.Cluster.Types.SlowStartConfig SlowStart(Warmup warmup) => new()
    {
        SlowStartWindow = Protos.Span(warmup.Duration),
        Aggression = new() { DefaultValue = warmup.Aggression, RuntimeKey = "" },
        MinWeightPercent = new() { Value = warmup.MinimumPercent },
    };
}
