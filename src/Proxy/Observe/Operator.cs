using Mesh.Http;

namespace Mesh.Proxy.Observe;

/// <summary>The substitution operators of log formats and header values; names and meaning are Envoy's.</summary>
internal enum OperatorKind : byte
{
    Literal,
    RequestHeader, ResponseHeader, ResponseTrailer, PathWithoutQuery, Path, QueryParameter, QueryParameters,
    StartTime, EmitTime,
    BytesReceived, BytesSent, RequestHeadersBytes, ResponseHeadersBytes, ResponseTrailersBytes,
    Protocol, UpstreamProtocol, ResponseCode, ResponseCodeDetails, ConnectionTerminationDetails, ResponseFlags, ResponseFlagsLong,
    Duration, RequestDuration, RequestTxDuration, ResponseDuration, ResponseTxDuration, UpstreamReadyDuration, CommonDuration,
    UpstreamHost, UpstreamHostName, UpstreamHostNameAddress, UpstreamsAttempted, UpstreamsAttemptedAddress, UpstreamNamesAttempted, UpstreamNamesAttemptedAddress,
    UpstreamCluster, UpstreamClusterRaw, UpstreamAttempts, UpstreamFailure, DownstreamFailure,
    UpstreamLocal, UpstreamLocalAddress, UpstreamLocalPort, UpstreamRemote, UpstreamRemoteAddress, UpstreamRemotePort,
    DownstreamRemote, DownstreamRemoteAddress, DownstreamRemotePort,
    DownstreamDirectRemote, DownstreamDirectRemoteAddress, DownstreamDirectRemotePort,
    DownstreamLocal, DownstreamLocalAddress, DownstreamLocalPort,
    DownstreamDirectLocal, DownstreamDirectLocalAddress, DownstreamDirectLocalPort,
    ConnectionId, StreamId, RouteName, ServerName, FilterChainName, HostName, Environment,
    DynamicMetadata, ClusterMetadata, UpstreamMetadata, RouteMetadata, FilterState,
    GrpcStatus, GrpcStatusNumber,
    TlsVersion, TlsCipher, LocalUriSan, PeerUriSan, PeerDnsSan, PeerSubject, PeerIssuer, PeerSerial, PeerFingerprint, PeerCertStart, PeerCertEnd,
    UpstreamPeerUriSan, UpstreamPeerSubject, UpstreamPeerIssuer, UpstreamPeerDnsSan, UpstreamPeerCertStart, UpstreamPeerCertEnd, UpstreamLocalUriSan, UpstreamTlsVersion, UpstreamTlsCipher,
    TraceId, SpanId, UniqueId, AccessLogType, LocalReplyBody, Expression, TypedExpression, CloseType, Empty,
    /// <summary>Known, and never with a value here.</summary>
    Nothing,
}

/// <summary>One operator with its arguments, prepared for writing.</summary>
internal sealed class Operator(OperatorKind kind)
{
    public OperatorKind Kind => kind;

    /// <summary>For literals.</summary>
    public byte[] Bytes { get; init; } = [];
    public HeaderName? Header { get; init; }
    public byte[] Pseudo { get; init; } = [];
    /// <summary>Asked when the first has no value.</summary>
    public HeaderName? OtherHeader { get; init; }
    public byte[] OtherPseudo { get; init; } = [];
    /// <summary>The text in the parentheses, split at colons.</summary>
    public string[] Arguments { get; init; } = [];
    /// <summary>Longer values are cut; null is no limit.</summary>
    public int? LengthMax { get; init; }
    public TimeFormat? Time { get; init; }
    public Expression? Expression { get; init; }

    /// <summary>Written in JSON as the structure it is.</summary>
    public bool IsStructured => kind is OperatorKind.DynamicMetadata or OperatorKind.ClusterMetadata or OperatorKind.UpstreamMetadata or OperatorKind.RouteMetadata or OperatorKind.TypedExpression;

    /// <summary>Written as a number in JSON.</summary>
    public bool IsNumber => kind is OperatorKind.BytesReceived or OperatorKind.BytesSent or OperatorKind.RequestHeadersBytes or OperatorKind.ResponseHeadersBytes
        or OperatorKind.ResponseTrailersBytes or OperatorKind.ResponseCode or OperatorKind.Duration or OperatorKind.RequestDuration or OperatorKind.RequestTxDuration
        or OperatorKind.ResponseDuration or OperatorKind.ResponseTxDuration or OperatorKind.UpstreamReadyDuration or OperatorKind.CommonDuration or OperatorKind.UpstreamAttempts
        or OperatorKind.UpstreamLocalPort or OperatorKind.UpstreamRemotePort or OperatorKind.DownstreamRemotePort or OperatorKind.DownstreamDirectRemotePort
        or OperatorKind.DownstreamLocalPort or OperatorKind.DownstreamDirectLocalPort or OperatorKind.ConnectionId or OperatorKind.GrpcStatusNumber;
}
