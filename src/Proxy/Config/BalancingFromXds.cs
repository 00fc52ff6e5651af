using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Extensions.LoadBalancingPolicies.Common.V3;
using Envoy.Extensions.LoadBalancingPolicies.LeastRequest.V3;
using Envoy.Extensions.LoadBalancingPolicies.Maglev.V3;
using Envoy.Extensions.LoadBalancingPolicies.OverrideHost.V3;
using Envoy.Extensions.LoadBalancingPolicies.RingHash.V3;
using Envoy.Extensions.LoadBalancingPolicies.RoundRobin.V3;
using Envoy.Extensions.LoadBalancingPolicies.WrrLocality.V3;
using Envoy.Type.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Proxy.Config;

/// <summary>How a cluster's endpoints are chosen: the old fields, or the list of typed policies that replaces them.</summary>
internal static class BalancingFromXds
{
    private const ulong RingSizeMax = 8 * 1024 * 1024;
    private const ulong MaglevSizeMax = 5_000_011;

    public static LoadBalancing Read(Proto.Cluster proto)
    {
        // To pass it over would send requests to endpoints that their route excludes.
        if (proto.LbSubsetConfig is { SubsetSelectors.Count: > 0 }) throw new ConfigRefusedException("lb_subset_config", "is not supported; use clusters of their own");

        var common = proto.CommonLbConfig;
        var settings = new LoadBalancing
        {
            PanicPercent = common?.HealthyPanicThreshold?.Value ?? 50,
            Locality = common?.LocalityConfigSpecifierCase switch
            {
                Proto.Cluster.Types.CommonLbConfig.LocalityConfigSpecifierOneofCase.LocalityWeightedLbConfig => LocalityMode.Weighted,
                Proto.Cluster.Types.CommonLbConfig.LocalityConfigSpecifierOneofCase.ZoneAwareLbConfig => LocalityMode.ZoneAware,
                _ => LocalityMode.None,
            },
            ZoneAwareRoutingPercent = (uint)(common?.ZoneAwareLbConfig?.RoutingEnabled?.Value ?? 100),
            ZoneAwareClusterSizeMin = common?.ZoneAwareLbConfig?.MinClusterSize ?? 6,
            UseHostnameForHashing = common?.ConsistentHashingLbConfig?.UseHostnameForHashing ?? false,
            HashBalanceFactor = common?.ConsistentHashingLbConfig?.HashBalanceFactor,
            CloseConnectionsOnHostSetChange = common?.CloseConnectionsOnHostSetChange ?? false,
            OverrideHost = common?.OverrideHostStatus is { Statuses.Count: > 0 },
        };
        return proto.LoadBalancingPolicy is { Policies.Count: > 0 } typed
            ? In("load_balancing_policy", typed, policy => Typed(settings, policy, 0))
            : Old(settings, proto);
    }

    private static LoadBalancing Old(LoadBalancing settings, Proto.Cluster proto) => proto.LbPolicy switch
    {
        Proto.Cluster.Types.LbPolicy.RoundRobin => settings with { Policy = BalancingPolicy.RoundRobin, SlowStart = Slow(proto.RoundRobinLbConfig?.SlowStartConfig) },
        Proto.Cluster.Types.LbPolicy.LeastRequest => settings with
        {
            Policy = BalancingPolicy.LeastRequest,
            Choices = Math.Clamp(proto.LeastRequestLbConfig?.ChoiceCount ?? 2, 2, 16),
            ActiveRequestBias = Bias(proto.LeastRequestLbConfig?.ActiveRequestBias),
            SlowStart = Slow(proto.LeastRequestLbConfig?.SlowStartConfig),
        },
        Proto.Cluster.Types.LbPolicy.Random => settings with { Policy = BalancingPolicy.Random },
        Proto.Cluster.Types.LbPolicy.RingHash => Ring(settings, proto.RingHashLbConfig?.MinimumRingSize, proto.RingHashLbConfig?.MaximumRingSize,
            proto.RingHashLbConfig?.HashFunction == Proto.Cluster.Types.RingHashLbConfig.Types.HashFunction.MurmurHash2),
        Proto.Cluster.Types.LbPolicy.Maglev => Maglev(settings, proto.MaglevLbConfig?.TableSize),
        Proto.Cluster.Types.LbPolicy.ClusterProvided => settings with { Policy = BalancingPolicy.ClusterProvided },
        _ => throw new ConfigRefusedException("lb_policy", $"{proto.LbPolicy} needs a load_balancing_policy"),
    };

