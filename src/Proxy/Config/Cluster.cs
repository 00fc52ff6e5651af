using System.Collections.Immutable;
using System.Net;

namespace Mesh.Proxy.Config;

internal enum ClusterDiscovery { Static, StrictDns, LogicalDns, Eds, OriginalDestination, DynamicForwardProxy }

internal enum UpstreamProtocol { Http1, Http2, FromDownstream, FromAlpn }

/// <summary>A named group of endpoints and how to talk to them: TLS, HTTP version, balancing, limits.</summary>
internal sealed record Cluster
{
    public required string Name { get; init; }
    public string AltStatName { get; init; } = "";
    public ClusterDiscovery Discovery { get; init; }
    /// <summary>The name by which endpoints are asked for, in clusters of kind <see cref="ClusterDiscovery.Eds"/>.</summary>
    public string EndpointsName { get; init; } = "";
    /// <summary>Endpoints written into the cluster itself (static and DNS kinds).</summary>
    public ClusterEndpoints? Endpoints { get; init; }
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);
    public uint? ConnectionBufferBytesMax { get; init; }

    public LoadBalancing LoadBalancing { get; init; } = new();
    public CircuitLimits Limits { get; init; } = new();
    public CircuitLimits HighPriorityLimits { get; init; } = new();
    public OutlierSettings? Outliers { get; init; }
    public DnsSettings Dns { get; init; } = new();

    // How to speak to them.
    public UpstreamProtocol Protocol { get; init; }
    public Http2Settings Http2 { get; init; } = new();
    public bool PreserveHeaderCase { get; init; }
    /// <summary>Of pooled connections; null never.</summary>
    public TimeSpan? IdleTimeout { get; init; } = TimeSpan.FromHours(1);
    public TimeSpan? MaxConnectionDuration { get; init; }
    public uint RequestsPerConnectionMax { get; init; }
    public TcpKeepAlive? KeepAlive { get; init; }
    public IPAddress? BindAddress { get; init; }
    public bool ConnectionPoolPerDownstreamConnection { get; init; }
    public bool CloseConnectionsOnHostHealthFailure { get; init; }
    public bool IgnoreHealthOnHostRemoval { get; init; }

    /// <summary>The first whose criteria an endpoint's metadata meets; empty list: <see cref="Tls"/> for all.</summary>
    public ImmutableArray<TransportMatch> TransportMatches { get; init; } = [];
    public UpstreamTls? Tls { get; init; }
    public ProxyProtocolVersion ProxyProtocol { get; init; }

    // Original destination kind.
    public string OriginalDestinationHeader { get; init; } = "";
    public bool UseOriginalDestinationHeader { get; init; }
    public int? OriginalDestinationPortOverride { get; init; }

    /// <summary>Network filters on the upstream side that matter here: Istio's peer metadata.</summary>
    public bool ExchangesPeerMetadata { get; init; }
    public Metadata Metadata { get; init; } = Metadata.Empty;

    /// <summary>The TLS that one endpoint gets: null is plaintext.</summary>
    public UpstreamTls? TlsFor(Endpoint endpoint)
    {
        foreach (var match in TransportMatches)
            if (match.Accepts(endpoint)) return match.Tls;
        return Tls;
    }
}

internal enum ProxyProtocolVersion { None, V1, V2 }

/// <summary>Which TLS endpoints with this metadata get. Criteria are read under <c>envoy.transport_socket_match</c>.</summary>
internal sealed record TransportMatch(string Name, ImmutableArray<KeyValuePair<string, string>> Criteria, UpstreamTls? Tls)
{
    public bool Accepts(Endpoint endpoint)
    {
        foreach (var (key, value) in Criteria)
            if (endpoint.Metadata.Get("envoy.transport_socket_match", key)?.Text != value) return false;
        return true;
    }
}

/// <summary>Circuit breaker thresholds of one routing priority.</summary>
internal sealed record CircuitLimits
{
    public CompiledCell Cell { get; } = new();
    public uint ConnectionsMax { get; init; } = 1024;
    public uint PendingMax { get; init; } = 1024;
    public uint RequestsMax { get; init; } = 1024;
    public uint RetriesMax { get; init; } = 3;
    public uint? ConnectionPoolsMax { get; init; }
    /// <summary>Replaces <see cref="RetriesMax"/>: retries in flight as a percentage of requests in flight.</summary>
    public RetryBudget? RetryBudget { get; init; }
    public bool TrackRemaining { get; init; }
}

internal sealed record RetryBudget(double Percent, uint RetriesMin);

internal sealed record DnsSettings
{
    public TimeSpan RefreshRate { get; init; } = TimeSpan.FromSeconds(5);
    public TimeSpan? FailureRefreshBase { get; init; }
    public TimeSpan? FailureRefreshMax { get; init; }
    public bool RespectTtl { get; init; }
    public DnsFamily Family { get; init; }
    public TimeSpan Jitter { get; init; }
    public bool UseTcp { get; init; }
}

internal enum DnsFamily { Auto, V4Only, V6Only, V4Preferred, All }

internal sealed record OutlierSettings
{
    public uint Consecutive5xx { get; init; } = 5;
    public uint Enforcing5xx { get; init; } = 100;
    public uint ConsecutiveGatewayErrors { get; init; } = 5;
    public uint EnforcingGatewayErrors { get; init; }
    public bool SplitLocalOriginErrors { get; init; }
    public uint ConsecutiveLocalOriginFailures { get; init; } = 5;
    public uint EnforcingLocalOriginFailures { get; init; } = 100;
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);
    public TimeSpan EjectionBase { get; init; } = TimeSpan.FromSeconds(30);
    public TimeSpan EjectionMax { get; init; } = TimeSpan.FromSeconds(300);
    public TimeSpan EjectionJitterMax { get; init; }
    public uint EjectionPercentMax { get; init; } = 10;
    public bool AlwaysEjectOneHost { get; init; }

    public uint EnforcingSuccessRate { get; init; } = 100;
    public uint SuccessRateHostsMin { get; init; } = 5;
    public uint SuccessRateRequestsMin { get; init; } = 100;
    /// <summary>In thousandths: 1900 is 1.9 standard deviations.</summary>
    public uint SuccessRateStdevFactor { get; init; } = 1900;

    public uint FailurePercentThreshold { get; init; } = 85;
    public uint EnforcingFailurePercent { get; init; }
    public uint FailurePercentHostsMin { get; init; } = 5;
    public uint FailurePercentRequestsMin { get; init; } = 50;
    public bool SuccessfulActiveCheckUnejects { get; init; } = true;
    /// <summary>Instead of 5xx, these statuses count as errors; empty: 5xx.</summary>
    public ImmutableArray<Int64Range> HttpErrorCodes { get; init; } = [];
}
