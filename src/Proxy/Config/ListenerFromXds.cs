using System.Collections.Immutable;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Network.ConnectionLimit.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Extensions.Filters.Network.TcpProxy.V3;
using Envoy.Tcp.Metadataexchange.Config;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Config.Listener.V3;

namespace Mesh.Proxy.Config;

/// <summary>Listeners, their filter chains and network filters.</summary>
internal static class ListenerFromXds
{
    public static Listener Read(Proto.Listener proto)
    {
        if (proto.FilterChainMatcher is not null) throw new ConfigRefusedException("filter_chain_matcher", "matching trees are not supported; use filter_chain_match");

        var isInternal = proto.ListenerSpecifierCase == Proto.Listener.ListenerSpecifierOneofCase.InternalListener;
        var listener = new Listener
        {
            Name = proto.Name,
            Address = isInternal ? new() { InternalListener = proto.Name } : In("address", proto.Address, Target),
            AdditionalAddresses = Each("additional_addresses", proto.AdditionalAddresses, additional => Target(additional.Address)),
            Direction = (TrafficDirection)proto.TrafficDirection,
            BindToPort = !isInternal && (proto.BindToPort ?? true),
            UseOriginalDestination = proto.UseOriginalDst ?? false,
            Transparent = proto.Transparent ?? false,
            IsInternal = isInternal,
            ReusePort = proto.EnableReusePort ?? true,
            BacklogMax = (int?)proto.TcpBacklogSize,
            ConnectionBufferBytesMax = proto.PerConnectionBufferLimitBytes,
            Filters = Each("listener_filters", proto.ListenerFilters, ReadListenerFilter),
            FiltersTimeout = Limit(proto.ListenerFiltersTimeout, TimeSpan.FromSeconds(15)),
            ContinueOnFiltersTimeout = proto.ContinueOnListenerFiltersTimeout,
            Chains = Each("filter_chains", proto.FilterChains, ReadChain),
            DefaultChain = In("default_filter_chain", proto.DefaultFilterChain, chain => chain is null ? null : ReadChain(chain)),
            AccessLogs = AccessLogFromXds.Each("access_log", proto.AccessLog),
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
            FingerprintWithoutChains = FingerprintWithoutChains(proto),
        };
        if (listener.Chains.IsEmpty && listener.DefaultChain is null) throw new ConfigRefusedException("filter_chains", "is empty and there is no default_filter_chain");
        return listener;
    }

    private static UInt128 FingerprintWithoutChains(Proto.Listener proto)
    {
        var rest = new Proto.Listener(proto);
        rest.FilterChains.Clear();
        rest.DefaultFilterChain = null;
        return Fingerprint(rest);
    }

    private static UInt128 Fingerprint(IMessage proto) => System.IO.Hashing.XxHash128.HashToUInt128(proto.ToByteArray());

    private static FilterChain ReadChain(Proto.FilterChain proto)
    {
        var chain = new FilterChain
        {
            Name = proto.Name,
            Match = In("filter_chain_match", proto.FilterChainMatch, ReadMatch),
            Tls = In("transport_socket", proto.TransportSocket, TlsFromXds.Downstream),
            HandshakeTimeout = Limit(proto.TransportSocketConnectTimeout),
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
            Fingerprint = Fingerprint(proto),
        };
        var filters = ImmutableArray.CreateBuilder<NetworkFilterSettings>(proto.Filters.Count);
        for (var i = 0; i < proto.Filters.Count; i++)
        {
            if (chain.Http is not null || chain.Tcp is not null) throw new ConfigRefusedException($"filters[{i}]", "stands behind the terminal filter");
            chain = In($"filters[{i}]", proto.Filters[i], filter => ReadFilter(chain, filters, filter));
        }
        return chain with { Filters = filters.ToImmutable() };
    }

    private static FilterChain ReadFilter(FilterChain chain, ImmutableArray<NetworkFilterSettings>.Builder filters, Proto.Filter proto)
    {
        var config = proto.TypedConfig;
        switch (TypeOf(config))
        {
            case "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager":
                return chain with { Http = In(proto.Name, config, any => HttpFromXds.Read(Unpack(any, HttpConnectionManager.Parser))) };
            case "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy":
                return chain with { Tcp = In(proto.Name, config, any => ReadTcp(Unpack(any, TcpProxy.Parser))) };
            case var type:
                filters.Add(In(proto.Name, config, any => ReadNetworkFilter(proto.Name, type, any)));
                return chain;
        }
    }

