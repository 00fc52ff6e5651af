using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

/// <summary>Where operators read from: a request, or a TCP connection. Reading allocates nothing.</summary>
internal readonly ref struct FormatSource
{
    public FormatSource(Exchange exchange, ReadOnlySpan<byte> localReplyBody = default)
    {
        (Exchange, Client, Worker) = (exchange, exchange.Client, exchange.Worker);
        LocalReplyBody = localReplyBody;
    }

    public FormatSource(ClientConnection client, TcpRecord record, Worker worker) => (Client, Connection, Worker) = (client, record, worker);

    /// <summary>Null for a TCP connection.</summary>
    public Exchange? Exchange { get; }
    public ClientConnection Client { get; }
    public TcpRecord? Connection { get; }
    public Worker Worker { get; }
    public ReadOnlySpan<byte> LocalReplyBody { get; }

    public Endpoint? UpstreamEndpoint => Exchange is null ? Connection!.UpstreamEndpoint : Exchange.Endpoint?.Endpoint;
    private IPEndPoint? UpstreamLocal => Exchange is null ? Connection!.UpstreamLocal : Exchange.UpstreamLocal;
    private IPEndPoint? UpstreamRemote => Exchange is null ? Connection!.UpstreamRemote : Exchange.UpstreamRemote;
    private Security.PeerIdentity? UpstreamPeer => Exchange is null ? Connection!.UpstreamPeer : Exchange.UpstreamPeer;
    private Net.Tls.TlsConnection? UpstreamTls => Exchange is null ? Connection!.UpstreamTls : Exchange.UpstreamTls;
    public Metadata? ClusterMetadata => (Exchange is null ? Connection!.UpstreamConfig : Exchange.Cluster?.Config)?.Metadata;
    private IPEndPoint Source => Exchange?.Source ?? Client.Source;

    /// <summary>False when there is no value; what may have been written then is to be taken back.</summary>
    public bool TryWrite(ref ByteLine line, Operator op)
    {
        switch (op.Kind)
        {
            case OperatorKind.RequestHeader: return Exchange is not null && (RequestField(ref line, op.Header, op.Pseudo) || RequestField(ref line, op.OtherHeader, op.OtherPseudo));
            case OperatorKind.PathWithoutQuery: return WithoutQuery(ref line, op);
            case OperatorKind.ResponseHeader: return Exchange is not null && (ResponseField(ref line, op.Header, op.Pseudo) || ResponseField(ref line, op.OtherHeader, op.OtherPseudo));
            case OperatorKind.ResponseTrailer: return Exchange is not null && op.Header is not null && Field(ref line, Exchange.ResponseTrailers, op.Header);
            case OperatorKind.Path: return PathOf(ref line, op.Arguments);
            case OperatorKind.QueryParameters: return Exchange is not null && Exchange.Request.Query.Length > 1 && Bytes(ref line, Exchange.Request.Query[1..]);
            case OperatorKind.QueryParameter: return Exchange is not null && op.Arguments.Length > 0 && Query(ref line, op.Arguments[0]);

            case OperatorKind.StartTime: return Instant(ref line, op, StartedUtc);
            case OperatorKind.EmitTime: return Instant(ref line, op, Worker.Loop.Clock.GetUtcNow());
            case OperatorKind.BytesReceived: return Number(ref line, Exchange?.RequestBytes ?? Connection!.BytesReceived);
            case OperatorKind.BytesSent: return Number(ref line, Exchange?.ResponseBytes ?? Connection!.BytesSent);
            case OperatorKind.RequestHeadersBytes: return Number(ref line, RequestHeadBytes);
            case OperatorKind.ResponseHeadersBytes: return Number(ref line, ResponseHeadBytes);
            case OperatorKind.ResponseTrailersBytes: return Number(ref line, Exchange is null ? 0 : BytesOf(Exchange.ResponseTrailers));

            case OperatorKind.Protocol: return Exchange is not null && Bytes(ref line, NameOf(Exchange.Request.Version));
            case OperatorKind.UpstreamProtocol: return Text(ref line, Exchange?.UpstreamProtocol);
            case OperatorKind.ResponseCode: return Number(ref line, Exchange?.Status ?? 0);
            case OperatorKind.ResponseCodeDetails: return Text(ref line, Exchange?.Details ?? Connection!.Details);
            case OperatorKind.ConnectionTerminationDetails: return Text(ref line, Client.TerminationDetails);
            case OperatorKind.ResponseFlags: return Text(ref line, (Exchange?.Flags ?? Connection!.Flags).ToString());
            case OperatorKind.ResponseFlagsLong: return Text(ref line, FlagNames.Long(Exchange?.Flags ?? Connection!.Flags));

            case OperatorKind.Duration: return Milliseconds(ref line, StartedAt, EndedAt);
            case OperatorKind.RequestDuration: return Exchange is not null && Milliseconds(ref line, StartedAt, Exchange.RequestEndedAt);
            case OperatorKind.RequestTxDuration: return Exchange is { UpstreamStartedAt: > 0 } && Milliseconds(ref line, StartedAt, Exchange.RequestEndedAt);
            case OperatorKind.ResponseDuration: return Exchange is not null && Milliseconds(ref line, StartedAt, Exchange.UpstreamFirstByteAt);
            case OperatorKind.ResponseTxDuration: return Exchange is { UpstreamFirstByteAt: > 0 } && Milliseconds(ref line, Exchange.UpstreamFirstByteAt, EndedAt);
            case OperatorKind.UpstreamReadyDuration: return Milliseconds(ref line, StartedAt, Exchange?.UpstreamStartedAt ?? Connection!.UpstreamConnectedAt);
            case OperatorKind.CommonDuration: return CommonDuration(ref line, op);

            case OperatorKind.UpstreamHost: return UpstreamEndpoint is { } endpoint && Target(ref line, endpoint.Address);
            case OperatorKind.UpstreamHostName: return HostNameOf(ref line, UpstreamEndpoint, whole: true);
            case OperatorKind.UpstreamHostNameAddress: return HostNameOf(ref line, UpstreamEndpoint, whole: false);
            case OperatorKind.UpstreamsAttempted: return Attempted(ref line, whole: true);
            case OperatorKind.UpstreamsAttemptedAddress: return Attempted(ref line, whole: false);
            case OperatorKind.UpstreamNamesAttempted: return NamesAttempted(ref line, whole: true);
            case OperatorKind.UpstreamNamesAttemptedAddress: return NamesAttempted(ref line, whole: false);
            case OperatorKind.UpstreamCluster: return Text(ref line, ClusterAlias);
            case OperatorKind.UpstreamClusterRaw: return Text(ref line, Exchange is null ? Connection!.UpstreamCluster : Exchange.Cluster?.Config.Name);
            case OperatorKind.UpstreamAttempts: return Number(ref line, Exchange?.Attempt ?? Connection!.ConnectAttempts);
            case OperatorKind.UpstreamFailure: return Text(ref line, Exchange is null ? Connection!.UpstreamFailure : Exchange.UpstreamFailure);
            case OperatorKind.DownstreamFailure: return Text(ref line, Client.TransportFailure);
            case OperatorKind.UpstreamLocal: return Address(ref line, UpstreamLocal, whole: true);
            case OperatorKind.UpstreamLocalAddress: return Address(ref line, UpstreamLocal, whole: false);
            case OperatorKind.UpstreamLocalPort: return UpstreamLocal is { } local && Number(ref line, local.Port);
            case OperatorKind.UpstreamRemote: return Address(ref line, UpstreamRemote, whole: true);
            case OperatorKind.UpstreamRemoteAddress: return Address(ref line, UpstreamRemote, whole: false);
            case OperatorKind.UpstreamRemotePort: return UpstreamRemote is { } remote && Number(ref line, remote.Port);
            case OperatorKind.DownstreamRemote: return Address(ref line, Source, whole: true);
            case OperatorKind.DownstreamRemoteAddress: return Address(ref line, Source, whole: false);
            case OperatorKind.DownstreamRemotePort: return Number(ref line, Source.Port);
            case OperatorKind.DownstreamDirectRemote: return Address(ref line, Client.DirectSource, whole: true);
            case OperatorKind.DownstreamDirectRemoteAddress: return Address(ref line, Client.DirectSource, whole: false);
            case OperatorKind.DownstreamDirectRemotePort: return Number(ref line, Client.DirectSource.Port);
            case OperatorKind.DownstreamLocal: return Address(ref line, Client.Destination, whole: true);
            case OperatorKind.DownstreamLocalAddress: return Address(ref line, Client.Destination, whole: false);
            case OperatorKind.DownstreamLocalPort: return Number(ref line, Client.Destination.Port);
            case OperatorKind.DownstreamDirectLocal: return Address(ref line, Client.LocalSocket, whole: true);
            case OperatorKind.DownstreamDirectLocalAddress: return Address(ref line, Client.LocalSocket, whole: false);
            case OperatorKind.DownstreamDirectLocalPort: return Number(ref line, Client.LocalSocket.Port);

            case OperatorKind.ConnectionId: return Number(ref line, Client.Id);
            case OperatorKind.StreamId or OperatorKind.UniqueId: return Number(ref line, Exchange?.StreamId ?? Client.Id);
            case OperatorKind.RouteName: return Text(ref line, Exchange?.Route?.Name);
            case OperatorKind.ServerName: return ServerName(ref line, op.Arguments);
            case OperatorKind.FilterChainName: return Text(ref line, Client.Chain?.Name);
            case OperatorKind.HostName: return Text(ref line, Worker.Node.Environment.GetValueOrDefault("HOSTNAME"));
            case OperatorKind.Environment: return op.Arguments.Length > 0 && Text(ref line, Worker.Node.Environment.GetValueOrDefault(op.Arguments[0]) ?? "-");

            case OperatorKind.DynamicMetadata or OperatorKind.ClusterMetadata or OperatorKind.UpstreamMetadata or OperatorKind.RouteMetadata:
                return ValueOf(op) is { } metadata && JsonLine.TryWritePlain(ref line, metadata);
            case OperatorKind.FilterState: return op.Arguments.Length > 0 && Text(ref line, Exchange?.GetFilterState(op.Arguments[0]));

            case OperatorKind.GrpcStatus: return Exchange is { GrpcStatus: >= 0 } && Bytes(ref line, FlagNames.Grpc(Exchange.GrpcStatus, op.Arguments.Length > 0 ? op.Arguments[0] : ""));
            case OperatorKind.GrpcStatusNumber: return Exchange is { GrpcStatus: >= 0 } && Number(ref line, Exchange.GrpcStatus);

            case OperatorKind.TlsVersion: return Text(ref line, Client.TlsVersion);
            case OperatorKind.TlsCipher: return Text(ref line, Client.CipherSuite);
            case OperatorKind.LocalUriSan: return Text(ref line, Client.LocalUri);
            case OperatorKind.PeerUriSan: return Joined(ref line, Client.Peer?.Uris);
            case OperatorKind.PeerDnsSan: return Joined(ref line, Client.Peer?.DnsNames);
            case OperatorKind.PeerSubject: return Text(ref line, Client.Peer?.Subject);
            case OperatorKind.PeerIssuer: return Text(ref line, Client.Peer?.Issuer);
            case OperatorKind.PeerSerial: return Text(ref line, Client.Peer?.Serial);
            case OperatorKind.PeerFingerprint: return Text(ref line, Client.Peer?.Sha256);
            case OperatorKind.PeerCertStart: return Instant(ref line, op, Client.Peer?.NotBefore);
            case OperatorKind.PeerCertEnd: return Instant(ref line, op, Client.Peer?.NotAfter);
            case OperatorKind.UpstreamPeerUriSan: return Joined(ref line, UpstreamPeer?.Uris);
            case OperatorKind.UpstreamPeerSubject: return Text(ref line, UpstreamPeer?.Subject);
            case OperatorKind.UpstreamPeerIssuer: return Text(ref line, UpstreamPeer?.Issuer);

            case OperatorKind.UpstreamPeerDnsSan: return Joined(ref line, UpstreamPeer?.DnsNames);
            case OperatorKind.UpstreamPeerCertStart: return Instant(ref line, op, UpstreamPeer?.NotBefore);
            case OperatorKind.UpstreamPeerCertEnd: return Instant(ref line, op, UpstreamPeer?.NotAfter);
            case OperatorKind.UpstreamLocalUriSan: return UpstreamPeer is { SpiffeId.Length: > 0 } && Text(ref line, Worker.Node.Identity);
            case OperatorKind.UpstreamTlsVersion: return Text(ref line, TlsNames.Of(UpstreamTls?.Version));
            case OperatorKind.UpstreamTlsCipher: return Text(ref line, UpstreamTls?.CipherSuite);
            case OperatorKind.Empty: return true;
            case OperatorKind.CloseType: return Bytes(ref line, "Normal"u8);

            case OperatorKind.TraceId: return (Exchange?.Span as Span)?.WriteTraceId(ref line) ?? false;
            case OperatorKind.SpanId: return (Exchange?.Span as Span)?.WriteSpanId(ref line) ?? false;
            case OperatorKind.AccessLogType: return Bytes(ref line, Exchange is null ? "TcpConnectionEnd"u8 : "DownstreamEnd"u8);
            case OperatorKind.LocalReplyBody: return Bytes(ref line, LocalReplyBody);
            case OperatorKind.Expression or OperatorKind.TypedExpression: return op.Expression!.Evaluate(this) is { IsError: false } value && value.TryWrite(ref line);
            default: return false;
        }
    }

    public string? ClusterAlias
    {
        get
        {
            if (Exchange is null) return Connection!.UpstreamClusterAlias.Length > 0 ? Connection.UpstreamClusterAlias : Connection.UpstreamCluster;
            return Exchange.Cluster?.Config is { } config ? config.AltStatName.Length > 0 ? config.AltStatName : config.Name : null;
        }
    }

    /// <summary>Names and values of the head's fields, as Envoy counts them.</summary>
    public long RequestHeadBytes
    {
        get
        {
            if (Exchange is not { Request: { } request }) return 0;
            var pseudo = ":method:path:authority:scheme".Length + request.MethodName.Length + request.Path.Length + request.Authority.Length + (request.Scheme == HttpScheme.Https ? 5 : 4);
            return pseudo + BytesOf(request.Headers);
        }
    }

    public long ResponseHeadBytes => Exchange is { Status: > 0, Response: { } response } ? ":status200".Length + BytesOf(response.Headers) : 0;

    private static long BytesOf(Headers headers)
    {
        long bytes = 0;
        foreach (var field in headers) bytes += field.Name.Length + field.Value.Length;
        return bytes;
    }

    /// <summary>What a metadata operator asks for; null for none and for operators of other kinds.</summary>
    public MetadataValue? ValueOf(Operator op)
    {
        var path = op.Arguments.AsSpan();
        if (path.IsEmpty) return null;
        if (op.Kind == OperatorKind.DynamicMetadata)
        {
            var found = path.Length > 1 ? Exchange?.GetMetadata(path[0], path[1]) : null;
            return Below(found, path[Math.Min(2, path.Length)..]);
        }
        var metadata = op.Kind switch
        {
            OperatorKind.ClusterMetadata => ClusterMetadata,
            OperatorKind.UpstreamMetadata => UpstreamEndpoint?.Metadata,
            OperatorKind.RouteMetadata => Exchange?.Route?.Metadata,
            _ => null,
        };
        return metadata is not null && metadata.ByFilter.TryGetValue(path[0], out var value) ? Below(value, path[1..]) : null;
    }

    private static MetadataValue? Below(MetadataValue? value, ReadOnlySpan<string> path)
    {
        foreach (var key in path) value = value?[key];
        return value;
    }

    public DateTimeOffset StartedUtc => Exchange?.StartedUtc ?? Connection!.StartedUtc;

    public long StartedAt => Exchange?.StartedAt ?? Client.StartedAt;

    public long EndedAt
    {
        get
        {
            var ended = Exchange?.EndedAt ?? Connection!.EndedAt;
            return ended > 0 ? ended : Worker.Loop.Clock.GetTimestamp();
        }
    }

    public TimeSpan Elapsed(long from, long to) => Worker.Loop.Clock.GetElapsedTime(from, to);

    public static ReadOnlySpan<byte> NameOf(Mesh.Http.HttpVersion version) => version switch
    {
        Mesh.Http.HttpVersion.Http10 => "HTTP/1.0"u8,
        Mesh.Http.HttpVersion.Http2 => "HTTP/2"u8,
        _ => "HTTP/1.1"u8,
    };

    /// <summary>The pseudo-headers of a request; empty for others.</summary>
    public static ReadOnlySpan<byte> Pseudo(RequestHead request, ReadOnlySpan<byte> name)
    {
        if (name.SequenceEqual(":path"u8)) return request.Path;
        if (name.SequenceEqual(":method"u8)) return request.MethodName;
        if (name.SequenceEqual(":authority"u8)) return request.Authority;
        if (name.SequenceEqual(":scheme"u8)) return request.Scheme == HttpScheme.Https ? "https"u8 : "http"u8;
        return default;
    }

    private bool RequestField(ref ByteLine line, HeaderName? name, byte[] pseudo)
    {
        if (pseudo.Length > 0)
        {
            var value = Pseudo(Exchange!.Request, pseudo);
            line.Append(value);
            return value.Length > 0;
        }
        if (name is null) return false;
        if (name.Known != KnownHeader.Host) return Field(ref line, Exchange!.Request.Headers, name);

        line.Append(Exchange!.Request.Authority);
        return Exchange.Request.Authority.Length > 0;
    }

    private bool ResponseField(ref ByteLine line, HeaderName? name, byte[] pseudo)
    {
        if (pseudo.Length > 0) return pseudo.AsSpan().SequenceEqual(":status"u8) && Number(ref line, Exchange!.Response.Status);
        return name is not null && Field(ref line, Exchange!.Response.Headers, name);
    }

    private bool WithoutQuery(ref ByteLine line, Operator op)
    {
        var before = line.Length;
        if (Exchange is null || !(RequestField(ref line, op.Header, op.Pseudo) || RequestField(ref line, op.OtherHeader, op.OtherPseudo))) return false;

        var question = line.Written[before..].IndexOf((byte)'?');
        if (question >= 0) line.CutTo(before + question);
        return true;
    }

    private bool Query(ref ByteLine line, string name)
    {
        if (!QueryString.TryFind(Exchange!.Request.Query, name, out var value)) return false;
        line.Append(value);
        return true;
    }

    private static bool Field(ref ByteLine line, Headers headers, HeaderName name)
    {
        if (!headers.TryGet(name, out var first)) return false;

        line.Append(first);
        var isFirst = true;
        foreach (var value in headers.Values(name))
        {
            if (!isFirst)
            {
                line.Append((byte)',');
                line.Append(value);
            }
            isFirst = false;
        }
        return true;
    }

    /// <summary>%PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH)%: with or without query, as it came or as it was rewritten.</summary>
    private bool PathOf(ref ByteLine line, string[] arguments)
    {
        if (Exchange is null) return false;

        var from = line.Length;
        var which = arguments.Length > 1 ? arguments[1] : "ORIG_OR_PATH";
        if (which != "PATH" && Exchange.Request.Headers.TryGet(KnownHeader.XEnvoyOriginalPath, out var original)) line.Append(original);
        else if (which == "ORIG") return false;
        else line.Append(Exchange.Request.Path);
        var question = line.Written[from..].IndexOf((byte)'?');
        if (question >= 0 && arguments.Length > 0 && arguments[0] == "NQ") line.CutTo(from + question);
        return true;
    }

    /// <summary>SNI_ONLY, or which of SNI and Host is asked first; behind it, which Host: as it came, or as it is.</summary>
    private bool ServerName(ref ByteLine line, string[] arguments)
    {
        var order = arguments.Length > 0 ? arguments[0] : "SNI_ONLY";
        if (order is "SNI_ONLY" or "") return Text(ref line, Client.ServerName);

        var which = arguments.Length > 1 ? arguments[1] : "";
        return order == "SNI_FIRST" ? Text(ref line, Client.ServerName) || Host(ref line, which) : Host(ref line, which) || Text(ref line, Client.ServerName);
    }

    private bool Host(ref ByteLine line, string which)
    {
        if (Exchange is null) return false;
        if (which != "HOST" && Exchange.Request.Headers.TryGet(KnownHeader.XEnvoyOriginalHost, out var original)) return Bytes(ref line, original);

        line.Append(Exchange.Request.Authority);
        return which != "ORIG" && Exchange.Request.Authority.Length > 0;
    }

    private bool HostNameOf(ref ByteLine line, Endpoint? tried, bool whole)
    {
        if (tried is not { } endpoint) return false;
        if (endpoint.Hostname.Length > 0)
        {
            line.Append(endpoint.Hostname);
            return true;
        }
        // Such a cluster has no endpoints of its own: Envoy names what it made up after both.
        if ((Exchange is null ? Connection!.UpstreamConfig : Exchange.Cluster?.Config) is { Discovery: ClusterDiscovery.OriginalDestination } config) line.Append(config.Name);
        return whole || endpoint.Address.Ip is null ? Target(ref line, endpoint.Address) : Address(ref line, endpoint.Address.Ip, whole: false);
    }

    private bool Attempted(ref ByteLine line, bool whole)
    {
        if (Exchange is null) return UpstreamEndpoint is { Address.Ip: { } only } && Address(ref line, only, whole);

        for (var i = 0; i < Exchange.Tried.Count; i++)
        {
            if (i > 0) line.Append((byte)',');
            if (Exchange.Tried[i].Endpoint.Address is { Ip: { } ip }) Address(ref line, ip, whole);
            else line.Append(Exchange.Tried[i].Endpoint.Address.ToString());
        }
        return Exchange.Tried.Count > 0;
    }

    private bool NamesAttempted(ref ByteLine line, bool whole)
    {
        if (Exchange is null) return HostNameOf(ref line, UpstreamEndpoint, whole);

        for (var i = 0; i < Exchange.Tried.Count; i++)
        {
            if (i > 0) line.Append((byte)',');
            HostNameOf(ref line, Exchange.Tried[i].Endpoint, whole);
        }
        return Exchange.Tried.Count > 0;
    }

    private bool CommonDuration(ref ByteLine line, Operator op)
    {
        if (op.Arguments.Length < 2) return false;
        var (from, to) = (Point(op.Arguments[0]), Point(op.Arguments[1]));
        if (from == 0 || to == 0) return false;

        var elapsed = Elapsed(from, to);
        return Number(ref line, (op.Arguments.Length > 2 ? op.Arguments[2] : "ms") switch
        {
            "us" => (long)elapsed.TotalMicroseconds,
            "ns" => (long)elapsed.TotalNanoseconds,
            _ => (long)elapsed.TotalMilliseconds,
        });
    }

    private long Point(string name) => name switch
    {
        "DS_CX_BEG" => Client.StartedAt,
        _ when Exchange is null => 0,
        "DS_RX_BEG" => StartedAt,
        "DS_RX_END" or "US_TX_END" => Exchange?.RequestEndedAt ?? 0,
        "US_TX_BEG" => Exchange?.UpstreamStartedAt ?? 0,
        "US_RX_BEG" => Exchange?.UpstreamFirstByteAt ?? 0,
        "US_RX_END" => Exchange?.UpstreamEndedAt ?? 0,
        "DS_TX_BEG" => Exchange?.ResponseStartedAt ?? 0,
        "DS_TX_END" => EndedAt,
        _ => 0,
    };

    private bool Milliseconds(ref ByteLine line, long from, long to) => from != 0 && to != 0 && Number(ref line, (long)Elapsed(from, to).TotalMilliseconds);

    private bool Address(ref ByteLine line, IPEndPoint? endPoint, bool whole)
    {
        if (endPoint is null) return false;
        if (whole) line.Append(Worker.Addresses.Of(endPoint));
        else line.Append(endPoint.Address);
        return true;
    }

    private bool Target(ref ByteLine line, SocketTarget target)
    {
        if (target.Ip is { } ip) line.Append(Worker.Addresses.Of(ip));
        else line.Append(target.ToString());
        return true;
    }

    private static bool Number(ref ByteLine line, long number)
    {
        line.Append(number);
        return true;
    }

    private static bool Bytes(ref ByteLine line, ReadOnlySpan<byte> bytes)
    {
        line.Append(bytes);
        return true;
    }

    private static bool Text(ref ByteLine line, string? text)
    {
        if (string.IsNullOrEmpty(text)) return false;
        line.Append(text);
        return true;
    }

    private bool Instant(ref ByteLine line, Operator op, DateTimeOffset? at)
    {
        if (at is not { } instant) return false;
        if (ReferenceEquals(op.Time, TimeFormat.Iso)) line.Append(Worker.IsoTime(instant));
        else op.Time!.Write(ref line, instant);
        return true;
    }

    private static bool Joined(ref ByteLine line, System.Collections.Immutable.ImmutableArray<string>? names)
    {
        if (names is not { IsDefaultOrEmpty: false } list) return false;
        for (var i = 0; i < list.Length; i++)
        {
            if (i > 0) line.Append((byte)',');
            line.Append(list[i]);
        }
        return true;
    }
}
