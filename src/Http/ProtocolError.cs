namespace Mesh.Http;

/// <summary>How far a violation reaches: an HTTP/1 violation always ends its connection.</summary>
public enum ErrorLevel : byte
{
    Connection = 0,
    Stream,
}

/// <summary>
/// One violation by a peer, as a value: <c>default</c> is "none". Says what to answer (HTTP/1), which code to reset or go away with (HTTP/2),
/// and the response-code-details word that the access log shows, as Envoy names it.
/// </summary>
public readonly record struct ProtocolError
{
    private readonly Row? _row;

    internal ProtocolError(Row row) => _row = row;

    public bool IsNone => _row is null;

    /// <summary>The rule that was broken: "RFC 9112 §6.3".</summary>
    public string Section => _row?.Section ?? "";

    /// <summary>What happened, as one lower-case clause.</summary>
    public string Message => _row?.Message ?? "";

    /// <summary>Envoy's word for %RESPONSE_CODE_DETAILS%: "http1.codec_error".</summary>
    public string Details => _row?.Details ?? "";

    /// <summary>What an HTTP/1 request that did this is answered with; a response that did it becomes 502.</summary>
    public int Status => _row?.Status ?? 0;

    public ErrorLevel Level => _row?.Level ?? ErrorLevel.Connection;

    /// <summary>What RST_STREAM or GOAWAY carries.</summary>
    public H2.H2ErrorCode Code => _row?.Code ?? H2.H2ErrorCode.NoError;

    /// <summary>False for well-formed requests that are refused all the same (no Host): Istio logs those without flag DPE.</summary>
    public bool IsCodecError => _row is { Details: not ("missing_host_header" or "absolute_path_rejected") };

    /// <summary>A message that breaks HTTP's rules for messages, not those of frames.</summary>
    public bool IsBrokenMessage => _row is { Details: "http2.violation.of.messaging.rule" or "http2.invalid.header.field" or "http2.unexpected_underscore" };

    public override string ToString() => IsNone ? "none" : $"{Details}: {Message} ({Section})";

    internal sealed record Row(string Section, int Status, string Details, string Message, ErrorLevel Level = ErrorLevel.Connection,
        H2.H2ErrorCode Code = H2.H2ErrorCode.ProtocolError);
}
