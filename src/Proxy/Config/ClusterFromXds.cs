using Envoy.Config.Common.Matcher.V3;
using System.Globalization;
using System.Collections.Immutable;
using System.Net;
using Envoy.Config.Cluster.V3;
using Envoy.Config.Core.V3;
using Envoy.Extensions.Upstreams.Http.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Proxy.Config;

/// <summary>Clusters.</summary>
internal static class ClusterFromXds
{
    private const string HttpOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    private const string TcpOptionsKey = "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions";

    public static Cluster Read(Proto.Cluster proto)
    {
        if (proto.Name.Length == 0) throw new ConfigRefusedException("name", "is missing");
        if (proto.TransportSocketMatcher is not null) throw new ConfigRefusedException("transport_socket_matcher", "matching trees are not supported; use transport_socket_matches");

        if (proto.HealthChecks.Count > 0) throw new ConfigRefusedException("health_checks", "active health checks are not supported; readiness and outlier_detection say which endpoints are well");

        var (discovery, dns) = Discovery(proto);
        var cluster = new Cluster
        {
            Name = proto.Name,
            AltStatName = proto.AltStatName,
            Discovery = discovery,
            Dns = dns,
            EndpointsName = proto.EdsClusterConfig is { ServiceName.Length: > 0 } eds ? eds.ServiceName : proto.Name,
            Endpoints = proto.LoadAssignment is { } assignment && discovery != ClusterDiscovery.Eds ? In("load_assignment", assignment, EndpointFromXds.Read) : null,
            ConnectTimeout = Limit(proto.ConnectTimeout) ?? TimeSpan.FromSeconds(5),
            ConnectionBufferBytesMax = proto.PerConnectionBufferLimitBytes,
            LoadBalancing = BalancingFromXds.Read(proto),
            Limits = Limits(proto.CircuitBreakers, RoutingPriority.Default),
            HighPriorityLimits = Limits(proto.CircuitBreakers, RoutingPriority.High),
            Outliers = In("outlier_detection", proto.OutlierDetection, Outliers),
            KeepAlive = KeepAlive(proto.UpstreamConnectionOptions?.TcpKeepalive),
            BindAddress = proto.UpstreamBindConfig?.SourceAddress is { } bind
                ? IPAddress.TryParse(bind.Address, out var address) ? address : throw new ConfigRefusedException("upstream_bind_config.source_address", $"'{bind.Address}' is not an IP address")
                : null,
            ConnectionPoolPerDownstreamConnection = proto.ConnectionPoolPerDownstreamConnection,
            CloseConnectionsOnHostHealthFailure = proto.CloseConnectionsOnHostHealthFailure,
            IgnoreHealthOnHostRemoval = proto.IgnoreHealthOnHostRemoval,
            Tls = In("transport_socket", proto.TransportSocket, TlsFromXds.Upstream),
            ProxyProtocol = TlsFromXds.ProxyProtocolOf(proto.TransportSocket),
            TransportMatches = Each("transport_socket_matches", proto.TransportSocketMatches, match => new TransportMatch(
                match.Name,
                [.. (match.Match?.Fields.Select(pair => System.Collections.Generic.KeyValuePair.Create(pair.Key, pair.Value.StringValue)) ?? [])],
                In("transport_socket", match.TransportSocket, TlsFromXds.Upstream))),
            UseOriginalDestinationHeader = proto.OriginalDstLbConfig?.UseHttpHeader ?? false,
            OriginalDestinationHeader = proto.OriginalDstLbConfig is { UseHttpHeader: true } original
                ? original.HttpHeaderName.Length > 0 ? original.HttpHeaderName.ToLowerInvariant() : "x-envoy-original-dst-host"
                : "",
            OriginalDestinationPortOverride = (int?)proto.OriginalDstLbConfig?.UpstreamPortOverride,
            ExchangesPeerMetadata = proto.Filters.Any(filter => TypeOf(filter.TypedConfig) == "envoy.tcp.metadataexchange.config.MetadataExchange"),
            Metadata = ValuesFromXds.Metadata(proto.Metadata),
        };
        return Protocol(cluster, proto);
    }

