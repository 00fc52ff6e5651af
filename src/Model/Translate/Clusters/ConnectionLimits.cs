using System.Collections.Immutable;
using System.Globalization;
using Envoy.Config.Common.Matcher.V3;
using Envoy.Config.Route.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;
using Proto = Envoy.Config.Cluster.V3;

namespace Mesh.Model.Translate;

/// <summary>DestinationRule's connectionPool. Without one nothing is limited, as in Istio.</summary>
internal static class ConnectionLimits
{
    public static void Apply(Proto.Cluster cluster, UpstreamHttp http, ConnectionPool? pool, MeshConfig mesh)
    {
        var limits = new Proto.CircuitBreakers.Types.Thresholds
        {
            MaxConnections = Or(pool?.MaxConnections),
            MaxPendingRequests = Or(pool?.MaxPendingRequests),
            MaxRequests = Or(pool?.MaxRequests),
            MaxRetries = Or(pool?.MaxRetries),
            TrackRemaining = true,
        };
        cluster.CircuitBreakers = new() { Thresholds = { limits } };
        if (pool?.ConnectTimeout is { } connect) cluster.ConnectTimeout = Protos.Span(connect);

        if ((pool?.Keepalive ?? mesh.Keepalive) is { } keepalive)
        {
            var tcp = new Envoy.Config.Core.V3.TcpKeepalive();
            if (keepalive.Probes is > 0) tcp.KeepaliveProbes = keepalive.Probes;
            if (keepalive.Time is { } time) tcp.KeepaliveTime = (uint)time.TotalSeconds;
            if (keepalive.Interval is { } interval) tcp.KeepaliveInterval = (uint)interval.TotalSeconds;
            cluster.UpstreamConnectionOptions = new() { TcpKeepalive = tcp };
        }
        if (pool is null) return;

        var common = new Envoy.Config.Core.V3.HttpProtocolOptions();
        if ((pool.HttpIdleTimeout ?? pool.TcpIdleTimeout) is { } idle) common.IdleTimeout = Protos.Span(idle);
        if (pool.MaxRequestsPerConnection > 0) common.MaxRequestsPerConnection = (uint)pool.MaxRequestsPerConnection;
        if (pool.MaxConnectionDuration is { } duration) common.MaxConnectionDuration = Protos.Span(duration);
        if (!common.Equals(new())) http.Written().CommonHttpProtocolOptions = common;
    }

    private static uint Or(int? limit) => limit is > 0 ? (uint)limit : uint.MaxValue;
}

/// <summary>DestinationRule's outlierDetection. Success-rate ejection stays off.</summary>
internal static class Outliers
{
    public static void Apply(Proto.Cluster cluster, UpstreamHttp http, OutlierDetection? rule)
    {
        if (rule is null) return;
        if (!rule.HttpErrorCodes.IsEmpty) http.Written().OutlierDetection = new() { ErrorMatcher = AnyOf(rule.HttpErrorCodes) };

        var detection = new Proto.OutlierDetection { EnforcingSuccessRate = 0 };
        if (rule.Consecutive5xx is { } any5xx)
        {
            detection.Consecutive5Xx = any5xx;
            detection.EnforcingConsecutive5Xx = any5xx > 0 ? 100u : 0u;
        }
        if (rule.ConsecutiveGatewayErrors is { } gateway)
        {
            detection.ConsecutiveGatewayFailure = gateway;
            detection.EnforcingConsecutiveGatewayFailure = gateway > 0 ? 100u : 0u;
        }
        if (rule.Interval is { } interval) detection.Interval = Protos.Span(interval);
        if (rule.BaseEjectionTime is { } ejection) detection.BaseEjectionTime = Protos.Span(ejection);
        if (rule.MaxEjectionPercent > 0) detection.MaxEjectionPercent = (uint)rule.MaxEjectionPercent;
        if (rule.SplitsLocalErrors)
        {
            detection.SplitExternalLocalOriginErrors = true;
            if (rule.ConsecutiveLocalFailures is > 0)
            {
                detection.ConsecutiveLocalOriginFailure = rule.ConsecutiveLocalFailures;
                detection.EnforcingConsecutiveLocalOriginFailure = 100;
            }
            detection.EnforcingLocalOriginSuccessRate = 0;
        }
        cluster.OutlierDetection = detection;
        if (rule.MinHealthPercent >= 0) cluster.CommonLbConfig.HealthyPanicThreshold = new() { Value = rule.MinHealthPercent };
    }

    private static MatchPredicate AnyOf(ImmutableArray<uint> codes)
    {
        var rules = codes.Select(code => new MatchPredicate
        {
            HttpResponseHeadersMatch = new()
            {
                Headers = { new HeaderMatcher { Name = ":status", StringMatch = new() { Exact = code.ToString(CultureInfo.InvariantCulture) } } },
            },
        }).ToList();
        return rules is [var only] ? only : new() { OrMatch = new() { Rules = { rules } } };
    }
}
