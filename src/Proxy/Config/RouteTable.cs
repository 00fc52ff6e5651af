using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>Virtual hosts and their matches; a route says where, how long, how often, with which header edits.</summary>
internal sealed record RouteTable
{
    public CompiledCell Cell { get; } = new();
    public required string Name { get; init; }
    public ImmutableArray<VirtualHost> VirtualHosts { get; init; } = [];

    /// <summary>Most of its hosts come one by one (VHDS), as resources named "table/host".</summary>
    public bool HasHostsApart { get; init; }
    public HeaderEditSet Headers { get; init; } = HeaderEditSet.None;
    /// <summary>Request headers taken off requests from outside, before anything reads them.</summary>
    public ImmutableArray<string> InternalOnlyHeaders { get; init; } = [];
    public bool IgnorePortInHost { get; init; }
    /// <summary>Apply table, virtual host, route in this order (instead of the reverse), so that the most specific edit wins.</summary>
    public bool MostSpecificEditsWin { get; init; }
    public uint DirectResponseBodyBytesMax { get; init; } = 4096;
    public ImmutableDictionary<string, FilterOverride> FilterOverrides { get; init; } = ImmutableDictionary<string, FilterOverride>.Empty;
    public Metadata Metadata { get; init; } = Metadata.Empty;
}

internal enum RequireTls { None, ExternalOnly, All }

internal sealed record VirtualHost
{
    public required string Name { get; init; }
    /// <summary>Lower case: "host", "*.suffix", "prefix*" or "*".</summary>
    public ImmutableArray<string> Domains { get; init; } = [];
    public ImmutableArray<Route> Routes { get; init; } = [];
    public RequireTls RequireTls { get; init; }
    public HeaderEditSet Headers { get; init; } = HeaderEditSet.None;
    public RetrySettings? Retry { get; init; }
    /// <summary>Tell the upstream which attempt this is (x-envoy-attempt-count), and the caller how many there were.</summary>
    public bool AttemptCountInRequest { get; init; }
    public bool AttemptCountInResponse { get; init; }
    public ImmutableArray<RateLimitActions> RateLimits { get; init; } = [];
    public ImmutableArray<Mirror> Mirrors { get; init; } = [];
    public ImmutableDictionary<string, FilterOverride> FilterOverrides { get; init; } = ImmutableDictionary<string, FilterOverride>.Empty;
    public Metadata Metadata { get; init; } = Metadata.Empty;
}

/// <summary>One entry of a virtual host: which requests, and what becomes of them.</summary>
internal sealed record Route
{
    public CompiledCell Cell { get; } = new();
    /// <summary>What %ROUTE_NAME% prints; may be empty.</summary>
    public string Name { get; init; } = "";
    public required RouteMatchSettings Match { get; init; }
    public required RouteAction Action { get; init; }
    public HeaderEditSet Headers { get; init; } = HeaderEditSet.None;
    /// <summary>The operation name of spans, and of x-envoy-decorator-operation.</summary>
    public string DecoratorOperation { get; init; } = "";
    public bool DecoratorPropagate { get; init; } = true;
    public RouteTracing? Tracing { get; init; }
    public string StatPrefix { get; init; } = "";
    public ImmutableDictionary<string, FilterOverride> FilterOverrides { get; init; } = ImmutableDictionary<string, FilterOverride>.Empty;
    public Metadata Metadata { get; init; } = Metadata.Empty;
}

internal enum PathMatchKind { Prefix, Path, SeparatedPrefix, Regex, Connect, Template }

/// <summary>All criteria must hold; those left out hold for every request.</summary>
internal sealed record RouteMatchSettings
{
    public PathMatchKind PathKind { get; init; }
    /// <summary>The prefix, path or pattern. A query string is never part of it.</summary>
    public required string Path { get; init; }
    /// <summary>For prefixes and exact paths only.</summary>
    public bool IgnoreCase { get; init; }
    public ImmutableArray<HeaderMatch> Headers { get; init; } = [];
    public ImmutableArray<QueryMatch> Queries { get; init; } = [];
    public Fraction? Share { get; init; }
    public bool GrpcOnly { get; init; }
    /// <summary>Null: either. Otherwise the client must (or must not) have presented a certificate.</summary>
    public bool? ClientCertPresented { get; init; }
    public bool? ClientCertValidated { get; init; }
    public ImmutableArray<MetadataMatch> Metadata { get; init; } = [];
}

