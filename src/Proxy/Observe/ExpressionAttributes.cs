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
            "connection.requested_server_name" => ExpressionValue.Of(source.Client.ServerName),
            "connection.tls_version" => Present(source.Client.TlsVersion),
            "connection.subject_peer_certificate" => ExpressionValue.Of(source.Client.Peer?.Subject),
            "connection.uri_san_peer_certificate" => Present(source.Client.Peer?.SpiffeId),
            "connection.uri_san_local_certificate" => Present(source.Client.LocalUri),
            "connection.dns_san_peer_certificate" => Present(source.Client.Peer?.DnsNames.FirstOrDefault()),
            "connection.sha256_peer_certificate_digest" => Present(source.Client.Peer?.Sha256),
            "connection.termination_details" => Present(source.Client.TerminationDetails),
            "upstream.address" => Of(source.Exchange is null ? source.Connection!.UpstreamRemote : source.Exchange.UpstreamRemote),
            "upstream.local_address" => Of(source.Exchange is null ? source.Connection!.UpstreamLocal : source.Exchange.UpstreamLocal),
            "upstream.port" => (source.Exchange is null ? source.Connection!.UpstreamRemote : source.Exchange.UpstreamRemote) is { } remote ? ExpressionValue.Of(remote.Port) : ExpressionValue.Error,
            "upstream.transport_failure_reason" => ExpressionValue.Of((source.Exchange is null ? source.Connection!.UpstreamFailure : source.Exchange.UpstreamFailure) ?? ""),
            "upstream.uri_san_peer_certificate" => Present((source.Exchange is null ? source.Connection!.UpstreamPeer : source.Exchange.UpstreamPeer)?.SpiffeId),
            "upstream.request_attempt_count" => ExpressionValue.Of(source.Exchange?.Attempt ?? source.Connection!.ConnectAttempts),
            "xds.cluster_name" => Present(source.Exchange is null ? source.Connection!.UpstreamCluster : source.Exchange.Cluster?.Config.Name),
            "xds.route_name" => ExpressionValue.Of(source.Exchange?.Route?.Name ?? ""),
            "xds.virtual_host_name" => Present(source.Exchange?.VirtualHost?.Name),
            "xds.filter_chain_name" => ExpressionValue.Of(source.Client.Chain?.Name ?? ""),
            "xds.listener_direction" => ExpressionValue.Of((int)source.Client.Listener.Direction),
            _ when path.StartsWith("xds.", StringComparison.Ordinal) && path.Contains("_metadata.filter_metadata.", StringComparison.Ordinal) => OfXds(source, path, key),
            _ when path.StartsWith("upstream_peer.", StringComparison.Ordinal) => OfPeer(source.Exchange is { } up ? up.UpstreamLabels ?? Upstream.ServiceLabels.OfEndpoint(up.Endpoint?.Endpoint) : source.Connection!.UpstreamLabels, path, key),
            _ when path.StartsWith("downstream_peer.", StringComparison.Ordinal) => OfPeer(source.Exchange is { } down ? down.DownstreamLabels : source.Client.PeerLabels, path, key),
            "node.cluster" => ExpressionValue.Of(source.Worker.Node.Cluster),
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
            "headers" => key is null ? ExpressionValue.Error : key.Equals("host", StringComparison.OrdinalIgnoreCase) ? Of(request.Authority) : key[..Math.Min(1, key.Length)] == ":" ? Of(FormatSource.Pseudo(request, Encoding.ASCII.GetBytes(key))) : Header(request.Headers, key),
            "size" => ExpressionValue.Of(exchange.RequestBytes),
            "total_size" => ExpressionValue.Of(exchange.RequestBytes + source.RequestHeadBytes),
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
        "grpc_status" => exchange.GrpcStatus >= 0 ? ExpressionValue.Of(exchange.GrpcStatus) : exchange.Status > 0 ? ExpressionValue.Of(Failures.GrpcStatusOf(exchange.Status)) : ExpressionValue.Error,
        "headers" => key is null ? ExpressionValue.Error : Header(exchange.Response.Headers, key),
        "trailers" => key is null ? ExpressionValue.Error : Header(exchange.ResponseTrailers, key),
        "size" => ExpressionValue.Of(exchange.ResponseBytes),
        "total_size" => ExpressionValue.Of(exchange.ResponseBytes + source.ResponseHeadBytes),
        "backend_latency" => exchange is { UpstreamStartedAt: > 0, UpstreamFirstByteAt: > 0 }
            ? ExpressionValue.Of(source.Elapsed(exchange.UpstreamStartedAt, exchange.UpstreamFirstByteAt).TotalSeconds)
            : ExpressionValue.Error,
        _ when name.StartsWith("headers.", StringComparison.Ordinal) => Header(exchange.Response.Headers, name["headers.".Length..]),
        _ => ExpressionValue.Error,
    };

    /// <summary>Whether the name is among these headers; an error where the path is no set of headers.</summary>
    public static ExpressionValue Contains(in FormatSource source, string path, string name)
    {
        var headers = path switch
        {
            "request.headers" => source.Exchange?.Request.Headers,
            "response.headers" => source.Exchange?.Response.Headers,
            "response.trailers" => source.Exchange?.ResponseTrailers,
            _ => null,
        };
        if (headers is null) return ExpressionValue.Error;
        if (name.StartsWith(':')) return ExpressionValue.Of(path == "request.headers");
        return ExpressionValue.Of(name is "host" && path == "request.headers" || HeaderName.TryParse(name) is { } parsed && headers.Has(parsed));
    }

    // xds.cluster_metadata.filter_metadata.istio.services[0].name
    private static ExpressionValue OfXds(in FormatSource source, string path, string? key)
    {
        var metadata = path.Split('.')[1] switch
        {
            "cluster_metadata" => source.ClusterMetadata,
            "upstream_host_metadata" => source.UpstreamEndpoint?.Metadata,
            "route_metadata" => source.Exchange?.Route?.Metadata,
            _ => null,
        };
        var parts = path.Split('.').Skip(3).Select(part => part.Replace('\u0001', '.')).ToList();
        if (key is not null) parts.Add(key);
        if (metadata is null || parts.Count == 0 || !metadata.ByFilter.TryGetValue(parts[0], out var root)) return ExpressionValue.Error;
        MetadataValue? value = root;
        foreach (var part in parts.Skip(1))
            value = value?.Items is { } items ? int.TryParse(part, out var at) && at < items.Length ? items[at] : null : value?[part];
        return Of(value);
    }

    private static ExpressionValue OfPeer(WorkloadLabels? peer, string path, string? key)
    {
        if (peer is null) return ExpressionValue.Error;
        var name = path[(path.IndexOf('.', StringComparison.Ordinal) + 1)..];
        return (name == "labels" ? key : name) switch
        {
            "workload" or "name" => ExpressionValue.Of(peer.Workload),
            "namespace" => ExpressionValue.Of(peer.Namespace),
            "service" or "canonical_name" => ExpressionValue.Of(peer.CanonicalService),
            "revision" or "canonical_revision" => ExpressionValue.Of(peer.CanonicalRevision),
            "app" => ExpressionValue.Of(peer.App),
            "version" => ExpressionValue.Of(peer.Version),
            "cluster" or "cluster_id" => ExpressionValue.Of(peer.Cluster),
            _ => ExpressionValue.Error,
        };
    }

    private static ExpressionValue Of(MetadataValue? value) => value switch
    {
        { Text: { } text } => ExpressionValue.Of(text),
        { Number: { } number } => ExpressionValue.Of(number),
        { Flag: { } flag } => ExpressionValue.Of(flag),
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
        return Of(value);
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