    private static (ClusterDiscovery Discovery, DnsSettings Dns) Discovery(Proto.Cluster proto)
    {
        var dns = new DnsSettings { Family = (DnsFamily)proto.DnsLookupFamily };
        if (proto.ClusterDiscoveryTypeCase != Proto.Cluster.ClusterDiscoveryTypeOneofCase.ClusterType)
        {
            return (proto.Type switch
            {
                Proto.Cluster.Types.DiscoveryType.StrictDns => ClusterDiscovery.StrictDns,
                Proto.Cluster.Types.DiscoveryType.LogicalDns => ClusterDiscovery.LogicalDns,
                Proto.Cluster.Types.DiscoveryType.Eds => ClusterDiscovery.Eds,
                Proto.Cluster.Types.DiscoveryType.OriginalDst => ClusterDiscovery.OriginalDestination,
                _ => ClusterDiscovery.Static,
            }, dns);
        }
        switch (TypeOf(proto.ClusterType.TypedConfig))
        {
            case "envoy.extensions.clusters.dns.v3.DnsCluster":
                var config = Unpack(proto.ClusterType.TypedConfig, Envoy.Extensions.Clusters.Dns.V3.DnsCluster.Parser);
                return (config.AllAddressesInSingleEndpoint ? ClusterDiscovery.LogicalDns : ClusterDiscovery.StrictDns, dns with
                {
                    RefreshRate = Limit(config.DnsRefreshRate) ?? dns.RefreshRate,
                    FailureRefreshBase = Limit(config.DnsFailureRefreshRate?.BaseInterval),
                    FailureRefreshMax = Limit(config.DnsFailureRefreshRate?.MaxInterval),
                    RespectTtl = config.RespectDnsTtl,
                    Jitter = Span(config.DnsJitter) ?? TimeSpan.Zero,
                    Family = config.DnsLookupFamily switch
                    {
                        Envoy.Extensions.Clusters.Common.Dns.V3.DnsLookupFamily.Unspecified => dns.Family,
                        Envoy.Extensions.Clusters.Common.Dns.V3.DnsLookupFamily.V4Only => DnsFamily.V4Only,
                        Envoy.Extensions.Clusters.Common.Dns.V3.DnsLookupFamily.V6Only => DnsFamily.V6Only,
                        Envoy.Extensions.Clusters.Common.Dns.V3.DnsLookupFamily.V4Preferred => DnsFamily.V4Preferred,
                        Envoy.Extensions.Clusters.Common.Dns.V3.DnsLookupFamily.All => DnsFamily.All,
                        _ => DnsFamily.Auto,
                    },
                });
            case "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig":
                return (ClusterDiscovery.DynamicForwardProxy, dns);
            case var type:
                throw new ConfigRefusedException("cluster_type", $"'{type}' is not supported");
        }
    }

