namespace Mesh.Http;

/// <summary>What a peer may make us hold or do. Every limit is counted on decoded bytes; none can be switched off.</summary>
public sealed record HttpLimits
{
    public static HttpLimits Default { get; } = new();

    /// <summary>Start line and all fields. Istio: 60 KiB, answered 431 (Envoy's max_request_headers_kb).</summary>
    public int HeadBytesMax { get; init; } = 60 * 1024;

    /// <summary>Envoy's max_headers_count.</summary>
    public int FieldCountMax { get; init; } = 100;

    /// <summary>A name longer than this is no name that anybody uses.</summary>
    public int FieldNameBytesMax { get; init; } = 256;

    /// <summary>Request line; longer is answered 414. As large as the head by default: Istio lets a long URL have all of it.</summary>
    public int RequestLineBytesMax { get; init; } = 60 * 1024;

    /// <summary>One chunk's size line with its extensions (RFC 9112 §7.1.1).</summary>
    public int ChunkLineBytesMax { get; init; } = 4 * 1024;

    /// <summary>All chunk extensions of one message (CVE-2023-39326: bytes that carry nothing).</summary>
    public int ChunkExtensionBytesMax { get; init; } = 16 * 1024;

    /// <summary>Interim (1xx) answers before the final one.</summary>
    public int InterimResponsesMax { get; init; } = 16;

    /// <summary>Answer HTTP/1.0 instead of 426 (ISTIO_META_HTTP10, PILOT_HTTP10).</summary>
    public bool AcceptHttp10 { get; init; }

    /// <summary>An https URL as target over a connection that is not encrypted is answered 403: who believes its scheme would be deceived.</summary>
    public bool RefuseHttpsTargets { get; init; }

    /// <summary>Several Host fields become one joined with commas, as Istio routes them; otherwise they are answered 400 (RFC 9112 §3.2).</summary>
    public bool JoinRepeatedHost { get; init; }

    /// <summary>Take any token for an HTTP/1.1 method, not only registered ones (Envoy's allow_custom_methods, off there too).</summary>
    public bool AcceptCustomMethods { get; init; }

    /// <summary>Refuse names with '_', which some servers read as '-' (for edges).</summary>
    public bool RefuseUnderscores { get; init; }
}
