using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>Which connections (match) get which TLS context and which HTTP settings or TCP target.</summary>
internal sealed record FilterChain
{
    public string Name { get; init; } = "";
    public FilterChainMatch Match { get; init; } = FilterChainMatch.Any;
    /// <summary>Null: the connection is not decrypted here.</summary>
    public DownstreamTls? Tls { get; init; }
    /// <summary>How long the TLS handshake may take; null leaves it to the process.</summary>
    public TimeSpan? HandshakeTimeout { get; init; }

    /// <summary>Asked in order before the terminal below gets the connection.</summary>
    public ImmutableArray<NetworkFilterSettings> Filters { get; init; } = [];
    public CompiledCell MetricsCell { get; } = new();

    // Exactly one of the two; none means that the connection is closed once the filters have seen it.
    public HttpConnectionSettings? Http { get; init; }
    public TcpProxySettings? Tcp { get; init; }
    public Metadata Metadata { get; init; } = Metadata.Empty;

    /// <summary>Of the bytes it was told in; 0 when it was not told.</summary>
    public UInt128 Fingerprint { get; init; }

    /// <summary>Connections of that chain may go on under this one: nothing about them has changed.</summary>
    public bool IsSameAs(FilterChain other) => ReferenceEquals(this, other) || Fingerprint == other.Fingerprint && Fingerprint != 0;
}

internal enum ConnectionSourceType { Any, SameIpOrLoopback, External }

/// <summary>Unset criteria match anything. The most specific chain wins, criterion by criterion in the order written here.</summary>
internal sealed record FilterChainMatch
{
    public static readonly FilterChainMatch Any = new();

    public int? DestinationPort { get; init; }
    public ImmutableArray<AddressRange> DestinationRanges { get; init; } = [];
    /// <summary>Lower case; "*.example.com" is any name below example.com.</summary>
    public ImmutableArray<string> ServerNames { get; init; } = [];
    /// <summary>"tls", "raw_buffer", or empty for both.</summary>
    public string TransportProtocol { get; init; } = "";
    public ImmutableArray<string> ApplicationProtocols { get; init; } = [];
    public ImmutableArray<AddressRange> DirectSourceRanges { get; init; } = [];
    public ConnectionSourceType SourceType { get; init; }
    public ImmutableArray<AddressRange> SourceRanges { get; init; } = [];
    public ImmutableArray<int> SourcePorts { get; init; } = [];
}

/// <summary>A network filter that stands before the terminal one. One sealed record a kind; switch on the type.</summary>
internal abstract record NetworkFilterSettings(string Name);

internal sealed record NetworkAuthorization(string Name, AuthorizationSettings Rules) : NetworkFilterSettings(Name);

internal sealed record NetworkLocalRateLimit(string Name, string StatPrefix, TokenBucket Bucket, Fraction Enabled) : NetworkFilterSettings(Name);

internal sealed record NetworkConnectionLimit(string Name, ulong ConnectionsMax, TimeSpan? Delay) : NetworkFilterSettings(Name);

internal sealed record NetworkExternalAuthorization(string Name, string StatPrefix, ExternalService Service, bool FailOpen, bool IncludePeerCertificate)
    : NetworkFilterSettings(Name)
{
    /// <summary>As in <see cref="ExternalAuthorizationSettings.EnabledBy"/>.</summary>
    public MetadataMatch? EnabledBy { get; init; }
}

/// <summary>Istio's exchange of workload metadata at the start of a TCP connection.</summary>
internal sealed record NetworkPeerMetadata(string Name, string Protocol, bool EnableDiscovery) : NetworkFilterSettings(Name);

/// <summary>Istio's standard TCP metrics.</summary>
internal sealed record NetworkStats(string Name, IstioStatsSettings Stats) : NetworkFilterSettings(Name);

/// <summary>The destination cluster is the server name the client asked for (AUTO_PASSTHROUGH gateways).</summary>
internal sealed record NetworkSniCluster(string Name) : NetworkFilterSettings(Name);

/// <summary>Accepted and without effect on traffic here; kept so that config dumps show it.</summary>
internal sealed record NetworkNoOp(string Name, string TypeUrl) : NetworkFilterSettings(Name);

/// <summary>Bytes both ways to a cluster.</summary>
internal sealed record TcpProxySettings
{
    public string StatPrefix { get; init; } = "";
    /// <summary>One entry, or several with weights.</summary>
    public required ImmutableArray<WeightedTcpCluster> Clusters { get; init; }
    /// <summary>Null is never; the default of the protocol is an hour.</summary>
    public TimeSpan? IdleTimeout { get; init; } = TimeSpan.FromHours(1);
    public TimeSpan? MaxConnectionDuration { get; init; }
    public uint ConnectAttemptsMax { get; init; } = 1;
    public ImmutableArray<AccessLogSettings> AccessLogs { get; init; } = [];
    public ImmutableArray<HashPolicy> HashPolicies { get; init; } = [];
    /// <summary>Wrap the bytes in an HTTP CONNECT (or POST) to the upstream.</summary>
    public TcpTunnel? Tunnel { get; init; }
    public ImmutableDictionary<string, MetadataValue>? MetadataMatch { get; init; }
}

internal sealed record WeightedTcpCluster(string Name, uint Weight);

internal sealed record TcpTunnel(string Hostname, bool UsePost, ImmutableArray<HeaderEdit> Headers);
