using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Observe;

/// <summary>The attributes that expressions may ask for, by their dotted names.</summary>
internal static class ExpressionAttributes
{
    /// <param name="key">What stood in brackets behind the path; null for none.</param>
    public static ExpressionValue Read(in FormatSource source, string path, string? key)
    {
        if (path.StartsWith("request.", StringComparison.Ordinal)) return source.Exchange is { } x ? Request(source, x, path["request.".Length..], key) : ExpressionValue.Error;
        if (path.StartsWith("response.", StringComparison.Ordinal)) return source.Exchange is { } y ? Response(source, y, path["response.".Length..], key) : ExpressionValue.Error;
        if (path.StartsWith("metadata.", StringComparison.Ordinal)) return source.Exchange is { } z ? Metadata(z, path["metadata.".Length..], key) : ExpressionValue.Error;
        return path switch
        {
            "source.address" => Of(source.Exchange?.Source ?? source.Client.Source),
            "source.port" => ExpressionValue.Of((source.Exchange?.Source ?? source.Client.Source).Port),
            "destination.address" => Of(source.Client.Destination),
            "destination.port" => ExpressionValue.Of(source.Client.Destination.Port),
            "connection.mtls" => ExpressionValue.Of(source.Client.IsMutualTls),
            "connection.id" => ExpressionValue.Of(source.Client.Id),
            "connection.requested_server_name" => Present(source.Client.ServerName),
            "connection.tls_version" => Present(source.Client.TlsVersion),
            "connection.subject_peer_certificate" => Present(source.Client.Peer?.Subject),
            "connection.uri_san_peer_certificate" => Present(source.Client.Peer?.SpiffeId),
            "connection.uri_san_local_certificate" => Present(source.Client.LocalUri),
            "connection.dns_san_peer_certificate" => Present(source.Client.Peer?.DnsNames.FirstOrDefault()),
            "connection.sha256_peer_certificate_digest" => Present(source.Client.Peer?.Sha256),
            "connection.termination_details" => Present(source.Client.TerminationDetails),
            "upstream.address" => Of(source.Exchange is null ? source.Connection!.UpstreamRemote : source.Exchange.UpstreamRemote),
            "upstream.local_address" => Of(source.Exchange is null ? source.Connection!.UpstreamLocal : source.Exchange.UpstreamLocal),
            "upstream.port" => (source.Exchange is null ? source.Connection!.UpstreamRemote : source.Exchange.UpstreamRemote) is { } remote ? ExpressionValue.Of(remote.Port) : ExpressionValue.Error,
            "upstream.transport_failure_reason" => Present(source.Exchange is null ? source.Connection!.UpstreamFailure : source.Exchange.UpstreamFailure),
            "upstream.uri_san_peer_certificate" => Present((source.Exchange is null ? source.Connection!.UpstreamPeer : source.Exchange.UpstreamPeer)?.SpiffeId),
            "upstream.request_attempt_count" => ExpressionValue.Of(source.Exchange?.Attempt ?? source.Connection!.ConnectAttempts),
            "xds.cluster_name" => Present(source.Exchange is null ? source.Connection!.UpstreamCluster : source.Exchange.Cluster?.Config.Name),
            "xds.route_name" => Present(source.Exchange?.Route?.Name),
            "xds.virtual_host_name" => Present(source.Exchange?.VirtualHost?.Name),
            "xds.filter_chain_name" => Present(source.Client.Chain?.Name),
            "xds.listener_direction" => ExpressionValue.Of((int)source.Client.Listener.Direction),
            "xds.cluster_metadata" or "xds.route_metadata" or "xds.upstream_host_metadata" => ExpressionValue.Error,
            "filter_state" => ExpressionValue.Of(key is null ? null : source.Exchange?.GetFilterState(key)),
            "node.id" => ExpressionValue.Of(source.Worker.Node.Id),
            _ => ExpressionValue.Error,
        };
    }

