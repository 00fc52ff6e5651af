using System.Globalization;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

internal enum SpanKind { Server, Client }

/// <summary>A finished span, with Envoy's names for what it tells. Made for spans that are reported only.</summary>
internal sealed record SpanRecord(TracingSettings Settings, Worker Worker, Span Trace, ulong Id, ulong ParentId, SpanKind Kind, string Name, DateTimeOffset Started, TimeSpan Duration)
{
    /// <summary>Each name once; what is set later wins.</summary>
    public List<KeyValuePair<string, string>> Tags { get; } = [];

    public bool IsError { get; private set; }

    /// <summary>The call to the upstream as a span of its own, where the tracer wants that.</summary>
    public SpanRecord? UpstreamCall { get; private set; }

    public static SpanRecord Of(Exchange exchange, TracingSettings tracing, Span span)
    {
        var source = new FormatSource(exchange);
        var isServer = exchange.Client.IsInbound || tracing.SpawnUpstreamSpan;
        var name = exchange.Route?.DecoratorOperation is { Length: > 0 } decorated ? decorated : exchange.Client.IsInbound ? "ingress" : "egress";
        var record = new SpanRecord(tracing, exchange.Worker, span, span.Id, span.ParentId, isServer ? SpanKind.Server : SpanKind.Client, name,
            exchange.StartedUtc, source.Elapsed(source.StartedAt, source.EndedAt));
        record.AddRequest(exchange, tracing);
        record.AddOutcome(exchange);
        record.AddUpstream(exchange, source);
        record.AddCustom(exchange, source, tracing);
        if (span.UpstreamId != 0 && exchange.UpstreamStartedAt > 0) record.UpstreamCall = record.OfUpstream(exchange, source);
        return record;
    }

    private SpanRecord OfUpstream(Exchange exchange, in FormatSource source)
    {
        var ended = exchange.UpstreamEndedAt > 0 ? exchange.UpstreamEndedAt : source.EndedAt;
        var call = new SpanRecord(Settings, Worker, Trace, Trace.UpstreamId, Trace.Id, SpanKind.Client, $"router {exchange.Cluster?.Config.Name} egress",
            Started + source.Elapsed(source.StartedAt, exchange.UpstreamStartedAt), source.Elapsed(exchange.UpstreamStartedAt, ended));
        call.Set("component", "proxy");
        call.Set("http.protocol", exchange.UpstreamProtocol);
        call.AddOutcome(exchange);
        call.AddUpstream(exchange, source);
        return call;
    }

    private void AddRequest(Exchange exchange, TracingSettings tracing)
    {
        var request = exchange.Request;
        var path = exchange.OriginalPath ?? Latin(request.Path);
        if (path.Length > tracing.PathTagCharsMax) path = path[..(int)tracing.PathTagCharsMax];
        Set("component", "proxy");
        Set("node_id", Worker.Node.Id);
        Set("zone", Worker.Node.Locality.Zone);
        Set("guid:x-request-id", request.Headers.GetText(KnownHeader.XRequestId));
        Set("http.url", $"{(request.Scheme == HttpScheme.Https ? "https" : "http")}://{Latin(request.Authority)}{path}");
        Set("http.method", Latin(request.MethodName));
        Set("downstream_cluster", "-");
        Set("user_agent", request.Headers.GetText(KnownHeader.UserAgent) ?? "-");
        Set("http.protocol", Latin(FormatSource.NameOf(request.Version)));
        Set("peer.address", exchange.Source.Address.ToString());
        Set("request_size", exchange.RequestBytes.ToString(CultureInfo.InvariantCulture));
        Set("response_size", exchange.ResponseBytes.ToString(CultureInfo.InvariantCulture));
    }

    private void AddOutcome(Exchange exchange)
    {
        Set("response_flags", exchange.Flags.ToString());
        Set("http.status_code", exchange.Status.ToString(CultureInfo.InvariantCulture));
        if (exchange.GrpcStatus >= 0) Set("grpc.status_code", exchange.GrpcStatus.ToString(CultureInfo.InvariantCulture));
        IsError = exchange.Status >= 500 || exchange.Status == 0 || exchange.GrpcStatus is 1 or 2 or 4 or 8 or 12 or 13 or 14 or 15;
        if (IsError) Set("error", "true");
    }

    private void AddUpstream(Exchange exchange, in FormatSource source)
    {
        if (exchange.Cluster is { } cluster)
        {
            Set("upstream_cluster", cluster.Config.Name);
            Set("upstream_cluster.name", source.ClusterAlias);
        }
        if (exchange.Endpoint is { } endpoint) Set("upstream_address", endpoint.Endpoint.Address.ToString());
    }

    private void AddCustom(Exchange exchange, in FormatSource source, TracingSettings tracing)
    {
        foreach (var tag in tracing.Tags) AddCustom(exchange, source, tag);
        foreach (var tag in exchange.Route?.Tracing?.Tags ?? []) AddCustom(exchange, source, tag);
    }

    private void AddCustom(Exchange exchange, in FormatSource source, TraceTag tag)
    {
        var value = tag.Kind switch
        {
            TraceTagKind.Literal => tag.Value,
            TraceTagKind.Environment => Worker.Node.Environment.GetValueOrDefault(tag.Value) ?? tag.Default,
            TraceTagKind.RequestHeader => exchange.Request.Headers.GetText(tag.Value) ?? tag.Default,
            TraceTagKind.Metadata when tag.Value.Split(':') is [var filter, var key, ..] => exchange.GetMetadata(filter, key)?.Text ?? tag.Default,
            TraceTagKind.Formatter => LineFormat.Of(tag.Format).ToText(source),
            _ => tag.Default,
        };
        Set(tag.Tag, value);
    }

    private void Set(string name, string? value)
    {
        if (string.IsNullOrEmpty(value)) return;

        var at = Tags.FindIndex(tag => tag.Key == name);
        if (at >= 0) Tags[at] = KeyValuePair.Create(name, value);
        else Tags.Add(KeyValuePair.Create(name, value));
    }

    private static string Latin(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
