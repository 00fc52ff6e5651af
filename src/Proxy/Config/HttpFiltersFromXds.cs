using System.Collections.Immutable;
using Envoy.Extensions.Filters.Http.Cors.V3;
using Envoy.Extensions.Filters.Http.ExtAuthz.V3;
using Envoy.Extensions.Filters.Http.Fault.V3;
using Envoy.Extensions.Filters.Http.JwtAuthn.V3;
using Envoy.Extensions.Filters.Http.LocalRatelimit.V3;
using Envoy.Extensions.Filters.Http.Ratelimit.V3;
using Envoy.Extensions.Filters.Http.Rbac.V3;
using Envoy.Extensions.Filters.Http.Router.V3;
using Envoy.Extensions.Filters.Http.SetFilterState.V3;
using Envoy.Extensions.Filters.Http.StatefulSession.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Google.Protobuf.WellKnownTypes;
using static Mesh.Proxy.Config.ValuesFromXds;
using AlpnConfig = Istio.Envoy.Config.Filter.Http.Alpn.V2Alpha1.FilterConfig;
using PeerMetadataConfig = Io.Istio.Http.PeerMetadata.Config;

namespace Mesh.Proxy.Config;

/// <summary>
/// HTTP filters and what routes say about them. A filter that we do not have is refused by name, unless the control plane marked it optional:
/// passing over one silently could switch off somebody's access check.
/// </summary>
internal static class HttpFiltersFromXds
{
    // Understood to have no effect on what this proxy does.
    private static readonly string[] Harmless =
    [
        "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
        "envoy.extensions.filters.http.on_demand.v3.OnDemand",
        "istio.telemetry.stackdriver.config.v1alpha1.PluginConfig",
    ];

    public static HttpFilterSettings Read(HttpFilter proto)
    {
        if (proto.ConfigTypeCase == HttpFilter.ConfigTypeOneofCase.ConfigDiscovery)
        {
            var fallback = proto.ConfigDiscovery.DefaultConfig is { } any ? In("config_discovery.default_config", any, a => Read(proto.Name, a, proto.IsOptional)) : null;
            return new DiscoveredFilter(proto.Name, fallback, proto.ConfigDiscovery.ApplyDefaultConfigWithoutWarming) { Disabled = proto.Disabled };
        }
        return In($"{proto.Name}", proto.TypedConfig, config => Read(proto.Name, config, proto.IsOptional)) with { Disabled = proto.Disabled };
    }

    public static HttpFilterSettings Read(string name, Any? config, bool optional)
    {
        if (config is null) return ByName(name, optional);
        return TypeOf(config) switch
        {
            "envoy.extensions.filters.http.router.v3.Router" => Router(name, Unpack(config, Envoy.Extensions.Filters.Http.Router.V3.Router.Parser)),
            "envoy.extensions.filters.http.rbac.v3.RBAC" => new AuthorizationFilter(name, AuthorizationFromXds.Read(Unpack(config, RBAC.Parser))),
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" => new JwtFilter(name, JwtFromXds.Read(Unpack(config, JwtAuthentication.Parser))),
            "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" => new ExternalAuthorizationFilter(name, ExternalAuthorization(Unpack(config, ExtAuthz.Parser))),
            "envoy.extensions.filters.http.fault.v3.HTTPFault" => new FaultFilter(name, Fault(Unpack(config, HTTPFault.Parser))),
            "envoy.extensions.filters.http.cors.v3.Cors" => new CorsFilter(name),
            "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" => new LocalRateLimitFilter(name, LocalLimit(Unpack(config, LocalRateLimit.Parser))),
            "envoy.extensions.filters.http.ratelimit.v3.RateLimit" => new GlobalRateLimitFilter(name, GlobalLimit(Unpack(config, RateLimit.Parser))),
            "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig" =>
                new GrpcStatsFilter(name, Unpack(config, Envoy.Extensions.Filters.Http.GrpcStats.V3.FilterConfig.Parser).EmitFilterState),
            "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig" => Alpn(name, Unpack(config, AlpnConfig.Parser)),
            "io.istio.http.peer_metadata.Config" => new PeerMetadataFilter(name, PeerMetadata(Unpack(config, PeerMetadataConfig.Parser))),
            "stats.PluginConfig" => new IstioStatsFilter(name, IstioStats(Unpack(config, global::Stats.PluginConfig.Parser))),
            "envoy.extensions.filters.http.health_check.v3.HealthCheck" => HealthCheck(name, Unpack(config, Envoy.Extensions.Filters.Http.HealthCheck.V3.HealthCheck.Parser)),
            "envoy.extensions.filters.http.stateful_session.v3.StatefulSession" => NoSession(name, config),
            "envoy.extensions.filters.http.set_filter_state.v3.Config" => FilterState(name, Unpack(config, Envoy.Extensions.Filters.Http.SetFilterState.V3.Config.Parser)),
            var type when optional || Harmless.Contains(type) => new NoOpFilter(name, type),
            var type => throw new ConfigRefusedException("typed_config", $"filter type '{type}' is not supported"),
        };
    }