internal sealed record RouteTracing(Fraction? Client, Fraction? Random, Fraction? Overall, ImmutableArray<TraceTag> Tags);

/// <summary>What becomes of a request that a route took.</summary>
internal abstract record RouteAction;

/// <summary>Answer at once, without an upstream.</summary>
internal sealed record DirectResponse(int Status, ReadOnlyMemory<byte> Body) : RouteAction;

/// <summary>An inbound listener hands the request on unrouted (waypoints); elsewhere the same as no route.</summary>
internal sealed record NonForwarding : RouteAction;

internal sealed record Redirect : RouteAction
{
    public int Status { get; init; } = 301;
    /// <summary>"http" or "https"; empty keeps the request's.</summary>
    public string Scheme { get; init; } = "";
    public bool HttpsRedirect { get; init; }
    public string Host { get; init; } = "";
    public uint Port { get; init; }
    /// <summary>Replaces the whole path, and the query too if it has one of its own.</summary>
    public string Path { get; init; } = "";
    /// <summary>Replaces the part of the path that matched.</summary>
    public string PrefixRewrite { get; init; } = "";
    public RegexRewrite? Regex { get; init; }
    public bool StripQuery { get; init; }
}

internal sealed record RegexRewrite(LinearPattern Pattern, string Substitution);

/// <summary>Send the request on: to which cluster, changed how, for how long, how often.</summary>
internal sealed record Forward : RouteAction
{
    /// <summary>One entry, or several with weights. Empty when <see cref="ClusterHeader"/> names the cluster.</summary>
    public ImmutableArray<WeightedCluster> Clusters { get; init; } = [];
    public string ClusterHeader { get; init; } = "";
    /// <summary>A header that holds the random number by which a weighted cluster is chosen; empty uses one of our own.</summary>
    public string WeightsHeader { get; init; } = "";
    public int ClusterNotFoundStatus { get; init; } = 503;

    public string PrefixRewrite { get; init; } = "";
    public RegexRewrite? RegexRewrite { get; init; }
    /// <summary>The new path in terms of the variables of a <see cref="PathMatchKind.Template"/>; empty for none.</summary>
    public string PathTemplateRewrite { get; init; } = "";
    public string HostRewrite { get; init; } = "";
    /// <summary>Take the authority from the endpoint's DNS name.</summary>
    public bool AutoHostRewrite { get; init; }
    public string HostRewriteHeader { get; init; } = "";
    public RegexRewrite? HostRewritePathRegex { get; init; }
    public bool AppendXForwardedHost { get; init; }

    /// <summary>For the whole request, retries included; null is no limit.</summary>
    public TimeSpan? Timeout { get; init; } = TimeSpan.FromSeconds(15);
    public TimeSpan? IdleTimeout { get; init; }
    /// <summary>True when the route itself says something of the idle timeout (also "none").</summary>
    public bool HasIdleTimeout { get; init; }
    /// <summary>Null: grpc-timeout does not replace <see cref="Timeout"/>. Zero: it does, however long it is.</summary>
    public TimeSpan? GrpcTimeoutMax { get; init; }
    /// <summary>Null: the connection's own limit holds. See <see cref="StreamDuration"/>.</summary>
    public StreamDuration? StreamDuration { get; init; }

    public RetrySettings? Retry { get; init; }
    public ImmutableArray<Mirror> Mirrors { get; init; } = [];
    public ImmutableArray<HashPolicy> HashPolicies { get; init; } = [];
    public ImmutableArray<RateLimitActions> RateLimits { get; init; } = [];
    public ImmutableArray<UpgradeSettings> Upgrades { get; init; } = [];
    public ImmutableDictionary<string, MetadataValue>? MetadataMatch { get; init; }
    public bool HighPriority { get; init; }
}

