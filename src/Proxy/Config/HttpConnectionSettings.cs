using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

internal enum CodecKind { Auto, Http1, Http2 }

internal enum ForwardClientCert { Sanitize, ForwardOnly, AppendForward, SanitizeSet, AlwaysForwardOnly }

[Flags]
internal enum ClientCertFields { None = 0, Subject = 1, Cert = 2, Chain = 4, Dns = 8, Uri = 16 }

internal enum ServerHeaderMode { Overwrite, AppendIfAbsent, PassThrough }

internal enum UnderscoreHeaders { Allow, RejectRequest, DropHeader }

internal enum EscapedSlashes { KeepUnchanged, RejectRequest, UnescapeAndRedirect, UnescapeAndForward }

internal enum StripPort { No, Matching, Any }

/// <summary>How HTTP is served on a filter chain: what a connection manager is told.</summary>
internal sealed record HttpConnectionSettings
{
    public string StatPrefix { get; init; } = "";
    public CodecKind Codec { get; init; }

    // One of the two.
    public RouteTable? Routes { get; init; }
    public string? RoutesName { get; init; }

    public ImmutableArray<HttpFilterSettings> Filters { get; init; } = [];
    public CompiledCell MetricsCell { get; } = new();
    public ImmutableArray<AccessLogSettings> AccessLogs { get; init; } = [];
    /// <summary>Null: no spans.</summary>
    public TracingSettings? Tracing { get; init; }

    // Who the client is, and what is told of it.
    public bool UseRemoteAddress { get; init; }
    public uint TrustedHops { get; init; }
    public bool SkipXffAppend { get; init; }
    public bool AppendXForwardedPort { get; init; }
    public ImmutableArray<AddressRange> InternalAddresses { get; init; } = [];
    public ForwardClientCert ForwardClientCert { get; init; }
    public ClientCertFields SetCurrentClientCert { get; init; }

    // Headers of our own.
    public string ServerName { get; init; } = "envoy";
    public ServerHeaderMode ServerHeader { get; init; }
    public string Via { get; init; } = "";
    public bool GenerateRequestId { get; init; } = true;
    public bool PreserveExternalRequestId { get; init; }
    public bool AlwaysSetRequestIdInResponse { get; init; }
    public RequestIdSettings RequestId { get; init; } = new();
    public bool SuppressEnvoyHeaders { get; init; }

    // Paths and hosts.
    public bool NormalizePath { get; init; }
    public bool MergeSlashes { get; init; }
    public EscapedSlashes EscapedSlashes { get; init; }
    public StripPort StripPort { get; init; }
    public bool StripTrailingHostDot { get; init; }
    public UnderscoreHeaders UnderscoreHeaders { get; init; }

    // Time; null is no limit.
    public TimeSpan? IdleTimeout { get; init; } = TimeSpan.FromHours(1);
    public TimeSpan? StreamIdleTimeout { get; init; } = TimeSpan.FromMinutes(5);
    public TimeSpan? RequestTimeout { get; init; }
    public TimeSpan? RequestHeadersTimeout { get; init; }
    public TimeSpan? MaxConnectionDuration { get; init; }
    public TimeSpan? MaxStreamDuration { get; init; }
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(5);
    public TimeSpan DelayedCloseTimeout { get; init; } = TimeSpan.FromSeconds(1);

    // Sizes; zero requests a connection is unlimited.
    public uint RequestsPerConnectionMax { get; init; }
    public uint RequestHeadersKibMax { get; init; } = 60;
    public uint HeadersCountMax { get; init; } = 100;

    public ImmutableArray<UpgradeSettings> Upgrades { get; init; } = [];
    public Http1Settings Http1 { get; init; } = new();
    public Http2Settings Http2 { get; init; } = new();
    public bool Proxy100Continue { get; init; }
    public bool StreamErrorOnInvalidMessage { get; init; }
}

internal sealed record RequestIdSettings(bool PackTraceReason = true, bool UseForTraceSampling = true);

/// <summary>"websocket" or "CONNECT"; may be switched off again by a route.</summary>
internal sealed record UpgradeSettings(string Type, bool Enabled);

internal sealed record Http1Settings
{
    public bool AcceptHttp10 { get; init; }
    public string DefaultHostForHttp10 { get; init; } = "";
    public bool AllowAbsoluteUrl { get; init; } = true;
    public bool PreserveHeaderCase { get; init; }
    public bool EnableTrailers { get; init; }
    public bool? StreamErrorOnInvalidMessage { get; init; }
}

/// <summary>Null leaves the value to the process's own limits.</summary>
internal sealed record Http2Settings
{
    public uint? ConcurrentStreamsMax { get; init; }
    public uint? StreamWindowBytes { get; init; }
    public uint? ConnectionWindowBytes { get; init; }
    public uint? HpackTableBytes { get; init; }
    public bool AllowConnect { get; init; }
    /// <summary>Null: no PINGs.</summary>
    public TimeSpan? KeepAliveInterval { get; init; }
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(20);
}