    public static ImmutableDictionary<string, FilterOverride> Overrides(IReadOnlyDictionary<string, Any> proto)
    {
        if (proto.Count == 0) return ImmutableDictionary<string, FilterOverride>.Empty;

        var result = ImmutableDictionary.CreateBuilder<string, FilterOverride>(StringComparer.Ordinal);
        foreach (var (name, config) in proto)
            if (In($"typed_per_filter_config[{name}]", config, any => Override(any, optional: false)) is { } value) result.Add(name, value);
        return result.ToImmutable();
    }

    public static IstioStatsSettings IstioStats(global::Stats.PluginConfig proto) => new()
    {
        DisableHostHeaderFallback = proto.DisableHostHeaderFallback,
        TcpReportingInterval = Limit(proto.TcpReportingDuration) ?? TimeSpan.FromSeconds(5),
        Reporter = (MetricsReporter)proto.Reporter,
        RotationInterval = Limit(proto.RotationInterval),
        GracefulDeletionInterval = Limit(proto.GracefulDeletionInterval),
        Metrics =
        [
            .. proto.Metrics.Select(metric => new MetricSettings(
                metric.Name, metric.Dimensions.ToImmutableDictionary(StringComparer.Ordinal), [.. metric.TagsToRemove], metric.Match, metric.Drop)),
        ],
        Definitions = [.. proto.Definitions.Select(definition => new MetricDefinition(definition.Name, definition.Value, definition.Type.ToString().ToUpperInvariant()))],
    };

    private static FilterOverride? Override(Any config, bool optional)
    {
        switch (TypeOf(config))
        {
            case "envoy.config.route.v3.FilterConfig":
                var wrapped = Unpack(config, Envoy.Config.Route.V3.FilterConfig.Parser);
                if (wrapped.Disabled) return new FilterOverride.Off();
                return wrapped.Config is { } inner ? Override(inner, wrapped.IsOptional) : new FilterOverride.On();
            case "envoy.extensions.filters.http.rbac.v3.RBACPerRoute":
                var rbac = Unpack(config, RBACPerRoute.Parser).Rbac;
                return new FilterOverride.Authorization(rbac is null ? null : AuthorizationFromXds.Read(rbac));
            case "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig":
                var jwt = Unpack(config, PerRouteConfig.Parser);
                return new FilterOverride.Jwt(jwt.Disabled, jwt.RequirementName);
            case "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute":
                var authz = Unpack(config, ExtAuthzPerRoute.Parser);
                return new FilterOverride.ExternalAuthorization(
                    authz.Disabled, authz.CheckSettings?.ContextExtensions.ToImmutableDictionary(StringComparer.Ordinal) ?? ImmutableDictionary<string, string>.Empty);
            case "envoy.extensions.filters.http.fault.v3.HTTPFault":
                return new FilterOverride.Fault(Fault(Unpack(config, HTTPFault.Parser)));
            case "envoy.extensions.filters.http.cors.v3.CorsPolicy":
                return new FilterOverride.Cors(Cors(Unpack(config, CorsPolicy.Parser)));
            case "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit":
                return new FilterOverride.LocalRateLimit(LocalLimit(Unpack(config, LocalRateLimit.Parser)));
            case "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute":
                var perRoute = Unpack(config, RateLimitPerRoute.Parser);
                return new FilterOverride.GlobalRateLimit(RouteFromXds.RateLimits(perRoute.RateLimits), perRoute.Domain);
            case "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute":
                RefuseSession(Unpack(config, StatefulSessionPerRoute.Parser).StatefulSession);
                return null;
            case var _ when optional:
                return null;
            case var type:
                throw new ConfigRefusedException($"filter override '{type}' is not supported");
        }
    }

