using System.Collections.Immutable;

namespace Mesh.Proxy;

/// <summary>Whose doing a failure is: ours, the caller's, or the upstream's.</summary>
internal enum Side : byte { Local, Downstream, Upstream }

/// <summary>All that may go wrong with a request or connection in a healthy network. The table in <see cref="Failures"/> says what each means.</summary>
internal enum FailureKind : byte
{
    // Routing.
    NoRoute, Misdirected, NoFilterChain, ClusterNotFound, NoHealthyUpstream, DnsFailed,
    // Getting a stream.
    ConnectFailed, LocalConnectFailed, ConnectTimeout, Overflow,
    // A stream that ended before, or within, its response.
    UpstreamClosed, UpstreamReset, UpstreamRefusedStream, UpstreamProtocolError, LocalReset, LocalRefusedStream, ConnectRefused, OverloadReset,
    // Time.
    Timeout, PerTryTimeout, PerTryIdleTimeout, UpstreamMaxDuration, StreamIdle, RequestTimeout, RequestHeadersTimeout, MaxDuration,
    // The caller.
    DownstreamClosed, DownstreamReset, DownstreamProtocolError, BadHttp1, BadTransferEncoding, LengthAndChunked, LowVersion, MissingHost, RelativePath, BadPath, PathSlashesRejected, UnderscoreHeader,
    HeadersTooLarge, BadEnvoyHeader, BodyTooLarge, UpgradeRefused,
    // Policy.
    FaultAbort, AuthorizationDenied, JwtDenied, ExternalDenied, ExternalFailed, RateLimited, RateLimitFailed, CorsAnswered, HealthCheckAnswered,
    // Ourselves.
    Overloaded, Draining, DirectResponse,
}

/// <summary>What may be retried, by the words of retry-on; the policy decides which of them count.</summary>
internal enum RetryClass : byte
{
    Never,
    ConnectFailure,
    RefusedStream,
    /// <summary>A reset (of stream or connection) before the response began.</summary>
    Reset,
    PerTryTimeout,
}

/// <summary>One failure as a value. The answer to the caller follows from the table, unless <see cref="Answer"/> brings its own.</summary>
internal readonly record struct Failure(FailureKind Kind, Side Side)
{
    /// <summary>The TLS library's or the system's own words ("delayed connect error: Connection refused"); shown in body and log.</summary>
    public string? TransportReason { get; init; }
    /// <summary>Replaces status, body and details where a filter has composed them.</summary>
    public LocalAnswer? Answer { get; init; }
    /// <summary>The request had not left for the upstream when it failed.</summary>
    public bool BeforeRequestSent { get; init; }

    public FailureEntry Entry => Failures.Of(Kind);
}

/// <summary>An answer composed here rather than upstream. Immutable and shareable: the usual ones are made once, with the configuration.</summary>
internal sealed record LocalAnswer(int Status, string Details)
{
    public ReadOnlyMemory<byte> Body { get; init; }
    public string ContentType { get; init; } = "text/plain";
    public ImmutableArray<KeyValuePair<string, string>> Headers { get; init; } = [];
    /// <summary>Headers that replace what is there, by name (ext_authz's "overwrite").</summary>
    public ImmutableArray<string> HeadersToRemove { get; init; } = [];
    /// <summary>Null: derived from <see cref="Status"/>.</summary>
    public int? GrpcStatus { get; init; }
    /// <summary>Null: the kind's own.</summary>
    public ResponseFlag? Flag { get; init; }
}

/// <param name="Http">Zero: no answer is possible, the connection or stream is ended.</param>
/// <param name="Details">Words of %RESPONSE_CODE_DETAILS%. Those of a reset carry its reason in braces.</param>
/// <param name="ResetReason">Set for failures that are resets of the upstream stream.</param>
internal readonly record struct FailureEntry(int Http, int Grpc, ResponseFlag Flag, RetryClass Retry, string Details, string Body, string ResetReason = "");

/// <summary>The table: kind to HTTP status, gRPC status, response flag, retry class, details and body. Users grep for these words.</summary>
internal static class Failures
{
    private const string Reset = "upstream_reset_before_response_started";
    private const string ResetBody = "upstream connect error or disconnect/reset before headers";

    private static readonly FailureEntry[] Table = [.. Enum.GetValues<FailureKind>().Select(Make)];

    public static FailureEntry Of(FailureKind kind) => Table[(int)kind];

    /// <summary>The gRPC status a caller that speaks gRPC gets for an HTTP status of ours.</summary>
    public static int GrpcStatusOf(int http) => http switch
    {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 or 502 or 503 or 504 => 14,
        _ => 2,
    };