/// <summary>How long a stream of this route may live in all, whatever moves on it. Zero is no limit.</summary>
/// <param name="GrpcHeaderMax">Null: grpc-timeout is not looked at. Zero: it is taken as it comes.</param>
/// <param name="GrpcHeaderOffset">Taken off the caller's grpc-timeout, so that we give up just before it does.</param>
internal sealed record StreamDuration(TimeSpan? Max, TimeSpan? GrpcHeaderMax, TimeSpan? GrpcHeaderOffset);

internal sealed record WeightedCluster
{
    public required string Name { get; init; }
    /// <summary>Names the cluster by request header instead.</summary>
    public string ClusterHeader { get; init; } = "";
    public uint Weight { get; init; } = 1;
    public HeaderEditSet Headers { get; init; } = HeaderEditSet.None;
    public string HostRewrite { get; init; } = "";
    public ImmutableDictionary<string, MetadataValue>? MetadataMatch { get; init; }
    public ImmutableDictionary<string, FilterOverride> FilterOverrides { get; init; } = ImmutableDictionary<string, FilterOverride>.Empty;
}

/// <summary>A copy of the request, sent and forgotten.</summary>
internal sealed record Mirror(string Cluster, Fraction Share)
{
    public string ClusterHeader { get; init; } = "";
    public bool TraceSampled { get; init; } = true;
    public bool DisableShadowHostSuffix { get; init; }
    public string HostRewrite { get; init; } = "";
    public ImmutableArray<HeaderEdit> RequestHeaders { get; init; } = [];
}

internal enum HashPolicyKind { Header, Cookie, SourceIp, QueryParameter, FilterState }

internal sealed record HashPolicy(HashPolicyKind Kind, string Name, bool Terminal)
{
    public CompiledCell Cell { get; } = new();
    public RegexRewrite? HeaderRewrite { get; init; }
    /// <summary>Set: a cookie is generated when the request has none. Zero lasts for the session.</summary>
    public TimeSpan? CookieTtl { get; init; }
    public string CookiePath { get; init; } = "";
    public ImmutableArray<KeyValuePair<string, string>> CookieAttributes { get; init; } = [];
}

/// <summary>The words of retry-on, as bits.</summary>
[Flags]
internal enum RetryOn
{
    None = 0,
    ServerError = 1 << 0,
    GatewayError = 1 << 1,
    ConnectFailure = 1 << 2,
    EnvoyRateLimited = 1 << 3,
    Retriable4xx = 1 << 4,
    RefusedStream = 1 << 5,
    StatusCodes = 1 << 6,
    Headers = 1 << 7,
    Reset = 1 << 8,
    ResetBeforeRequest = 1 << 9,
    Http3PostConnectFailure = 1 << 10,
    GrpcCancelled = 1 << 11,
    GrpcDeadlineExceeded = 1 << 12,
    GrpcResourceExhausted = 1 << 13,
    GrpcUnavailable = 1 << 14,
    GrpcInternal = 1 << 15,

    AnyGrpc = GrpcCancelled | GrpcDeadlineExceeded | GrpcResourceExhausted | GrpcUnavailable | GrpcInternal,
}

internal sealed record RetrySettings
{
    public CompiledCell Cell { get; } = new();
    public RetryOn On { get; init; }
    /// <summary>Retries, not tries.</summary>
    public uint RetriesMax { get; init; } = 1;
    public TimeSpan? PerTryTimeout { get; init; }
    public TimeSpan? PerTryIdleTimeout { get; init; }
    public TimeSpan BackoffBase { get; init; } = TimeSpan.FromMilliseconds(25);
    /// <summary>Null is ten times the base.</summary>
    public TimeSpan? BackoffMax { get; init; }
    public ImmutableArray<int> StatusCodes { get; init; } = [];
    public ImmutableArray<HeaderMatch> ResponseHeaders { get; init; } = [];
    public ImmutableArray<HeaderMatch> RequestHeaders { get; init; } = [];
    /// <summary>Do not go back to an endpoint already tried by this request.</summary>
    public bool AvoidPreviousHosts { get; init; }
    /// <summary>How often to pick again for it before taking what comes.</summary>
    public uint HostSelectionAttemptsMax { get; init; } = 1;
    /// <summary>Go to other priorities after so many tries; null does not.</summary>
    public uint? PreviousPrioritiesUpdateFrequency { get; init; }
}
