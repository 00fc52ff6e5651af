using System.Buffers;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Observe;

/// <summary>Operator names to kinds.</summary>
internal static class OperatorTable
{
    private static readonly Dictionary<string, OperatorKind> Kinds = new(StringComparer.Ordinal)
    {
        ["REQ"] = OperatorKind.RequestHeader, ["RESP"] = OperatorKind.ResponseHeader, ["TRAILER"] = OperatorKind.ResponseTrailer,
        ["REQ_WITHOUT_QUERY"] = OperatorKind.PathWithoutQuery, ["QUERY_PARAM"] = OperatorKind.QueryParameter,
        ["START_TIME"] = OperatorKind.StartTime, ["START_TIME_LOCAL"] = OperatorKind.StartTime, ["EMIT_TIME"] = OperatorKind.EmitTime, ["EMIT_TIME_LOCAL"] = OperatorKind.EmitTime,
        ["BYTES_RECEIVED"] = OperatorKind.BytesReceived, ["BYTES_SENT"] = OperatorKind.BytesSent,
        ["UPSTREAM_WIRE_BYTES_SENT"] = OperatorKind.BytesReceived, ["UPSTREAM_WIRE_BYTES_RECEIVED"] = OperatorKind.BytesSent,
        ["DOWNSTREAM_WIRE_BYTES_SENT"] = OperatorKind.BytesSent, ["DOWNSTREAM_WIRE_BYTES_RECEIVED"] = OperatorKind.BytesReceived,
        ["UPSTREAM_HEADER_BYTES_SENT"] = OperatorKind.RequestHeadersBytes, ["UPSTREAM_HEADER_BYTES_RECEIVED"] = OperatorKind.ResponseHeadersBytes,
        ["DOWNSTREAM_HEADER_BYTES_SENT"] = OperatorKind.ResponseHeadersBytes, ["DOWNSTREAM_HEADER_BYTES_RECEIVED"] = OperatorKind.RequestHeadersBytes,
        ["REQUEST_HEADERS_BYTES"] = OperatorKind.RequestHeadersBytes, ["RESPONSE_HEADERS_BYTES"] = OperatorKind.ResponseHeadersBytes,
        ["RESPONSE_TRAILERS_BYTES"] = OperatorKind.ResponseTrailersBytes,
        ["PROTOCOL"] = OperatorKind.Protocol, ["UPSTREAM_PROTOCOL"] = OperatorKind.UpstreamProtocol,
        ["RESPONSE_CODE"] = OperatorKind.ResponseCode, ["RESPONSE_CODE_DETAILS"] = OperatorKind.ResponseCodeDetails,
        ["CONNECTION_TERMINATION_DETAILS"] = OperatorKind.ConnectionTerminationDetails,
        ["RESPONSE_FLAGS"] = OperatorKind.ResponseFlags, ["RESPONSE_FLAGS_LONG"] = OperatorKind.ResponseFlagsLong,
        ["DURATION"] = OperatorKind.Duration, ["REQUEST_DURATION"] = OperatorKind.RequestDuration, ["REQUEST_TX_DURATION"] = OperatorKind.RequestTxDuration,
        ["RESPONSE_DURATION"] = OperatorKind.ResponseDuration, ["RESPONSE_TX_DURATION"] = OperatorKind.ResponseTxDuration,
        ["UPSTREAM_CONNECTION_POOL_READY_DURATION"] = OperatorKind.UpstreamReadyDuration, ["COMMON_DURATION"] = OperatorKind.CommonDuration,
        ["UPSTREAM_HOST"] = OperatorKind.UpstreamHost, ["UPSTREAM_HOST_NAME"] = OperatorKind.UpstreamHostName,
        ["UPSTREAM_HOST_NAME_WITHOUT_PORT"] = OperatorKind.UpstreamHostNameAddress,
        ["UPSTREAM_CLUSTER"] = OperatorKind.UpstreamCluster, ["UPSTREAM_CLUSTER_RAW"] = OperatorKind.UpstreamClusterRaw,
        ["UPSTREAM_REQUEST_ATTEMPT_COUNT"] = OperatorKind.UpstreamAttempts,
        ["UPSTREAM_TRANSPORT_FAILURE_REASON"] = OperatorKind.UpstreamFailure, ["DOWNSTREAM_TRANSPORT_FAILURE_REASON"] = OperatorKind.DownstreamFailure,
        ["UPSTREAM_LOCAL_ADDRESS"] = OperatorKind.UpstreamLocal, ["UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"] = OperatorKind.UpstreamLocalAddress,
        ["UPSTREAM_LOCAL_PORT"] = OperatorKind.UpstreamLocalPort,
        ["UPSTREAM_REMOTE_ADDRESS"] = OperatorKind.UpstreamRemote, ["UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"] = OperatorKind.UpstreamRemoteAddress,
        ["UPSTREAM_REMOTE_PORT"] = OperatorKind.UpstreamRemotePort,
        ["DOWNSTREAM_REMOTE_ADDRESS"] = OperatorKind.DownstreamRemote, ["DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"] = OperatorKind.DownstreamRemoteAddress,
        ["DOWNSTREAM_REMOTE_PORT"] = OperatorKind.DownstreamRemotePort,
        ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS"] = OperatorKind.DownstreamDirectRemote,
        ["DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"] = OperatorKind.DownstreamDirectRemoteAddress, ["DOWNSTREAM_DIRECT_REMOTE_PORT"] = OperatorKind.DownstreamDirectRemotePort,
        ["DOWNSTREAM_LOCAL_ADDRESS"] = OperatorKind.DownstreamLocal, ["DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"] = OperatorKind.DownstreamLocalAddress,
        ["DOWNSTREAM_LOCAL_PORT"] = OperatorKind.DownstreamLocalPort,
        ["DOWNSTREAM_DIRECT_LOCAL_ADDRESS"] = OperatorKind.DownstreamDirectLocal, ["DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT"] = OperatorKind.DownstreamDirectLocalAddress,
        ["DOWNSTREAM_DIRECT_LOCAL_PORT"] = OperatorKind.DownstreamDirectLocalPort,
        ["CONNECTION_ID"] = OperatorKind.ConnectionId, ["UPSTREAM_CONNECTION_ID"] = OperatorKind.Nothing, ["STREAM_ID"] = OperatorKind.StreamId,
        ["ROUTE_NAME"] = OperatorKind.RouteName, ["VIRTUAL_CLUSTER_NAME"] = OperatorKind.Nothing,
        ["REQUESTED_SERVER_NAME"] = OperatorKind.ServerName, ["FILTER_CHAIN_NAME"] = OperatorKind.FilterChainName,
        ["HOSTNAME"] = OperatorKind.HostName, ["ENVIRONMENT"] = OperatorKind.Environment,
        ["DYNAMIC_METADATA"] = OperatorKind.DynamicMetadata, ["CLUSTER_METADATA"] = OperatorKind.ClusterMetadata, ["UPSTREAM_METADATA"] = OperatorKind.UpstreamMetadata,
        ["FILTER_STATE"] = OperatorKind.FilterState, ["UPSTREAM_FILTER_STATE"] = OperatorKind.FilterState,
        ["GRPC_STATUS"] = OperatorKind.GrpcStatus, ["GRPC_STATUS_NUMBER"] = OperatorKind.GrpcStatusNumber,
        ["DOWNSTREAM_TLS_VERSION"] = OperatorKind.TlsVersion, ["DOWNSTREAM_TLS_CIPHER"] = OperatorKind.TlsCipher, ["DOWNSTREAM_TLS_SESSION_ID"] = OperatorKind.Nothing,
        ["DOWNSTREAM_LOCAL_URI_SAN"] = OperatorKind.LocalUriSan, ["DOWNSTREAM_PEER_URI_SAN"] = OperatorKind.PeerUriSan, ["DOWNSTREAM_PEER_DNS_SAN"] = OperatorKind.PeerDnsSan,
        ["DOWNSTREAM_LOCAL_SUBJECT"] = OperatorKind.Nothing, ["DOWNSTREAM_LOCAL_DNS_SAN"] = OperatorKind.Nothing,
        ["DOWNSTREAM_PEER_SUBJECT"] = OperatorKind.PeerSubject, ["DOWNSTREAM_PEER_ISSUER"] = OperatorKind.PeerIssuer, ["DOWNSTREAM_PEER_SERIAL"] = OperatorKind.PeerSerial,
        ["DOWNSTREAM_PEER_FINGERPRINT_256"] = OperatorKind.PeerFingerprint, ["DOWNSTREAM_PEER_FINGERPRINT_1"] = OperatorKind.Nothing,
        ["DOWNSTREAM_PEER_CERT_V_START"] = OperatorKind.PeerCertStart, ["DOWNSTREAM_PEER_CERT_V_END"] = OperatorKind.PeerCertEnd, ["DOWNSTREAM_PEER_CERT"] = OperatorKind.Nothing,
        ["UPSTREAM_PEER_URI_SAN"] = OperatorKind.UpstreamPeerUriSan, ["UPSTREAM_PEER_SUBJECT"] = OperatorKind.UpstreamPeerSubject,
        ["UPSTREAM_PEER_ISSUER"] = OperatorKind.UpstreamPeerIssuer, ["UPSTREAM_PEER_DNS_SAN"] = OperatorKind.UpstreamPeerDnsSan,
        ["UPSTREAM_PEER_CERT_V_START"] = OperatorKind.UpstreamPeerCertStart, ["UPSTREAM_PEER_CERT_V_END"] = OperatorKind.UpstreamPeerCertEnd,
        ["UPSTREAM_LOCAL_URI_SAN"] = OperatorKind.UpstreamLocalUriSan,
        ["UPSTREAM_TLS_VERSION"] = OperatorKind.UpstreamTlsVersion, ["UPSTREAM_TLS_CIPHER"] = OperatorKind.UpstreamTlsCipher,
        ["UPSTREAM_TLS_SESSION_ID"] = OperatorKind.Nothing, ["UPSTREAM_PEER_CERT"] = OperatorKind.Nothing,
        ["TRACE_ID"] = OperatorKind.TraceId, ["SPAN_ID"] = OperatorKind.SpanId, ["UNIQUE_ID"] = OperatorKind.UniqueId, ["ACCESS_LOG_TYPE"] = OperatorKind.AccessLogType,
        ["LOCAL_REPLY_BODY"] = OperatorKind.LocalReplyBody, ["CEL"] = OperatorKind.Expression, ["CUSTOM_FLAGS"] = OperatorKind.Empty,
        ["TLS_JA3_FINGERPRINT"] = OperatorKind.Nothing, ["TLS_JA4_FINGERPRINT"] = OperatorKind.Nothing,
        ["UPSTREAM_HOSTS_ATTEMPTED"] = OperatorKind.UpstreamsAttempted, ["UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT"] = OperatorKind.UpstreamsAttemptedAddress,
        ["UPSTREAM_HOST_NAMES_ATTEMPTED"] = OperatorKind.UpstreamNamesAttempted, ["UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT"] = OperatorKind.UpstreamNamesAttemptedAddress,
        ["PATH"] = OperatorKind.Path, ["METADATA"] = OperatorKind.DynamicMetadata, ["QUERY_PARAMS"] = OperatorKind.QueryParameters,
        ["REQUEST_HEADER"] = OperatorKind.RequestHeader, ["RESPONSE_HEADER"] = OperatorKind.ResponseHeader, ["RESPONSE_TRAILER"] = OperatorKind.ResponseTrailer,
        ["TYPED_CEL"] = OperatorKind.TypedExpression, ["UPSTREAM_DETECTED_CLOSE_TYPE"] = OperatorKind.CloseType, ["DOWNSTREAM_DETECTED_CLOSE_TYPE"] = OperatorKind.CloseType,
        ["DOWNSTREAM_LOCAL_CLOSE_REASON"] = OperatorKind.Nothing, ["UPSTREAM_LOCAL_CLOSE_REASON"] = OperatorKind.Nothing,
        ["BYTES_RETRANSMITTED"] = OperatorKind.Nothing, ["PACKETS_RETRANSMITTED"] = OperatorKind.Nothing, ["ROUNDTRIP_DURATION"] = OperatorKind.Nothing,
        ["DOWNSTREAM_HANDSHAKE_DURATION"] = OperatorKind.Nothing, ["UPSTREAM_CONNECTION_IDS_ATTEMPTED"] = OperatorKind.Nothing,
        ["UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID"] = OperatorKind.Nothing, ["DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID"] = OperatorKind.Nothing, ["DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID"] = OperatorKind.Nothing,
        ["UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT"] = OperatorKind.RequestHeadersBytes, ["UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED"] = OperatorKind.ResponseHeadersBytes,
        ["DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT"] = OperatorKind.ResponseHeadersBytes, ["DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED"] = OperatorKind.RequestHeadersBytes,
        ["DOWNSTREAM_PEER_IP_SAN"] = OperatorKind.Nothing, ["DOWNSTREAM_LOCAL_IP_SAN"] = OperatorKind.Nothing, ["DOWNSTREAM_PEER_EMAIL_SAN"] = OperatorKind.Nothing,
        ["DOWNSTREAM_LOCAL_EMAIL_SAN"] = OperatorKind.Nothing, ["DOWNSTREAM_PEER_OTHERNAME_SAN"] = OperatorKind.Nothing, ["DOWNSTREAM_LOCAL_OTHERNAME_SAN"] = OperatorKind.Nothing,
        ["DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256"] = OperatorKind.Nothing, ["DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1"] = OperatorKind.Nothing,
        ["DOWNSTREAM_PEER_CHAIN_SERIALS"] = OperatorKind.Nothing, ["UPSTREAM_PEER_IP_SAN"] = OperatorKind.Nothing, ["UPSTREAM_LOCAL_DNS_SAN"] = OperatorKind.Nothing,
        ["UPSTREAM_LOCAL_IP_SAN"] = OperatorKind.Nothing,
    };