    // Old control planes name built-in filters without a configuration.
    private static HttpFilterSettings ByName(string name, bool optional) => name switch
    {
        "envoy.filters.http.router" => new RouterFilter(name, false, false, []),
        "envoy.filters.http.cors" => new CorsFilter(name),
        "envoy.filters.http.fault" => new FaultFilter(name, new()),
        "envoy.filters.http.grpc_stats" => new GrpcStatsFilter(name, false),
        _ when optional => new NoOpFilter(name, ""),
        _ => throw new ConfigRefusedException("typed_config", "is missing"),
    };

    private static RouterFilter Router(string name, Envoy.Extensions.Filters.Http.Router.V3.Router proto) =>
        new(name, proto.SuppressEnvoyHeaders, false, [.. proto.StrictCheckHeaders.Select(header => header.ToLowerInvariant())]);

    private static AlpnFilter Alpn(string name, AlpnConfig proto) => new(name,
    [
        .. proto.AlpnOverride.Select(o => new AlpnOverride(
            o.UpstreamProtocol switch { AlpnConfig.Types.Protocol.Http2 => SpokenHttp.Http2, AlpnConfig.Types.Protocol.Http11 => SpokenHttp.Http11, _ => SpokenHttp.Http10 }, [.. o.AlpnOverride_])),
    ]);

    private static PeerMetadataSettings PeerMetadata(PeerMetadataConfig proto) => new()
    {
        DownstreamFromHeaders = proto.DownstreamDiscovery.Any(method => method.IstioHeaders is not null),
        DownstreamFromWorkloads = proto.DownstreamDiscovery.Any(method => method.WorkloadDiscovery is not null),
        UpstreamFromHeaders = proto.UpstreamDiscovery.Any(method => method.IstioHeaders is not null),
        UpstreamFromWorkloads = proto.UpstreamDiscovery.Any(method => method.WorkloadDiscovery is not null),
        PropagateDownstream = proto.DownstreamPropagation.Any(method => method.IstioHeaders is not null),
        PropagateUpstream = proto.UpstreamPropagation.Any(method => method.IstioHeaders is not null),
        PropagateUpstreamSkipExternal = proto.UpstreamPropagation.Any(method => method.IstioHeaders?.SkipExternalClusters == true),
        SharedWithUpstream = proto.SharedWithUpstream,
        AdditionalLabels = [.. proto.AdditionalLabels],
    };

    private static HealthCheckFilter HealthCheck(string name, Envoy.Extensions.Filters.Http.HealthCheck.V3.HealthCheck proto) =>
        new(name, proto.PassThroughMode ?? false, Each("headers", proto.Headers, MatchersFromXds.Header));

    private static SetFilterStateFilter FilterState(string name, Envoy.Extensions.Filters.Http.SetFilterState.V3.Config proto) => new(name,
    [
        .. proto.OnRequestHeaders.Select(value => new FilterStateValue(
            value.ObjectKey, new(value.FormatString?.TextFormatSource is { } source ? Text(source) : value.FormatString?.TextFormat ?? ""), value.ReadOnly,
            value.SharedWithUpstream != Envoy.Extensions.Filters.Common.SetFilterState.V3.FilterStateValue.Types.SharedWithUpstream.None)),
    ]);

    private static NoOpFilter NoSession(string name, Any config)
    {
        RefuseSession(Unpack(config, Envoy.Extensions.Filters.Http.StatefulSession.V3.StatefulSession.Parser));
        return new(name, TypeOf(config));
    }

