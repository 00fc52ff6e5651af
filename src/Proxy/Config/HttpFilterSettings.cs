using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>
/// One HTTP filter as it was configured. One sealed record a kind; switch on the type. <see cref="Name"/> is the key under which
/// routes override it.
/// </summary>
internal abstract record HttpFilterSettings(string Name)
{
    /// <summary>Out of work unless a route's override switches it on.</summary>
    public bool Disabled { get; init; }
}

internal sealed record RouterFilter(string Name, bool SuppressEnvoyHeaders, bool StartChildSpan, ImmutableArray<string> StrictCheckHeaders) : HttpFilterSettings(Name);

internal sealed record AuthorizationFilter(string Name, AuthorizationSettings Rules) : HttpFilterSettings(Name);

internal sealed record JwtFilter(string Name, JwtSettings Jwt) : HttpFilterSettings(Name);

internal sealed record ExternalAuthorizationFilter(string Name, ExternalAuthorizationSettings Settings) : HttpFilterSettings(Name);

internal sealed record FaultFilter(string Name, FaultSettings Fault) : HttpFilterSettings(Name);

internal sealed record CorsFilter(string Name) : HttpFilterSettings(Name);

internal sealed record LocalRateLimitFilter(string Name, LocalRateLimitSettings Limit) : HttpFilterSettings(Name);

internal sealed record GlobalRateLimitFilter(string Name, GlobalRateLimitSettings Limit) : HttpFilterSettings(Name);

internal sealed record GrpcStatsFilter(string Name, bool EmitFilterState) : HttpFilterSettings(Name);

/// <summary>Istio's choice of ALPN by the protocol spoken upstream.</summary>
internal sealed record AlpnFilter(string Name, ImmutableArray<AlpnOverride> Overrides) : HttpFilterSettings(Name);

/// <summary>Istio's exchange of workload metadata in headers.</summary>
internal sealed record PeerMetadataFilter(string Name, PeerMetadataSettings Settings) : HttpFilterSettings(Name);

/// <summary>Istio's standard metrics.</summary>
internal sealed record IstioStatsFilter(string Name, IstioStatsSettings Stats) : HttpFilterSettings(Name);

internal sealed record HealthCheckFilter(string Name, bool PassThrough, ImmutableArray<HeaderMatch> Headers) : HttpFilterSettings(Name);

/// <summary>Sends a request to the endpoint that a cookie or header names, while it is there at all.</summary>

internal sealed record SetFilterStateFilter(string Name, ImmutableArray<FilterStateValue> OnRequest) : HttpFilterSettings(Name);

/// <summary>A filter delivered by its own name (ECDS): look it up in <see cref="Snapshot.Extensions"/>.</summary>
internal sealed record DiscoveredFilter(string Name, HttpFilterSettings? Default, bool ApplyDefaultWithoutWarming) : HttpFilterSettings(Name);

/// <summary>Accepted and without effect on traffic here; kept so that config dumps show it.</summary>
internal sealed record NoOpFilter(string Name, string TypeUrl) : HttpFilterSettings(Name);

internal enum SpokenHttp { Http10, Http11, Http2 }

/// <summary>What to offer by ALPN where this is spoken to the upstream.</summary>
internal sealed record AlpnOverride(SpokenHttp Spoken, ImmutableArray<string> Alpn);

internal sealed record FilterStateValue(string Key, FormatText Value, bool ReadOnly, bool SharedWithUpstream);

internal sealed record PeerMetadataSettings
{
    public bool DownstreamFromHeaders { get; init; }
    public bool DownstreamFromWorkloads { get; init; }
    public bool UpstreamFromHeaders { get; init; }
    public bool UpstreamFromWorkloads { get; init; }
    public bool PropagateUpstream { get; init; }
    /// <summary>Not to clusters outside the mesh.</summary>
    public bool PropagateUpstreamSkipExternal { get; init; }
    public bool PropagateDownstream { get; init; }
    public bool SharedWithUpstream { get; init; }
    public ImmutableArray<string> AdditionalLabels { get; init; } = [];
}

internal enum MetricsReporter { Unspecified, ServerGateway }

internal sealed record IstioStatsSettings
{
    public bool DisableHostHeaderFallback { get; init; }
    public TimeSpan TcpReportingInterval { get; init; } = TimeSpan.FromSeconds(5);
    public MetricsReporter Reporter { get; init; }
    public TimeSpan? RotationInterval { get; init; }
    public TimeSpan? GracefulDeletionInterval { get; init; }
    public ImmutableArray<MetricSettings> Metrics { get; init; } = [];
    public ImmutableArray<MetricDefinition> Definitions { get; init; } = [];
}

