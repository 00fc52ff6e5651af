using Envoy.Config.Endpoint.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Config.Endpoint.V3;

namespace Mesh.Proxy.Config;

/// <summary>Endpoints of a cluster.</summary>
internal static class EndpointFromXds
{
    private const int PriorityMax = 127;

    public static ClusterEndpoints Read(ClusterLoadAssignment proto) => new()
    {
        Name = proto.ClusterName,
        Localities = Each("endpoints", proto.Endpoints, ReadLocality),
        OverprovisioningFactor = proto.Policy?.OverprovisioningFactor ?? 140,
        WeightedPriorityHealth = proto.Policy?.WeightedPriorityHealth ?? false,
        Drops = proto.Policy is null ? [] : Each("policy.drop_overloads", proto.Policy.DropOverloads, drop => Share(drop.DropPercentage, Fraction.None)),
    };

    private static LocalityEndpoints ReadLocality(LocalityLbEndpoints proto)
    {
        if (proto.Priority > PriorityMax) throw new ConfigRefusedException("priority", $"{proto.Priority} is more than {PriorityMax}");
        if (proto.LbConfigCase == LocalityLbEndpoints.LbConfigOneofCase.LedsClusterLocalityConfig) throw new ConfigRefusedException("leds_cluster_locality_config", "is not supported");
        return new()
        {
            Locality = proto.Locality is { } at && (at.Region.Length | at.Zone.Length | at.SubZone.Length) > 0 ? new(at.Region, at.Zone, at.SubZone) : Locality.Nowhere,
            Endpoints = Each("lb_endpoints", proto.LbEndpoints, ReadEndpoint),
            Weight = proto.LoadBalancingWeight,
            Priority = (int)proto.Priority,
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
        };
    }

    private static Endpoint ReadEndpoint(LbEndpoint proto)
    {
        if (proto.HostIdentifierCase != LbEndpoint.HostIdentifierOneofCase.Endpoint) throw new ConfigRefusedException("endpoint", "is missing");
        return new()
        {
            Address = In("endpoint.address", proto.Endpoint.Address, Target),
            AdditionalAddresses = Each("endpoint.additional_addresses", proto.Endpoint.AdditionalAddresses, additional => Target(additional.Address)),
            Hostname = proto.Endpoint.Hostname,
            Weight = proto.LoadBalancingWeight is { } weight ? Math.Max(1, weight) : 1,
            Health = (EndpointHealth)proto.HealthStatus,
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
            HealthCheckPort = proto.Endpoint.HealthCheckConfig?.PortValue is > 0 and <= 65535 and var port ? (int)port : null,
        };
    }
}