    private static NetworkFilterSettings ReadNetworkFilter(string name, string type, Any? config) => type switch
    {
        "envoy.extensions.filters.network.rbac.v3.RBAC" => new NetworkAuthorization(name, AuthorizationFromXds.Read(Unpack(config!, Envoy.Extensions.Filters.Network.Rbac.V3.RBAC.Parser))),
        "stats.PluginConfig" => new NetworkStats(name, HttpFiltersFromXds.IstioStats(Unpack(config!, global::Stats.PluginConfig.Parser))),
        "envoy.tcp.metadataexchange.config.MetadataExchange" => PeerMetadata(name, Unpack(config!, MetadataExchange.Parser)),
        "envoy.extensions.filters.network.sni_cluster.v3.SniCluster" => new NetworkSniCluster(name),
        "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit" => LocalLimit(name, Unpack(config!, Envoy.Extensions.Filters.Network.LocalRatelimit.V3.LocalRateLimit.Parser)),
        "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" => ConnectionLimit(name, Unpack(config!, Envoy.Extensions.Filters.Network.ConnectionLimit.V3.ConnectionLimit.Parser)),
        "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz" => ExternalAuthorization(name, Unpack(config!, Envoy.Extensions.Filters.Network.ExtAuthz.V3.ExtAuthz.Parser)),
        "envoy.extensions.filters.network.set_filter_state.v3.Config" => new NetworkNoOp(name, type),
        "" when name is "envoy.filters.network.sni_cluster" => new NetworkSniCluster(name),
        _ => throw new ConfigRefusedException("typed_config", $"network filter type '{type}' is not supported"),
    };

    private static NetworkPeerMetadata PeerMetadata(string name, MetadataExchange proto) => new(name, proto.Protocol, proto.EnableDiscovery);

    private static NetworkLocalRateLimit LocalLimit(string name, Envoy.Extensions.Filters.Network.LocalRatelimit.V3.LocalRateLimit proto) => new(
        name, proto.StatPrefix, In("token_bucket", proto.TokenBucket, Bucket) ?? throw new ConfigRefusedException("token_bucket", "is missing"),
        proto.RuntimeEnabled is { DefaultValue: false } ? Fraction.None : Fraction.All);

    private static NetworkConnectionLimit ConnectionLimit(string name, ConnectionLimit proto) =>
        new(name, proto.RuntimeEnabled is { DefaultValue: false } ? ulong.MaxValue : proto.MaxConnections ?? ulong.MaxValue, Limit(proto.Delay));

    private static NetworkExternalAuthorization ExternalAuthorization(string name, Envoy.Extensions.Filters.Network.ExtAuthz.V3.ExtAuthz proto) =>
        new(name, proto.StatPrefix, In("grpc_service", proto.GrpcService, Service), proto.FailureModeAllow, proto.IncludePeerCertificate)
        {
            EnabledBy = proto.FilterEnabledMetadata is null ? null : In("filter_enabled_metadata", proto.FilterEnabledMetadata, MatchersFromXds.Metadata),
        };

    private static TcpProxySettings ReadTcp(TcpProxy proto)
    {
        ImmutableArray<WeightedTcpCluster> clusters = proto.ClusterSpecifierCase switch
        {
            TcpProxy.ClusterSpecifierOneofCase.Cluster => [new(proto.Cluster, 1)],
            TcpProxy.ClusterSpecifierOneofCase.WeightedClusters => [.. proto.WeightedClusters.Clusters.Select(cluster => new WeightedTcpCluster(cluster.Name, cluster.Weight))],
            _ => throw new ConfigRefusedException("cluster", "is missing"),
        };
        var sum = clusters.Aggregate(0UL, (total, cluster) => total + cluster.Weight);
        if (sum is 0 or > uint.MaxValue) throw new ConfigRefusedException("weighted_clusters", $"the weights add up to {sum}");
        return new()
        {
            StatPrefix = proto.StatPrefix,
            Clusters = clusters,
            IdleTimeout = Limit(proto.IdleTimeout, TimeSpan.FromHours(1)),
            MaxConnectionDuration = Limit(proto.MaxDownstreamConnectionDuration),
            ConnectAttemptsMax = Math.Clamp(proto.MaxConnectAttempts ?? 1, 1, 100),
            AccessLogs = AccessLogFromXds.Each("access_log", proto.AccessLog),
            HashPolicies = [.. proto.HashPolicy.Where(policy => policy.SourceIp is not null).Select(_ => new HashPolicy(HashPolicyKind.SourceIp, "", false))],
            Tunnel = proto.TunnelingConfig is { } tunnel
                ? new(tunnel.Hostname, tunnel.UsePost, MatchersFromXds.Edits(tunnel.HeadersToAdd, []))
                : null,
            MetadataMatch = SubsetCriteria(proto.MetadataMatch),
        };
    }