    /// <summary>%RESPONSE_CODE_DETAILS%: no blanks, and a reset's reason with the transport's words behind a bar.</summary>
    public static string DetailsOf(in Failure failure)
    {
        if (failure.Answer is { } answer) return answer.Details;
        var entry = failure.Entry;
        if (entry.ResetReason.Length == 0) return entry.Details;

        var reason = string.IsNullOrEmpty(failure.TransportReason) ? entry.ResetReason : $"{entry.ResetReason}|{failure.TransportReason}";
        return Unspaced($"{entry.Details}{{{reason}}}");
    }

    /// <param name="retried">Whether there were tries before this one.</param>
    public static string BodyOf(in Failure failure, bool retried)
    {
        var entry = failure.Entry;
        if (entry.ResetReason.Length == 0) return entry.Body;

        // The transport's own words are for the log: callers are not told what the network behind us looks like.
        return $"{ResetBody}. {(retried ? "retried and the latest " : "")}reset reason: {entry.ResetReason}";
    }

    /// <summary>Blanks would break the log line's columns.</summary>
    public static string Unspaced(string details) => details.Replace(' ', '_');

    private static FailureEntry Make(FailureKind kind) => kind switch
    {
        //                                         HTTP  gRPC  flag               retry
        FailureKind.NoRoute                 => new(404, 12, ResponseFlag.NR,    RetryClass.Never, "route_not_found", ""),
        FailureKind.Misdirected             => new(421, 14, ResponseFlag.NR,    RetryClass.Never, "misdirected_request", ""),
        FailureKind.NoFilterChain           => new(0,   14, ResponseFlag.NR,    RetryClass.Never, "filter_chain_not_found", ""),
        FailureKind.ClusterNotFound         => new(503, 14, ResponseFlag.NC,    RetryClass.Never, "cluster_not_found", ""),
        FailureKind.NoHealthyUpstream       => new(503, 14, ResponseFlag.UH,    RetryClass.Never, "no_healthy_upstream", "no healthy upstream"),
        FailureKind.DnsFailed               => new(503, 14, ResponseFlag.DF,    RetryClass.Never, "dns_resolution_failure", "DNS resolution failure"),

        FailureKind.ConnectFailed           => new(503, 14, ResponseFlag.UF,    RetryClass.ConnectFailure, Reset, ResetBody, "remote connection failure"),
        FailureKind.LocalConnectFailed      => new(503, 14, ResponseFlag.UF,    RetryClass.ConnectFailure, Reset, ResetBody, "local connection failure"),
        FailureKind.ConnectTimeout          => new(503, 14, ResponseFlag.UF,    RetryClass.ConnectFailure, Reset, ResetBody, "connection timeout"),
        FailureKind.Overflow                => new(503, 14, ResponseFlag.UO,    RetryClass.Never, Reset, ResetBody, "overflow"),

        FailureKind.UpstreamClosed          => new(503, 14, ResponseFlag.UC,    RetryClass.Reset, Reset, ResetBody, "connection termination"),
        FailureKind.UpstreamReset           => new(503, 14, ResponseFlag.UR,    RetryClass.Reset, Reset, ResetBody, "remote reset"),
        FailureKind.UpstreamRefusedStream   => new(503, 14, ResponseFlag.UR,    RetryClass.RefusedStream, Reset, ResetBody, "remote refused stream reset"),
        FailureKind.UpstreamProtocolError   => new(502, 14, ResponseFlag.UPE,   RetryClass.Reset, Reset, ResetBody, "protocol error"),
        FailureKind.LocalReset              => new(503, 14, ResponseFlag.LR,    RetryClass.Reset, Reset, ResetBody, "local reset"),
        FailureKind.LocalRefusedStream      => new(503, 14, ResponseFlag.LR,    RetryClass.RefusedStream, Reset, ResetBody, "local refused stream reset"),
        FailureKind.ConnectRefused          => new(503, 14, ResponseFlag.UR,    RetryClass.Reset, Reset, ResetBody, "remote error with CONNECT request"),
        FailureKind.OverloadReset           => new(503, 14, ResponseFlag.OM,    RetryClass.Never, Reset, ResetBody, "overload manager reset"),

        FailureKind.Timeout                 => new(504, 14, ResponseFlag.UT,    RetryClass.Never, "response_timeout", "upstream request timeout"),
        FailureKind.PerTryTimeout           => new(504, 14, ResponseFlag.UT,    RetryClass.PerTryTimeout, "upstream_per_try_timeout", "upstream request timeout"),
        FailureKind.PerTryIdleTimeout       => new(504, 14, ResponseFlag.SI,    RetryClass.PerTryTimeout, "upstream_per_try_idle_timeout", "upstream request timeout"),
        FailureKind.UpstreamMaxDuration     => new(408, 14, ResponseFlag.UMSDR, RetryClass.Never, "upstream_max_stream_duration_reached", "upstream max stream duration reached"),
        FailureKind.StreamIdle              => new(408, 14, ResponseFlag.SI,    RetryClass.Never, "stream_idle_timeout", "stream timeout"),
        FailureKind.RequestTimeout          => new(408, 14, ResponseFlag.DT,    RetryClass.Never, "request_overall_timeout", "request timeout"),
        FailureKind.RequestHeadersTimeout   => new(408, 14, ResponseFlag.DT,    RetryClass.Never, "request_header_timeout", "request header timeout"),
        FailureKind.MaxDuration             => new(408, 4,  ResponseFlag.None,  RetryClass.Never, "max_duration_timeout", "downstream duration timeout"),

        FailureKind.DownstreamClosed        => new(0,   1,  ResponseFlag.DC,    RetryClass.Never, "downstream_remote_disconnect", ""),
        FailureKind.DownstreamReset         => new(0,   1,  ResponseFlag.DR,    RetryClass.Never, "http2.remote_reset", ""),
        FailureKind.DownstreamProtocolError => new(400, 13, ResponseFlag.DPE,   RetryClass.Never, "codec_error", ""),
        FailureKind.BadHttp1                => new(400, 13, ResponseFlag.DPE,   RetryClass.Never, "http1.codec_error", "Bad Request"),
        FailureKind.BadTransferEncoding     => new(501, 12, ResponseFlag.DPE,   RetryClass.Never, "http1.invalid_transfer_encoding", "Not Implemented"),
        FailureKind.LengthAndChunked        => new(400, 13, ResponseFlag.DPE,   RetryClass.Never, "http1.content_length_and_chunked_not_allowed", "Bad Request"),
        FailureKind.RelativePath            => new(404, 12, ResponseFlag.None,  RetryClass.Never, "absolute_path_rejected", ""),
        FailureKind.LowVersion              => new(426, 2,  ResponseFlag.DPE,   RetryClass.Never, "low_version", ""),
        FailureKind.MissingHost             => new(400, 13, ResponseFlag.None,  RetryClass.Never, "missing_host_header", ""),
        FailureKind.BadPath                 => new(400, 13, ResponseFlag.None,  RetryClass.Never, "path_normalization_failed", ""),
        FailureKind.PathSlashesRejected     => new(400, 13, ResponseFlag.None,  RetryClass.Never, "path_normalization_failed", ""),
        FailureKind.UnderscoreHeader        => new(400, 13, ResponseFlag.None,  RetryClass.Never, "http1.unexpected_underscore", ""),
        FailureKind.HeadersTooLarge         => new(431, 2,  ResponseFlag.DPE,   RetryClass.Never, "http1.headers_too_large", ""),
        FailureKind.BadEnvoyHeader          => new(400, 13, ResponseFlag.IH,    RetryClass.Never, "request_headers_failed_strict_check", ""),
        FailureKind.BodyTooLarge            => new(413, 2,  ResponseFlag.None,  RetryClass.Never, "request_payload_too_large", "Payload Too Large"),
        FailureKind.UpgradeRefused          => new(403, 7,  ResponseFlag.None,  RetryClass.Never, "upgrade_failed", ""),

        FailureKind.FaultAbort              => new(503, 14, ResponseFlag.FI,    RetryClass.Never, "fault_filter_abort", "fault filter abort"),
        FailureKind.AuthorizationDenied     => new(403, 7,  ResponseFlag.None,  RetryClass.Never, "rbac_access_denied_matched_policy[none]", "RBAC: access denied"),
        FailureKind.JwtDenied               => new(401, 16, ResponseFlag.None,  RetryClass.Never, "jwt_authn_access_denied", "Jwt is missing"),
        FailureKind.ExternalDenied          => new(403, 7,  ResponseFlag.UAEX,  RetryClass.Never, "ext_authz_denied", ""),
        FailureKind.ExternalFailed          => new(403, 7,  ResponseFlag.UAEX,  RetryClass.Never, "ext_authz_error", ""),
        FailureKind.RateLimited             => new(429, 14, ResponseFlag.RL,    RetryClass.Never, "local_rate_limited", "local_rate_limited"),
        FailureKind.RateLimitFailed         => new(500, 2,  ResponseFlag.RLSE,  RetryClass.Never, "rate_limiter_error", ""),
        FailureKind.CorsAnswered            => new(200, 0,  ResponseFlag.None,  RetryClass.Never, "cors_response", ""),
        FailureKind.HealthCheckAnswered     => new(200, 0,  ResponseFlag.None,  RetryClass.Never, "health_check_ok", ""),

        FailureKind.Overloaded              => new(503, 14, ResponseFlag.OM,    RetryClass.Never, "overload", "envoy overloaded"),
        FailureKind.Draining                => new(503, 14, ResponseFlag.DO,    RetryClass.Never, "draining", ""),
        FailureKind.DirectResponse          => new(200, 2,  ResponseFlag.None,  RetryClass.Never, "direct_response", ""),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