    private static Cluster Protocol(Cluster cluster, Proto.Cluster proto)
    {
        // The old fields first; the typed options, where present, say it all anew.
        if (proto.Http2ProtocolOptions is { } old) cluster = cluster with { Protocol = UpstreamProtocol.Http2, Http2 = Http2(old) };
        if (proto.ProtocolSelection == Proto.Cluster.Types.ClusterProtocolSelection.UseDownstreamProtocol) cluster = cluster with { Protocol = UpstreamProtocol.FromDownstream };
        if (proto.CommonHttpProtocolOptions is { } oldCommon) cluster = Common(cluster, oldCommon);
        if (proto.MaxRequestsPerConnection is { } most) cluster = cluster with { RequestsPerConnectionMax = most };
        if (proto.UpstreamHttpProtocolOptions is { } oldUpstream) cluster = AutoSni(cluster, oldUpstream);

        if (proto.TypedExtensionProtocolOptions.TryGetValue(TcpOptionsKey, out var tcp))
            cluster = cluster with { IdleTimeout = Limit(Unpack(tcp, Envoy.Extensions.Upstreams.Tcp.V3.TcpProtocolOptions.Parser).IdleTimeout, cluster.IdleTimeout) };
        if (!proto.TypedExtensionProtocolOptions.TryGetValue(HttpOptionsKey, out var any)) return cluster;

        var options = In($"typed_extension_protocol_options[{HttpOptionsKey}]", any, a => Unpack(a, Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.Parser));
        if (options.CommonHttpProtocolOptions is { } common) cluster = Common(cluster, common);
        if (options.UpstreamHttpProtocolOptions is { } upstream) cluster = AutoSni(cluster, upstream);
        if (options.OutlierDetection?.ErrorMatcher is { } errors && cluster.Outliers is { } outliers)
            cluster = cluster with { Outliers = outliers with { HttpErrorCodes = [.. In("outlier_detection.error_matcher", errors, ErrorCodes)] } };
        return options.UpstreamProtocolOptionsCase switch
        {
            Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.UpstreamProtocolOptionsOneofCase.ExplicitHttpConfig => options.ExplicitHttpConfig.ProtocolConfigCase switch
            {
                Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.Types.ExplicitHttpConfig.ProtocolConfigOneofCase.Http2ProtocolOptions =>
                    cluster with { Protocol = UpstreamProtocol.Http2, Http2 = Http2(options.ExplicitHttpConfig.Http2ProtocolOptions) },
                Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.Types.ExplicitHttpConfig.ProtocolConfigOneofCase.Http3ProtocolOptions =>
                    throw new ConfigRefusedException("explicit_http_config", "HTTP/3 is not supported"),
                _ => cluster with { Protocol = UpstreamProtocol.Http1, PreserveHeaderCase = Preserve(options.ExplicitHttpConfig.HttpProtocolOptions) },
            },
            Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.UpstreamProtocolOptionsOneofCase.UseDownstreamProtocolConfig => cluster with
            {
                Protocol = UpstreamProtocol.FromDownstream,
                Http2 = Http2(options.UseDownstreamProtocolConfig.Http2ProtocolOptions),
                PreserveHeaderCase = Preserve(options.UseDownstreamProtocolConfig.HttpProtocolOptions),
            },
            Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.UpstreamProtocolOptionsOneofCase.AutoConfig => cluster with
            {
                Protocol = UpstreamProtocol.FromAlpn,
                Http2 = Http2(options.AutoConfig.Http2ProtocolOptions),
                PreserveHeaderCase = Preserve(options.AutoConfig.HttpProtocolOptions),
            },
            _ => cluster,
        };
    }

    private static bool Preserve(Http1ProtocolOptions? options) => options?.HeaderKeyFormat?.StatefulFormatter is not null;

    private static Cluster Common(Cluster cluster, Envoy.Config.Core.V3.HttpProtocolOptions common) => cluster with
    {
        IdleTimeout = Limit(common.IdleTimeout, TimeSpan.FromHours(1)),
        MaxConnectionDuration = Limit(common.MaxConnectionDuration),
        RequestsPerConnectionMax = common.MaxRequestsPerConnection ?? cluster.RequestsPerConnectionMax,
    };

    private static Cluster AutoSni(Cluster cluster, UpstreamHttpProtocolOptions options) => cluster with
    {
        Tls = With(cluster.Tls, options),
        TransportMatches = [.. cluster.TransportMatches.Select(match => match with { Tls = With(match.Tls, options) })],
    };

    private static UpstreamTls? With(UpstreamTls? tls, UpstreamHttpProtocolOptions options) => tls is null ? null : tls with
    {
        AutoSni = options.AutoSni, AutoSanValidation = options.AutoSanValidation, AutoSniHeader = options.OverrideAutoSniHeader.ToLowerInvariant(),
    };

    private static CircuitLimits Limits(CircuitBreakers? breakers, RoutingPriority priority)
    {
        if (breakers?.Thresholds.FirstOrDefault(t => t.Priority == priority) is not { } thresholds) return new();
        return new()
        {
            ConnectionsMax = thresholds.MaxConnections ?? 1024,
            PendingMax = thresholds.MaxPendingRequests ?? 1024,
            RequestsMax = thresholds.MaxRequests ?? 1024,
            RetriesMax = thresholds.MaxRetries ?? 3,
            ConnectionPoolsMax = thresholds.MaxConnectionPools,
            RetryBudget = thresholds.RetryBudget is { } budget ? new(budget.BudgetPercent?.Value ?? 20, budget.MinRetryConcurrency ?? 3) : null,
            TrackRemaining = thresholds.TrackRemaining,
        };
    }