    private static ExpressionValue Request(in FormatSource source, Exchange exchange, string name, string? key)
    {
        var request = exchange.Request;
        return name switch
        {
            "path" => Of(request.Path),
            "url_path" => Of(request.PathOnly),
            "query" => Of(request.Query.Length > 0 ? request.Query[1..] : default),
            "host" => Of(request.Authority),
            "scheme" => ExpressionValue.Of(request.Scheme == HttpScheme.Https ? "https" : "http"),
            "method" => Of(request.MethodName),
            "protocol" => Of(FormatSource.NameOf(request.Version)),
            "referer" => Header(request.Headers, "referer"),
            "useragent" => Header(request.Headers, "user-agent"),
            "id" => Header(request.Headers, "x-request-id"),
            "headers" => key is null ? ExpressionValue.Error : key[..Math.Min(1, key.Length)] == ":" ? Of(FormatSource.Pseudo(request, Encoding.ASCII.GetBytes(key))) : Header(request.Headers, key),
            "size" => ExpressionValue.Of(exchange.RequestBytes),
            "total_size" => ExpressionValue.Of(exchange.RequestBytes + exchange.RequestHeadBytes),
            "duration" => ExpressionValue.Of(source.Elapsed(source.StartedAt, source.EndedAt).TotalSeconds),
            "time" => ExpressionValue.Of(exchange.StartedUtc.ToUnixTimeMilliseconds() / 1000.0),
            _ when name.StartsWith("headers.", StringComparison.Ordinal) => Header(request.Headers, name["headers.".Length..]),
            _ => ExpressionValue.Error,
        };
    }

    private static ExpressionValue Response(in FormatSource source, Exchange exchange, string name, string? key) => name switch
    {
        "code" => exchange.Status == 0 ? ExpressionValue.Error : ExpressionValue.Of(exchange.Status),
        "code_details" => Present(exchange.Details),
        "flags" => ExpressionValue.Of(Bits(exchange.Flags)),
        "grpc_status" => exchange.GrpcStatus >= 0 ? ExpressionValue.Of(exchange.GrpcStatus) : ExpressionValue.Error,
        "headers" => key is null ? ExpressionValue.Error : Header(exchange.Response.Headers, key),
        "trailers" => key is null ? ExpressionValue.Error : Header(exchange.ResponseTrailers, key),
        "size" => ExpressionValue.Of(exchange.ResponseBytes),
        "total_size" => ExpressionValue.Of(exchange.ResponseBytes + exchange.ResponseHeadBytes),
        "backend_latency" => exchange is { UpstreamStartedAt: > 0, UpstreamFirstByteAt: > 0 }
            ? ExpressionValue.Of(source.Elapsed(exchange.UpstreamStartedAt, exchange.UpstreamFirstByteAt).TotalSeconds)
            : ExpressionValue.Error,
        _ when name.StartsWith("headers.", StringComparison.Ordinal) => Header(exchange.Response.Headers, name["headers.".Length..]),
        _ => ExpressionValue.Error,
    };

    // metadata.filter_metadata['filter']['key']: dots inside a quoted name were set aside by the parser.
    private static ExpressionValue Metadata(Exchange exchange, string path, string? key)
    {
        var parts = path.Split('.').Select(part => part.Replace('\u0001', '.')).ToList();
        if (key is not null) parts.Add(key);
        if (parts.Count < 3 || parts[0] != "filter_metadata") return ExpressionValue.Error;

        var value = exchange.GetMetadata(parts[1], parts[2]);
        foreach (var part in parts.Skip(3)) value = value?[part];
        return value switch
        {
            { Text: { } text } => ExpressionValue.Of(text),
            { Number: { } number } => ExpressionValue.Of(number),
            { Flag: { } flag } => ExpressionValue.Of(flag),
            _ => ExpressionValue.Error,
        };
    }

    // Bit n is the n-th flag of Envoy's list, which is the order of our own enum.
    private static double Bits(ResponseFlags flags)
    {
        ulong bits = 0;
        for (var rest = flags.Packed; rest != 0; rest >>= 8) bits |= 1UL << (int)((rest & 0xFF) - 1);
        return bits;
    }

    private static ExpressionValue Header(Headers headers, string name) =>
        HeaderName.TryParse(name) is { } parsed ? ExpressionValue.Of(headers.GetJoined(parsed)) : ExpressionValue.Error;

    private static ExpressionValue Of(ReadOnlySpan<byte> bytes) => ExpressionValue.Of(Encoding.UTF8.GetString(bytes));

    private static ExpressionValue Of(IPEndPoint? endPoint) => ExpressionValue.Of(endPoint?.ToString());

    private static ExpressionValue Present(string? text) => ExpressionValue.Of(string.IsNullOrEmpty(text) ? null : text);
}