/// <param name="Name">Empty: for every metric.</param>
/// <param name="Dimensions">Label to expression.</param>
internal sealed record MetricSettings(string Name, ImmutableDictionary<string, string> Dimensions, ImmutableArray<string> TagsToRemove, string Match, bool Drop);

internal sealed record MetricDefinition(string Name, string Value, string Type);

internal sealed record FaultSettings
{
    public CompiledCell Cell { get; } = new();
    public TimeSpan Delay { get; init; }
    public Fraction DelayShare { get; init; } = Fraction.None;
    public int? AbortHttpStatus { get; init; }
    public int? AbortGrpcStatus { get; init; }
    public Fraction AbortShare { get; init; } = Fraction.None;
    /// <summary>Also follow x-envoy-fault-delay-request and x-envoy-fault-abort-request; off in a mesh, where callers may not ask for failures.</summary>
    public bool DelayFromHeaders { get; init; }
    public bool AbortFromHeaders { get; init; }
    public ImmutableArray<HeaderMatch> Headers { get; init; } = [];
    public string UpstreamCluster { get; init; } = "";
    public uint? ActiveFaultsMax { get; init; }
}

internal sealed record CorsSettings
{
    public CompiledCell Cell { get; } = new();
    public ImmutableArray<StringMatch> AllowOrigins { get; init; } = [];
    public string AllowMethods { get; init; } = "";
    public string AllowHeaders { get; init; } = "";
    public string ExposeHeaders { get; init; } = "";
    public string MaxAge { get; init; } = "";
    public bool AllowCredentials { get; init; }
    public bool AllowPrivateNetworkAccess { get; init; }
    /// <summary>A preflight from an origin that is not allowed goes on to the upstream; otherwise it gets an answer without CORS headers.</summary>
    public bool ForwardNotMatchingPreflights { get; init; } = true;
    public Fraction Enabled { get; init; } = Fraction.All;
    public Fraction Shadow { get; init; } = Fraction.None;
}

/// <summary>A bucket of tokens: holds <paramref name="TokensMax"/>, gets <paramref name="TokensPerFill"/> each <paramref name="FillInterval"/>.</summary>
internal sealed record TokenBucket(uint TokensMax, uint TokensPerFill, TimeSpan FillInterval)
{
    public CompiledCell Cell { get; } = new();
}

internal sealed record LocalRateLimitSettings
{
    public CompiledCell Cell { get; } = new();
    public string StatPrefix { get; init; } = "";
    /// <summary>Null: nothing is limited except by a matching descriptor.</summary>
    public TokenBucket? Bucket { get; init; }
    public int Status { get; init; } = 429;
    public Fraction Enabled { get; init; } = Fraction.None;
    public Fraction Enforced { get; init; } = Fraction.None;
    public ImmutableArray<HeaderEdit> RequestHeadersWhenNotEnforced { get; init; } = [];
    public ImmutableArray<HeaderEdit> ResponseHeadersWhenLimited { get; init; } = [];
    public ImmutableArray<LocalRateLimitDescriptor> Descriptors { get; init; } = [];
    public ImmutableArray<RateLimitActions> RateLimits { get; init; } = [];
    public bool PerDownstreamConnection { get; init; }
    public bool AlwaysConsumeDefaultBucket { get; init; } = true;
    public bool EnableXRateLimitHeaders { get; init; }
    public int? GrpcStatus { get; init; }
    public uint Stage { get; init; }
}

/// <param name="Entries">All must be present with these values; an empty value matches any (one bucket for each value seen, bounded).</param>
internal sealed record LocalRateLimitDescriptor(ImmutableArray<KeyValuePair<string, string>> Entries, TokenBucket Bucket);

internal sealed record GlobalRateLimitSettings
{
    public string Domain { get; init; } = "";
    public uint Stage { get; init; }
    public string RequestType { get; init; } = "both";
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMilliseconds(20);
    /// <summary>When the service cannot be asked, refuse (500) instead of letting through.</summary>
    public bool FailureModeDeny { get; init; }
    public required ExternalService Service { get; init; }
    public int RateLimitedStatus { get; init; } = 429;
    public int StatusOnError { get; init; } = 500;
    public bool RateLimitedAsResourceExhausted { get; init; }
    public bool EnableXRateLimitHeaders { get; init; }
    public bool DisableXEnvoyRateLimitedHeader { get; init; }
}