    private static OutlierSettings? Outliers(OutlierDetection? proto)
    {
        if (proto is null) return null;
        var standard = new OutlierSettings();
        return new()
        {
            Consecutive5xx = proto.Consecutive5Xx ?? standard.Consecutive5xx,
            Enforcing5xx = proto.EnforcingConsecutive5Xx ?? standard.Enforcing5xx,
            ConsecutiveGatewayErrors = proto.ConsecutiveGatewayFailure ?? standard.ConsecutiveGatewayErrors,
            EnforcingGatewayErrors = proto.EnforcingConsecutiveGatewayFailure ?? standard.EnforcingGatewayErrors,
            SplitLocalOriginErrors = proto.SplitExternalLocalOriginErrors,
            ConsecutiveLocalOriginFailures = proto.ConsecutiveLocalOriginFailure ?? standard.ConsecutiveLocalOriginFailures,
            EnforcingLocalOriginFailures = proto.EnforcingConsecutiveLocalOriginFailure ?? standard.EnforcingLocalOriginFailures,
            Interval = Limit(proto.Interval) ?? standard.Interval,
            EjectionBase = Limit(proto.BaseEjectionTime) ?? standard.EjectionBase,
            // A base above the usual maximum raises the maximum, as the field's authors have it.
            EjectionMax = Limit(proto.MaxEjectionTime) ?? Max(standard.EjectionMax, Limit(proto.BaseEjectionTime) ?? standard.EjectionBase),
            EjectionJitterMax = Span(proto.MaxEjectionTimeJitter) ?? TimeSpan.Zero,
            EjectionPercentMax = Math.Min(100, proto.MaxEjectionPercent ?? standard.EjectionPercentMax),
            AlwaysEjectOneHost = proto.AlwaysEjectOneHost ?? false,
            EnforcingSuccessRate = proto.EnforcingSuccessRate ?? standard.EnforcingSuccessRate,
            SuccessRateHostsMin = proto.SuccessRateMinimumHosts ?? standard.SuccessRateHostsMin,
            SuccessRateRequestsMin = proto.SuccessRateRequestVolume ?? standard.SuccessRateRequestsMin,
            SuccessRateStdevFactor = proto.SuccessRateStdevFactor ?? standard.SuccessRateStdevFactor,
            FailurePercentThreshold = proto.FailurePercentageThreshold ?? standard.FailurePercentThreshold,
            EnforcingFailurePercent = proto.EnforcingFailurePercentage ?? standard.EnforcingFailurePercent,
            FailurePercentHostsMin = proto.FailurePercentageMinimumHosts ?? standard.FailurePercentHostsMin,
            FailurePercentRequestsMin = proto.FailurePercentageRequestVolume ?? standard.FailurePercentRequestsMin,
            SuccessfulActiveCheckUnejects = proto.SuccessfulActiveHealthCheckUnejectHost ?? true,
        };
    }

    /// <summary>Which answers count as errors: single statuses, joined by "or". Other conditions are not kept by any counter here.</summary>
    private static IEnumerable<Int64Range> ErrorCodes(MatchPredicate predicate) => predicate.RuleCase switch
    {
        MatchPredicate.RuleOneofCase.OrMatch => predicate.OrMatch.Rules.SelectMany(ErrorCodes),
        MatchPredicate.RuleOneofCase.HttpResponseHeadersMatch when predicate.HttpResponseHeadersMatch.Headers is [{ Name: ":status", InvertMatch: false, StringMatch.Exact: var text }]
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var status) => [new(status, status + 1)],
        _ => throw new ConfigRefusedException("rule", "only exact values of the answer's :status are supported, alone or joined by or_match"),
    };

    private static TimeSpan Max(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
