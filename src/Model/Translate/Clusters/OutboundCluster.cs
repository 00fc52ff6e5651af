using Envoy.Config.Core.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;
using Mesh.Model.World;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Model.Translate;

/// <summary>One outbound cluster: a service's port, whole or one subset of it.</summary>
internal static class OutboundCluster
{
    public static Proto.Cluster Build(ClusterInputs inputs)
    {
        var policy = EffectivePolicy.For(inputs.Rule, inputs.Subset, inputs.Port.Number, inputs.Mesh);
        var cluster = new Proto.Cluster
        {
            Name = inputs.Name,
            AltStatName = Names.Stat(inputs.Name),
            ConnectTimeout = Protos.Span(inputs.Mesh.ConnectTimeout),
            CommonLbConfig = new(),
            Metadata = Metadata(inputs),
        };
        Discovery(cluster, inputs, policy);
        var http = UpstreamHttp.For(inputs.Port.Protocol, policy.ConnectionPool, inputs.Mesh.H2Upgrade);
        ConnectionLimits.Apply(cluster, http, policy.ConnectionPool, inputs.Mesh);
        RetryBudget(cluster, policy.RetryBudget);
        Balancing.Apply(cluster, policy.LoadBalancer, inputs.Mesh);
        Outliers.Apply(cluster, http, policy.OutlierDetection);
        ClusterTls.Apply(cluster, http, policy, inputs);
        if (policy.ProxyProtocolVersion is { } version) ProxyProtocol.Wrap(cluster, version);
        if (http.HasContent) cluster.TypedExtensionProtocolOptions[UpstreamHttp.Key] = Protos.Pack(http.Options);
        if (inputs.Client.HasIstioFilters && !inputs.Port.Protocol.IsHttp())
            cluster.Filters.Add(new Proto.Filter { Name = "istio.metadata_exchange", TypedConfig = IstioFilters.TcpExchange });
        return cluster;
    }

    /// <summary>True when the endpoints of such a cluster are asked for by name.</summary>
    public static bool IsSent(MeshService service, MergedRule? rule, Subset? subset, int port, MeshConfig mesh, bool isGateway) =>
        Kind(service, EffectivePolicy.For(rule, subset, port, mesh), isGateway) == Proto.Cluster.Types.DiscoveryType.Eds;

    private static Proto.Cluster.Types.DiscoveryType Kind(MeshService service, TrafficPolicy policy, bool isGateway)
    {
        if (policy.LoadBalancer?.Simple == LoadBalancerKind.Passthrough)
            return Proto.Cluster.Types.DiscoveryType.OriginalDst;
        return service.Resolution switch
        {
            Resolution.Dns => Proto.Cluster.Types.DiscoveryType.StrictDns,
            Resolution.DnsRoundRobin => Proto.Cluster.Types.DiscoveryType.LogicalDns,
            // A gateway's caller never meant an address, so the gateway is sent the endpoints.
            Resolution.OriginalDestination when !isGateway => Proto.Cluster.Types.DiscoveryType.OriginalDst,
            _ => Proto.Cluster.Types.DiscoveryType.Eds,
        };
    }

    private static void Discovery(Proto.Cluster cluster, ClusterInputs inputs, TrafficPolicy policy)
    {
        if (inputs.Service.Resolution == Resolution.DynamicDns)
        {
            DynamicDns(cluster);
            return;
        }
        cluster.Type = Kind(inputs.Service, policy, inputs.Client.IsGateway);
        switch (cluster.Type)
        {
            case Proto.Cluster.Types.DiscoveryType.Eds:
                cluster.EdsClusterConfig = new() { EdsConfig = Protos.Ads, ServiceName = inputs.Name };
                break;
            // The port of a ServiceEntry without resolution may be another at the address that was meant.
            case Proto.Cluster.Types.DiscoveryType.OriginalDst when !inputs.Service.IsKubernetes && inputs.Service.Resolution == Resolution.OriginalDestination
                && inputs.Port.Target > 0 && inputs.Port.Target != inputs.Port.Number:
                cluster.OriginalDstLbConfig = new() { UpstreamPortOverride = (uint)inputs.Port.Target };
                break;
            case Proto.Cluster.Types.DiscoveryType.StrictDns or Proto.Cluster.Types.DiscoveryType.LogicalDns:
                cluster.DnsLookupFamily = Proto.Cluster.Types.DnsLookupFamily.V4Only;
                cluster.TypedDnsResolverConfig = null;
                cluster.LoadAssignment = Assignment.Build(new(
                    inputs.Name, inputs.Inline, inputs.Subset?.Labels ?? LabelSet.Empty, Assignment.Locality(policy, inputs.Mesh), policy.OutlierDetection is not null,
                    inputs.ClientLocality, inputs.NamespaceMode == MutualTlsMode.Disable, LabelSet.Empty, inputs.Service.TrafficDistribution));
                break;
        }
    }

    private static void DynamicDns(Proto.Cluster cluster)
    {
        cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.ClusterProvided;
        cluster.ClusterType = new()
        {
            Name = "envoy.clusters.dynamic_forward_proxy",
            TypedConfig = Protos.Pack(new Envoy.Extensions.Clusters.DynamicForwardProxy.V3.ClusterConfig { DnsCacheConfig = DynamicForward.Cache }),
        };
    }

    private static void RetryBudget(Proto.Cluster cluster, RetryBudget? budget)
    {
        if (budget is null) return;
        cluster.CircuitBreakers.Thresholds[0].MaxRetries = null;
        cluster.CircuitBreakers.Thresholds[0].RetryBudget = new()
        {
            BudgetPercent = new() { Value = budget.Percent },
            MinRetryConcurrency = (uint)budget.MinRetryConcurrency,
        };
    }

    private static Metadata Metadata(ClusterInputs inputs)
    {
        var istio = new Struct();
        if (inputs.Rule is { } rule)
            istio.Fields["config"] = Value.ForString($"/apis/networking.istio.io/v1/namespaces/{rule.Namespace}/destination-rule/{rule.Name}");
        if (inputs.Subset is not null) istio.Fields["subset"] = Value.ForString(inputs.Subset.Name);
        if (inputs.Service.IsExternal) istio.Fields["external"] = Value.ForBool(true);
        istio.Fields["services"] = Value.ForList(Value.ForStruct(Protos.Struct(
            ("host", Value.ForString(inputs.Service.Host)), ("name", Value.ForString(inputs.Service.Name)),
            ("namespace", Value.ForString(inputs.Service.Namespace)))));
        return new() { FilterMetadata = { ["istio"] = istio } };
    }
}

/// <summary>The DNS cache shared by clusters and filters that resolve the request's own name.</summary>
internal static class DynamicForward
{
    public static Envoy.Extensions.Common.DynamicForwardProxy.V3.DnsCacheConfig Cache { get; } = new()
    {
        Name = "dynamic_forward_proxy_cache",
        DnsLookupFamily = Proto.Cluster.Types.DnsLookupFamily.V4Only,
    };
}