    private static readonly SearchValues<char> NameChars = SearchValues.Create("!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Operators that mean nothing without an argument.</summary>
    private static readonly FrozenSet<string> NeedsArguments = FrozenSet.ToFrozenSet(
    [
        "REQ", "RESP", "TRAILER", "REQUEST_HEADER", "RESPONSE_HEADER", "RESPONSE_TRAILER", "REQ_WITHOUT_QUERY", "QUERY_PARAM", "ENVIRONMENT", "DYNAMIC_METADATA", "CLUSTER_METADATA",
        "UPSTREAM_METADATA", "METADATA", "FILTER_STATE", "UPSTREAM_FILTER_STATE", "CEL", "TYPED_CEL", "COMMON_DURATION",
    ]);

    /// <summary>Operators that take one or not; those of all others must be empty.</summary>
    private static readonly FrozenSet<string> TakesArguments = FrozenSet.ToFrozenSet(
    [
        "START_TIME", "START_TIME_LOCAL", "EMIT_TIME", "EMIT_TIME_LOCAL", "PATH", "QUERY_PARAMS", "GRPC_STATUS", "REQUESTED_SERVER_NAME", "RESPONSE_CODE_DETAILS",
        "DOWNSTREAM_PEER_CERT_V_START", "DOWNSTREAM_PEER_CERT_V_END", "UPSTREAM_PEER_CERT_V_START", "UPSTREAM_PEER_CERT_V_END", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    ]);

    /// <summary>Operators whose value may be cut by ":length".</summary>
    private static readonly FrozenSet<string> TakesLength = FrozenSet.ToFrozenSet(
    [
        "REQ", "RESP", "TRAILER", "REQUEST_HEADER", "RESPONSE_HEADER", "RESPONSE_TRAILER", "REQ_WITHOUT_QUERY", "QUERY_PARAM", "QUERY_PARAMS", "PATH", "ENVIRONMENT", "DYNAMIC_METADATA", "METADATA",
        "FILTER_STATE", "UPSTREAM_FILTER_STATE", "CEL", "TYPED_CEL",
    ]);

    /// <summary>What the parts of an argument may be, where they are words of a list; an empty part is the first of them.</summary>
    private static readonly Dictionary<string, string[][]> Words = new(StringComparer.Ordinal)
    {
        ["GRPC_STATUS"] = [["CAMEL_STRING", "SNAKE_STRING", "NUMBER"]],
        ["PATH"] = [["WQ", "NQ"], ["ORIG_OR_PATH", "ORIG", "PATH"]],
        ["QUERY_PARAMS"] = [["ORIG", "DECODED"]],
        ["REQUESTED_SERVER_NAME"] = [["SNI_ONLY", "SNI_FIRST", "HOST_FIRST"], ["ORIG_OR_HOST", "ORIG", "HOST"]],
        ["METADATA"] = [["DYNAMIC", "CLUSTER", "ROUTE", "UPSTREAM_HOST", "LISTENER", "VIRTUAL_HOST", "LISTENER_FILTER_CHAIN"]],
    };

    /// <param name="text">Between the percent signs: NAME, NAME(arguments), either with ":length" behind.</param>
    public static Operator Parse(string text)
    {
        var open = text.IndexOf('(', StringComparison.Ordinal);
        var close = text.LastIndexOf(')');
        var hasArguments = open >= 0 && close > open;
        var tail = hasArguments ? text[(close + 1)..] : text.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? text[colon..] : "";
        var name = open >= 0 ? text[..open] : tail.Length > 0 ? text[..^tail.Length] : text;
        if (open >= 0 && !hasArguments || !Kinds.TryGetValue(name, out var kind)) throw new ConfigRefusedException($"operator %{text}% is not known");

        var lengthMax = LengthOf(text, name, tail);
        var inside = hasArguments ? text[(open + 1)..close] : "";
        if (inside.Length == 0 && NeedsArguments.Contains(name)) throw new ConfigRefusedException($"operator %{text}% wants an argument in parentheses");
        if (inside.Length > 0 && !NeedsArguments.Contains(name) && !TakesArguments.Contains(name)) throw new ConfigRefusedException($"operator %{text}% takes no argument");

        var arguments = inside.Length > 0 ? inside.Split(':') : [];
        CheckWords(text, name, arguments);
        switch (kind)
        {
            case OperatorKind.GrpcStatus when inside == "NUMBER": return new(OperatorKind.GrpcStatusNumber);
            case OperatorKind.RequestHeader or OperatorKind.ResponseHeader or OperatorKind.ResponseTrailer or OperatorKind.PathWithoutQuery: return Headers(text, kind, inside, lengthMax);
            case OperatorKind.StartTime or OperatorKind.EmitTime or OperatorKind.PeerCertStart or OperatorKind.PeerCertEnd or OperatorKind.UpstreamPeerCertStart or OperatorKind.UpstreamPeerCertEnd:
                if (inside.Contains("%n", StringComparison.Ordinal)) throw new ConfigRefusedException($"operator %{text}%: a time with a line end in it");
                return new(kind) { Time = inside.Length > 0 ? new(inside) : TimeFormat.Iso };
            case OperatorKind.DynamicMetadata when name == "METADATA": return Metadata(arguments, lengthMax);
            case OperatorKind.Expression or OperatorKind.TypedExpression: return new(kind) { LengthMax = lengthMax, Expression = Observe.Expression.Parse(inside) };
            case OperatorKind.CommonDuration when arguments is not ([_, _] or [_, _, "ms" or "us" or "ns"]):
                throw new ConfigRefusedException($"operator %{text}%: two points and perhaps ms, us or ns are wanted");
            case OperatorKind.FilterState when arguments is not ([_] or [_, "PLAIN" or "TYPED"] or [_, "FIELD", _]):
                throw new ConfigRefusedException($"operator %{text}%: behind the name PLAIN, TYPED or FIELD:name is wanted");
            default: return new(kind) { LengthMax = lengthMax, Arguments = arguments };
        }
    }

    private static int? LengthOf(string text, string name, string tail)
    {
        if (tail.Length == 0) return null;
        if (!TakesLength.Contains(name) || tail.Length == 1 || tail[0] != ':' || tail.AsSpan(1).ContainsAnyExceptInRange('0', '9'))
            throw new ConfigRefusedException($"operator %{text}%: '{tail}' is not a length, or there can be none");
        return int.TryParse(tail.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var length) ? length : null;
    }

    private static void CheckWords(string text, string name, string[] arguments)
    {
        if (!Words.TryGetValue(name, out var words)) return;
        for (var i = 0; i < Math.Min(words.Length, arguments.Length); i++)
            if (arguments[i].Length > 0 && !words[i].Contains(arguments[i]))
                throw new ConfigRefusedException($"operator %{text}%: '{arguments[i]}' is none of {string.Join(", ", words[i])}");
    }

    private static Operator Headers(string text, OperatorKind kind, string names, int? lengthMax)
    {
        var parts = names.Split('?');
        if (parts.Length > 2 || parts.Any(name => name.AsSpan(name.StartsWith(':') ? 1 : 0).ContainsAnyExcept(NameChars)))
            throw new ConfigRefusedException($"operator %{text}%: a header name, or two with ? between, is wanted");

        var (first, second) = (parts[0], parts.Length > 1 ? parts[1] : "");
        return new(kind)
        {
            LengthMax = lengthMax,
            Header = HeaderName.TryParse(first),
            Pseudo = first.StartsWith(':') ? Encoding.ASCII.GetBytes(first.ToLowerInvariant()) : [],
            OtherHeader = HeaderName.TryParse(second),
            OtherPseudo = second.StartsWith(':') ? Encoding.ASCII.GetBytes(second.ToLowerInvariant()) : [],
        };
    }

    // %METADATA(TYPE:filter:key…)% names its source in front.
    private static Operator Metadata(string[] parts, int? lengthMax) =>
        new(parts[0] switch
        {
            "ROUTE" => OperatorKind.RouteMetadata,
            "CLUSTER" => OperatorKind.ClusterMetadata,
            "UPSTREAM_HOST" => OperatorKind.UpstreamMetadata,
            "DYNAMIC" or "" => OperatorKind.DynamicMetadata,
            _ => OperatorKind.Nothing,
        }) { LengthMax = lengthMax, Arguments = parts[1..] };
}