    /// <summary>Without a session's form it is the place that routes fill, and does nothing.</summary>
    private static void RefuseSession(Envoy.Extensions.Filters.Http.StatefulSession.V3.StatefulSession? proto)
    {
        if (proto?.SessionState is not null) throw new ConfigRefusedException("session_state", "stateful sessions are not supported; consistentHash with httpCookie keeps a caller at its endpoint");
    }

    private static FaultSettings Fault(HTTPFault proto)
    {
        if (proto.ResponseRateLimit is not null) throw new ConfigRefusedException("response_rate_limit", "is not supported");
        var delay = proto.Delay;
        var abort = proto.Abort;
        if (abort is { HttpStatus: not 0 and (< 200 or > 599) }) throw new ConfigRefusedException("abort.http_status", $"{abort.HttpStatus} is not between 200 and 599");
        return new()
        {
            Delay = Span(delay?.FixedDelay) ?? TimeSpan.Zero,
            DelayShare = Share(delay?.Percentage, Fraction.None),
            DelayFromHeaders = delay?.HeaderDelay is not null,
            AbortHttpStatus = abort?.ErrorTypeCase == FaultAbort.ErrorTypeOneofCase.HttpStatus ? (int)abort.HttpStatus : null,
            AbortGrpcStatus = abort?.ErrorTypeCase == FaultAbort.ErrorTypeOneofCase.GrpcStatus ? (int)abort.GrpcStatus : null,
            AbortShare = Share(abort?.Percentage, Fraction.None),
            AbortFromHeaders = abort?.HeaderAbort is not null,
            Headers = Each("headers", proto.Headers, MatchersFromXds.Header),
            UpstreamCluster = proto.UpstreamCluster,
            ActiveFaultsMax = proto.MaxActiveFaults,
        };
    }

    private static CorsSettings Cors(CorsPolicy proto) => new()
    {
        AllowOrigins = Each("allow_origin_string_match", proto.AllowOriginStringMatch, MatchersFromXds.Text),
        AllowMethods = proto.AllowMethods,
        AllowHeaders = proto.AllowHeaders,
        ExposeHeaders = proto.ExposeHeaders,
        MaxAge = proto.MaxAge,
        AllowCredentials = proto.AllowCredentials ?? false,
        AllowPrivateNetworkAccess = proto.AllowPrivateNetworkAccess ?? false,
        ForwardNotMatchingPreflights = proto.ForwardNotMatchingPreflights ?? true,
        Enabled = Share(proto.FilterEnabled, Fraction.All),
        Shadow = Share(proto.ShadowEnabled, Fraction.None),
    };

    private static LocalRateLimitSettings LocalLimit(LocalRateLimit proto) => new()
    {
        StatPrefix = proto.StatPrefix,
        Bucket = In("token_bucket", proto.TokenBucket, Bucket),
        Status = Status(proto.Status, 429),
        Enabled = Share(proto.FilterEnabled, Fraction.None),
        Enforced = Share(proto.FilterEnforced, Fraction.None),
        RequestHeadersWhenNotEnforced = MatchersFromXds.Edits(proto.RequestHeadersToAddWhenNotEnforced, []),
        ResponseHeadersWhenLimited = MatchersFromXds.Edits(proto.ResponseHeadersToAdd, []),
        Descriptors = Each("descriptors", proto.Descriptors, descriptor => new LocalRateLimitDescriptor(
            [.. descriptor.Entries.Select(entry => KeyValuePair.Create(entry.Key, entry.Value))],
            In("token_bucket", descriptor.TokenBucket, Bucket) ?? throw new ConfigRefusedException("token_bucket", "is missing"))),
        RateLimits = RouteFromXds.RateLimits(proto.RateLimits),
        PerDownstreamConnection = proto.LocalRateLimitPerDownstreamConnection,
        AlwaysConsumeDefaultBucket = proto.AlwaysConsumeDefaultTokenBucket ?? true,
        EnableXRateLimitHeaders = proto.EnableXRatelimitHeaders != Envoy.Extensions.Common.Ratelimit.V3.XRateLimitHeadersRFCVersion.Off,
        GrpcStatus = proto.RateLimitedAsResourceExhausted ? 8 : null,
        Stage = proto.Stage,
    };