    // The first policy of the list that we have is taken, as the field prescribes.
    private static LoadBalancing Typed(LoadBalancing settings, Proto.LoadBalancingPolicy policy, int depth)
    {
        if (depth > 4) throw new ConfigRefusedException("policies are nested too deeply");
        foreach (var entry in policy.Policies)
        {
            var config = entry.TypedExtensionConfig.TypedConfig;
            switch (TypeOf(config))
            {
                case "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin":
                    var round = Unpack(config, RoundRobin.Parser);
                    return Local(settings, round.LocalityLbConfig) with { Policy = BalancingPolicy.RoundRobin, SlowStart = Slow(round.SlowStartConfig) };
                case "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest":
                    var least = Unpack(config, LeastRequest.Parser);
                    return Local(settings, least.LocalityLbConfig) with
                    {
                        Policy = BalancingPolicy.LeastRequest,
                        Choices = Math.Clamp(least.ChoiceCount ?? 2, 2, 16),
                        ActiveRequestBias = Bias(least.ActiveRequestBias),
                        SlowStart = Slow(least.SlowStartConfig),
                    };
                case "envoy.extensions.load_balancing_policies.random.v3.Random":
                    return Local(settings, Unpack(config, Envoy.Extensions.LoadBalancingPolicies.Random.V3.Random.Parser).LocalityLbConfig) with { Policy = BalancingPolicy.Random };
                case "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash":
                    var ring = Unpack(config, RingHash.Parser);
                    return Ring(Hashing(settings, ring.ConsistentHashingLbConfig, ring.LocalityWeightedLbConfig is not null),
                        ring.MinimumRingSize, ring.MaximumRingSize, ring.HashFunction == RingHash.Types.HashFunction.MurmurHash2);
                case "envoy.extensions.load_balancing_policies.maglev.v3.Maglev":
                    var maglev = Unpack(config, Envoy.Extensions.LoadBalancingPolicies.Maglev.V3.Maglev.Parser);
                    return Maglev(Hashing(settings, maglev.ConsistentHashingLbConfig, maglev.LocalityWeightedLbConfig is not null), maglev.TableSize);
                case "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided":
                    return settings with { Policy = BalancingPolicy.ClusterProvided };
                case "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality":
                    var inner = Unpack(config, WrrLocality.Parser).EndpointPickingPolicy;
                    return Typed(settings with { Locality = LocalityMode.Weighted }, inner, depth + 1);
                case "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost":
                    return Typed(settings with { OverrideHost = true }, Unpack(config, OverrideHost.Parser).FallbackPolicy, depth + 1);
                case "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin":
                    return settings with { Policy = BalancingPolicy.RoundRobin };
            }
        }
        throw new ConfigRefusedException("policies", $"none of {string.Join(", ", policy.Policies.Select(p => TypeOf(p.TypedExtensionConfig.TypedConfig)))} is supported");
    }

    private static LoadBalancing Local(LoadBalancing settings, LocalityLbConfig? config) => config?.LocalityConfigSpecifierCase switch
    {
        LocalityLbConfig.LocalityConfigSpecifierOneofCase.LocalityWeightedLbConfig => settings with { Locality = LocalityMode.Weighted },
        LocalityLbConfig.LocalityConfigSpecifierOneofCase.ZoneAwareLbConfig => settings with { Locality = LocalityMode.ZoneAware },
        _ => settings,
    };

    private static LoadBalancing Hashing(LoadBalancing settings, ConsistentHashingLbConfig? config, bool weighted) => settings with
    {
        UseHostnameForHashing = config?.UseHostnameForHashing ?? settings.UseHostnameForHashing,
        HashBalanceFactor = config?.HashBalanceFactor ?? settings.HashBalanceFactor,
        Locality = weighted ? LocalityMode.Weighted : settings.Locality,
    };

    private static LoadBalancing Ring(LoadBalancing settings, ulong? min, ulong? max, bool murmur)
    {
        var (least, most) = (min ?? 1024, max ?? RingSizeMax);
        if (least > RingSizeMax) throw new ConfigRefusedException("minimum_ring_size", $"{least} is more than {RingSizeMax}");
        if (least > most) throw new ConfigRefusedException("minimum_ring_size", $"{least} is more than the maximum of {most}");
        return settings with
        {
            Policy = BalancingPolicy.RingHash, RingSizeMin = least, RingSizeMax = Math.Min(most, RingSizeMax), HashFunction = murmur ? RingHashFunction.Murmur2 : RingHashFunction.XxHash,
        };
    }

    private static LoadBalancing Maglev(LoadBalancing settings, ulong? size)
    {
        var table = size ?? 65537;
        if (table is < 2 or > MaglevSizeMax || !IsPrime(table)) throw new ConfigRefusedException("table_size", $"{table} is not a prime number up to {MaglevSizeMax}");
        return settings with { Policy = BalancingPolicy.Maglev, MaglevTableSize = table };
    }

    private static bool IsPrime(ulong number)
    {
        for (ulong divisor = 2; divisor * divisor <= number; divisor++)
            if (number % divisor == 0) return false;
        return number > 1;
    }

    private static double Bias(RuntimeDouble? bias) => bias is null ? 1.0 : Math.Max(0, bias.DefaultValue);

    private static SlowStart? Slow(Proto.Cluster.Types.SlowStartConfig? config) => config is null ? null : Slow(config.SlowStartWindow, config.Aggression, config.MinWeightPercent);

    private static SlowStart? Slow(SlowStartConfig? config) => config is null ? null : Slow(config.SlowStartWindow, config.Aggression, config.MinWeightPercent);

    private static SlowStart? Slow(Google.Protobuf.WellKnownTypes.Duration? window, RuntimeDouble? aggression, Percent? min) =>
        Limit(window) is { } length ? new(length, aggression?.DefaultValue is > 0 and var value ? value : 1.0, min?.Value ?? 10) : null;
}