/// <summary>How one descriptor is made of a request: all actions must give an entry, or there is no descriptor.</summary>
internal sealed record RateLimitActions(uint Stage, string DisableKey, ImmutableArray<RateLimitAction> Actions);

internal enum RateLimitActionKind { SourceCluster, DestinationCluster, RequestHeader, RemoteAddress, GenericKey, HeaderValueMatch, QueryParameter, QueryParameterValueMatch, MaskedRemoteAddress, Metadata }

internal sealed record RateLimitAction(RateLimitActionKind Kind)
{
    public string Key { get; init; } = "";
    /// <summary>The header, the query parameter, or the generic value.</summary>
    public string Value { get; init; } = "";
    public string Default { get; init; } = "";
    public bool SkipIfAbsent { get; init; }
    public bool ExpectMatch { get; init; } = true;
    public ImmutableArray<HeaderMatch> Headers { get; init; } = [];
    public ImmutableArray<QueryMatch> Queries { get; init; } = [];
    public int V4PrefixLength { get; init; } = 32;
    public int V6PrefixLength { get; init; } = 128;
    public string MetadataFilter { get; init; } = "";
    public ImmutableArray<string> MetadataPath { get; init; } = [];
}

/// <summary>A service of another party, asked by gRPC or HTTP through one of our own clusters.</summary>
internal sealed record ExternalService(string Cluster, TimeSpan Timeout)
{
    public string Authority { get; init; } = "";
    public ImmutableArray<HeaderEdit> InitialMetadata { get; init; } = [];
}

internal sealed record ExternalAuthorizationSettings
{
    public required ExternalService Service { get; init; }
    public bool UseGrpc { get; init; }
    public bool FailOpen { get; init; }
    public bool FailOpenHeaderAdd { get; init; }
    public int StatusOnError { get; init; } = 403;
    /// <summary>Null: the body is not shown.</summary>
    public ExternalAuthorizationBody? Body { get; init; }
    public bool ClearRouteCache { get; init; }
    public bool IncludePeerCertificate { get; init; }
    public ImmutableArray<string> MetadataContext { get; init; } = [];
    /// <summary>The check is made only when this matches what the shadow rules before it left in the request's metadata.</summary>
    public MetadataMatch? EnabledBy { get; init; }
    public bool DenyWhenDisabled { get; init; }
    /// <summary>Request headers the authorizer sees; empty is all for gRPC, and the four basic ones for HTTP.</summary>
    public ImmutableArray<StringMatch> AllowedHeaders { get; init; } = [];
    public ImmutableArray<StringMatch> DisallowedHeaders { get; init; } = [];

    // HTTP form only.
    public string PathPrefix { get; init; } = "";
    public ImmutableArray<HeaderEdit> HeadersToAdd { get; init; } = [];
    public ImmutableArray<StringMatch> AllowedUpstreamHeaders { get; init; } = [];
    public ImmutableArray<StringMatch> AllowedUpstreamHeadersToAppend { get; init; } = [];
    public ImmutableArray<StringMatch> AllowedClientHeaders { get; init; } = [];
    public ImmutableArray<StringMatch> AllowedClientHeadersOnSuccess { get; init; } = [];
}

internal sealed record ExternalAuthorizationBody(uint BytesMax, bool AllowPartial, bool AsBytes);

/// <summary>What a route, virtual host or weighted cluster says about one filter, by the filter's name.</summary>
internal abstract record FilterOverride
{
    public sealed record Off : FilterOverride;
    /// <summary>Switches on a filter that is off by default.</summary>
    public sealed record On : FilterOverride;
    /// <summary>Null rules: authorization is not asked here.</summary>
    public sealed record Authorization(AuthorizationSettings? Rules) : FilterOverride;
    public sealed record Jwt(bool Disabled, string RequirementName) : FilterOverride;
    public sealed record ExternalAuthorization(bool Disabled, ImmutableDictionary<string, string> ContextExtensions) : FilterOverride;
    public sealed record Fault(FaultSettings Settings) : FilterOverride;
    public sealed record Cors(CorsSettings Settings) : FilterOverride;
    public sealed record LocalRateLimit(LocalRateLimitSettings Settings) : FilterOverride;
    public sealed record GlobalRateLimit(ImmutableArray<RateLimitActions> RateLimits, string Domain) : FilterOverride;
}