    private static GlobalRateLimitSettings GlobalLimit(RateLimit proto) => new()
    {
        Domain = proto.Domain,
        Stage = proto.Stage,
        RequestType = proto.RequestType.Length > 0 ? proto.RequestType : "both",
        Timeout = Limit(proto.Timeout) ?? TimeSpan.FromMilliseconds(20),
        FailureModeDeny = proto.FailureModeDeny,
        Service = In("rate_limit_service.grpc_service", proto.RateLimitService?.GrpcService, Service),
        RateLimitedStatus = Status(proto.RateLimitedStatus, 429),
        StatusOnError = Status(proto.StatusOnError, 500),
        RateLimitedAsResourceExhausted = proto.RateLimitedAsResourceExhausted,
        EnableXRateLimitHeaders = proto.EnableXRatelimitHeaders != RateLimit.Types.XRateLimitHeadersRFCVersion.Off,
        DisableXEnvoyRateLimitedHeader = proto.DisableXEnvoyRatelimitedHeader,
    };

    private static ExternalAuthorizationSettings ExternalAuthorization(ExtAuthz proto)
    {
        var settings = new ExternalAuthorizationSettings
        {
            Service = proto.ServicesCase switch
            {
                ExtAuthz.ServicesOneofCase.GrpcService => In("grpc_service", proto.GrpcService, Service),
                ExtAuthz.ServicesOneofCase.HttpService => In("http_service.server_uri", proto.HttpService.ServerUri, uri =>
                    new ExternalService(uri.Cluster, Limit(uri.Timeout) ?? TimeSpan.FromMilliseconds(200)) { Authority = Uri.TryCreate(uri.Uri, UriKind.Absolute, out var parsed) ? parsed.Authority : "" }),
                _ => throw new ConfigRefusedException("grpc_service", "neither a gRPC nor an HTTP service is given"),
            },
            UseGrpc = proto.ServicesCase == ExtAuthz.ServicesOneofCase.GrpcService,
            FailOpen = proto.FailureModeAllow,
            FailOpenHeaderAdd = proto.FailureModeAllowHeaderAdd,
            StatusOnError = Status(proto.StatusOnError, 403),
            Body = proto.WithRequestBody is { } body ? new(body.MaxRequestBytes, body.AllowPartialMessage, body.PackAsBytes) : null,
            ClearRouteCache = proto.ClearRouteCache,
            IncludePeerCertificate = proto.IncludePeerCertificate,
            MetadataContext = [.. proto.MetadataContextNamespaces],
            EnabledBy = proto.FilterEnabledMetadata is null ? null : In("filter_enabled_metadata", proto.FilterEnabledMetadata, MatchersFromXds.Metadata),
            DenyWhenDisabled = proto.DenyAtDisable?.DefaultValue ?? false,
            AllowedHeaders = MatchersFromXds.Texts(proto.AllowedHeaders),
            DisallowedHeaders = MatchersFromXds.Texts(proto.DisallowedHeaders),
        };
        if (proto.HttpService is not { } http || settings.UseGrpc) return settings;
        return settings with
        {
            PathPrefix = http.PathPrefix,
            HeadersToAdd = http.AuthorizationRequest is null
                ? []
                : [.. http.AuthorizationRequest.HeadersToAdd.Select(h => new HeaderEdit(h.Key.ToLowerInvariant(), new(h.Value), HeaderEditKind.OverwriteIfExistsOrAdd))],
            AllowedUpstreamHeaders = MatchersFromXds.Texts(http.AuthorizationResponse?.AllowedUpstreamHeaders),
            AllowedUpstreamHeadersToAppend = MatchersFromXds.Texts(http.AuthorizationResponse?.AllowedUpstreamHeadersToAppend),
            AllowedClientHeaders = MatchersFromXds.Texts(http.AuthorizationResponse?.AllowedClientHeaders),
            AllowedClientHeadersOnSuccess = MatchersFromXds.Texts(http.AuthorizationResponse?.AllowedClientHeadersOnSuccess),
        };
    }

    private static int Status(Envoy.Type.V3.HttpStatus? status, int absent) => status is { Code: not Envoy.Type.V3.StatusCode.Empty } ? (int)status.Code : absent;
}