    private static FilterChainMatch ReadMatch(Proto.FilterChainMatch? proto)
    {
        if (proto is null) return FilterChainMatch.Any;
        if (proto.DestinationPort > 65535) throw new ConfigRefusedException("destination_port", $"{proto.DestinationPort} is not a port");
        foreach (var name in proto.ServerNames)
            if (name.IndexOf('*', StringComparison.Ordinal) > 0 || name is "*" || name.StartsWith('*') && !name.StartsWith("*.", StringComparison.Ordinal))
                throw new ConfigRefusedException("server_names", $"'{name}': only a leading '*.' is allowed");
        return new()
        {
            DestinationPort = (int?)proto.DestinationPort,
            DestinationRanges = Each("prefix_ranges", proto.PrefixRanges, Range),
            ServerNames = [.. proto.ServerNames.Select(name => name.ToLowerInvariant())],
            TransportProtocol = proto.TransportProtocol,
            ApplicationProtocols = [.. proto.ApplicationProtocols],
            DirectSourceRanges = Each("direct_source_prefix_ranges", proto.DirectSourcePrefixRanges, Range),
            SourceType = (ConnectionSourceType)proto.SourceType,
            SourceRanges = Each("source_prefix_ranges", proto.SourcePrefixRanges, Range),
            SourcePorts = [.. proto.SourcePorts.Select(port => (int)port)],
        };
    }

    private static ListenerFilter ReadListenerFilter(Proto.ListenerFilter proto)
    {
        var kind = TypeOf(proto.TypedConfig) switch
        {
            "envoy.extensions.filters.listener.original_dst.v3.OriginalDst" => ListenerFilterKind.OriginalDestination,
            "envoy.extensions.filters.listener.original_src.v3.OriginalSrc" => ListenerFilterKind.OriginalSource,
            "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" => ListenerFilterKind.TlsInspector,
            "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector" => ListenerFilterKind.HttpInspector,
            "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol" => ListenerFilterKind.ProxyProtocol,
            "" => proto.Name switch
            {
                "envoy.filters.listener.original_dst" => ListenerFilterKind.OriginalDestination,
                "envoy.filters.listener.tls_inspector" => ListenerFilterKind.TlsInspector,
                "envoy.filters.listener.http_inspector" => ListenerFilterKind.HttpInspector,
                "envoy.filters.listener.proxy_protocol" => ListenerFilterKind.ProxyProtocol,
                _ => throw new ConfigRefusedException("typed_config", "is missing"),
            },
            var type => throw new ConfigRefusedException("typed_config", $"listener filter type '{type}' is not supported"),
        };
        var (ports, inverted) = DisabledPorts(proto.FilterDisabled);
        return new(kind) { DisabledPorts = ports, DisabledInverted = inverted };
    }

    private static (ImmutableArray<PortRange> Ports, bool Inverted) DisabledPorts(ListenerFilterChainMatchPredicate? predicate)
    {
        switch (predicate?.RuleCase)
        {
            case null or ListenerFilterChainMatchPredicate.RuleOneofCase.None:
                return ([], false);
            case ListenerFilterChainMatchPredicate.RuleOneofCase.DestinationPortRange:
                return ([new(predicate.DestinationPortRange.Start, predicate.DestinationPortRange.End)], false);
            case ListenerFilterChainMatchPredicate.RuleOneofCase.AnyMatch:
                return ([new(0, 65536)], false);
            case ListenerFilterChainMatchPredicate.RuleOneofCase.NotMatch:
                var (ports, inverted) = DisabledPorts(predicate.NotMatch);
                return (ports, !inverted);
            case ListenerFilterChainMatchPredicate.RuleOneofCase.OrMatch:
                var all = ImmutableArray.CreateBuilder<PortRange>();
                foreach (var rule in predicate.OrMatch.Rules)
                {
                    var (some, isInverted) = DisabledPorts(rule);
                    if (isInverted) throw new ConfigRefusedException("filter_disabled", "a negation inside or_match is not supported");
                    all.AddRange(some);
                }
                return (all.ToImmutable(), false);
            default:
                throw new ConfigRefusedException("filter_disabled", $"a rule of kind {predicate.RuleCase} is not supported");
        }
    }
}
