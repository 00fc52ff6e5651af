using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Mesh.Model.Resources;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Model.Translate;

/// <summary>The clusters that every sidecar has: nowhere, wherever the caller meant, and the application behind an unknown port.</summary>
internal static class FixedClusters
{
    // An address that only the inbound proxy uses: the capture rules let what comes from it pass.
    public const string InboundSource = "127.0.0.6";

    private static readonly TimeSpan PassthroughIdle = TimeSpan.FromMinutes(5);

    public static Proto.Cluster BlackHole(MeshConfig mesh) => new()
    {
        Name = Names.BlackHole,
        Type = Proto.Cluster.Types.DiscoveryType.Static,
        ConnectTimeout = Protos.Span(mesh.ConnectTimeout),
        LbPolicy = Proto.Cluster.Types.LbPolicy.RoundRobin,
    };

    public static Proto.Cluster Passthrough(MeshConfig mesh, bool hasIstioFilters)
    {
        var cluster = Original(Names.Passthrough, mesh);
        if (hasIstioFilters) cluster.Filters.Add(new Proto.Filter { Name = "istio.metadata_exchange", TypedConfig = IstioFilters.TcpExchange });
        return cluster;
    }

    public static Proto.Cluster InboundPassthrough(MeshConfig mesh)
    {
        var cluster = Original(Names.InboundPassthrough, mesh);
        cluster.UpstreamBindConfig = new() { SourceAddress = new() { Address = InboundSource, PortValue = 0 } };
        return cluster;
    }

    /// <summary>One port of the application. The address is the one the caller meant, from the source that is not captured again.</summary>
    public static Proto.Cluster Inbound(string name, int port, World.AppProtocol protocol, ConnectionPool? pool, MeshConfig mesh, string endpoint, ImmutableArray<World.MeshService> services)
    {
        var cluster = new Proto.Cluster
        {
            Name = name,
            AltStatName = Names.Stat(name),
            ConnectTimeout = Protos.Span(mesh.ConnectTimeout),
            CommonLbConfig = new(),
            LbPolicy = Proto.Cluster.Types.LbPolicy.RoundRobin,
        };
        if (endpoint.Length == 0 && !mesh.InboundIsLocalhost)
        {
            cluster.Type = Proto.Cluster.Types.DiscoveryType.OriginalDst;
            cluster.LbPolicy = Proto.Cluster.Types.LbPolicy.ClusterProvided;
            cluster.UpstreamBindConfig = new() { SourceAddress = new() { Address = InboundSource, PortValue = 0 } };
        }
        else
        {
            cluster.Type = Proto.Cluster.Types.DiscoveryType.Static;
            var (address, target) = Split(endpoint.Length > 0 ? endpoint : $"127.0.0.1:{port}");
            cluster.LoadAssignment = new()
            {
                ClusterName = name,
                Endpoints = { new Envoy.Config.Endpoint.V3.LocalityLbEndpoints { LbEndpoints = { new Envoy.Config.Endpoint.V3.LbEndpoint { Endpoint = new() { Address = Protos.Address(address, target) } } } } },
            };
            if (address is not ("127.0.0.1" or "::1") && !address.StartsWith("unix:", StringComparison.Ordinal))
                cluster.UpstreamBindConfig = new() { SourceAddress = new() { Address = InboundSource, PortValue = 0 } };
        }
        var http = UpstreamHttp.For(protocol, null, H2Upgrade.DoNotUpgrade);
        ConnectionLimits.Apply(cluster, http, pool is null ? null : pool with { H2Upgrade = H2Upgrade.Default }, mesh);
        if (http.HasContent) cluster.TypedExtensionProtocolOptions[UpstreamHttp.Key] = Protos.Pack(http.Options);
        if (!services.IsEmpty)
        {
            var list = services.Distinct().Select(service => Google.Protobuf.WellKnownTypes.Value.ForStruct(Protos.Struct(
                ("host", Google.Protobuf.WellKnownTypes.Value.ForString(service.Host)), ("name", Google.Protobuf.WellKnownTypes.Value.ForString(service.Name)),
                ("namespace", Google.Protobuf.WellKnownTypes.Value.ForString(service.Namespace)))));
            cluster.Metadata = new() { FilterMetadata = { ["istio"] = Protos.Struct(("services", Google.Protobuf.WellKnownTypes.Value.ForList([.. list]))) } };
        }
        return cluster;
    }

    private static (string Address, int Port) Split(string endpoint)
    {
        if (endpoint.StartsWith("unix://", StringComparison.Ordinal)) return (endpoint, 0);
        var colon = endpoint.LastIndexOf(':');
        return (endpoint[..colon].Trim('[', ']'), int.Parse(endpoint[(colon + 1)..]));
    }

    private static Proto.Cluster Original(string name, MeshConfig mesh)
    {
        var cluster = new Proto.Cluster
        {
            Name = name,
            Type = Proto.Cluster.Types.DiscoveryType.OriginalDst,
            ConnectTimeout = Protos.Span(mesh.ConnectTimeout),
            LbPolicy = Proto.Cluster.Types.LbPolicy.ClusterProvided,
            CircuitBreakers = new()
            {
                Thresholds =
                {
                    new Proto.CircuitBreakers.Types.Thresholds
                    {
                        MaxConnections = uint.MaxValue, MaxPendingRequests = uint.MaxValue, MaxRequests = uint.MaxValue, MaxRetries = uint.MaxValue, TrackRemaining = true,
                    },
                },
            },
        };
        cluster.TypedExtensionProtocolOptions[UpstreamHttp.Key] = Protos.Pack(new Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions
        {
            CommonHttpProtocolOptions = new() { IdleTimeout = Protos.Span(PassthroughIdle) },
            UseDownstreamProtocolConfig = new() { HttpProtocolOptions = new(), Http2ProtocolOptions = new() { MaxConcurrentStreams = 1_073_741_824 } },
        });
        return cluster;
    }
}
