using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

internal enum CollectorProtocol { OtlpGrpc, OtlpHttp, Zipkin }

internal enum Signal { Spans, Logs }

/// <summary>Where spans or log records go, and how they are wrapped for it. Reached through the cluster that the control plane named. Immutable, shared by all loops.</summary>
internal sealed class Collector
{
    private const string TracesMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    private const string LogsMethod = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

    public required CollectorProtocol Protocol { get; init; }
    public required Signal Signal { get; init; }
    public required string Cluster { get; init; }
    public string Authority { get; init; } = "";
    public string Path { get; init; } = "";
    public TimeSpan Timeout { get; init; }
    public ImmutableArray<KeyValuePair<string, string>> Headers { get; init; } = [];
    /// <summary>What OTLP says once for all items.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Resource { get; init; } = [];
    /// <summary>A log's labels of its own: which proxy wrote it.</summary>
    public bool NamesNode { get; init; }

    /// <summary>Equal for equal collectors, over changes of the configuration around them.</summary>
    public string Key => _key ??= string.Join('\n', [Protocol.ToString(), Signal.ToString(), Cluster, Authority, Path, Timeout.ToString(), .. Headers.Concat(Resource).Select(pair => $"{pair.Key}={pair.Value}")]);
    private string? _key;

    /// <returns>Null where the tracer is none that is reported to.</returns>
    public static Collector? Of(TracingSettings settings) => settings.Cell.Get(settings, static s => new Holder(Create(s))).Collector;

    /// <returns>Null where the log is not one that goes to OpenTelemetry.</returns>
    public static Collector? Of(AccessLogSettings settings) => settings is not { Sink: AccessLogSink.OpenTelemetry, Service: { } service } ? null : new()
    {
        Protocol = CollectorProtocol.OtlpGrpc,
        Signal = Signal.Logs,
        Cluster = service.Cluster,
        Authority = service.Authority,
        Path = LogsMethod,
        Timeout = service.Timeout,
        Headers = [.. service.InitialMetadata.Select(edit => KeyValuePair.Create(edit.Name, edit.Value.Text))],
        Resource = [KeyValuePair.Create("log_name", settings.LogName)],
        NamesNode = true,
    };

    public RequestHead Head()
    {
        var authority = Authority.Length > 0 ? Authority : Cluster;
        var head = Protocol == CollectorProtocol.OtlpGrpc ? UnaryCall.Head(Path, authority) : PostHead(authority, Protocol == CollectorProtocol.OtlpHttp ? "application/x-protobuf"u8 : "application/json"u8);
        foreach (var (name, value) in Headers)
            if (HeaderName.TryParse(name) is { } header) head.Headers.Set(header, Encoding.Latin1.GetBytes(value));
        return head;
    }

    public byte[] Body(IReadOnlyList<byte[]> items, ProxyNode node)
    {
        if (Protocol == CollectorProtocol.Zipkin) return Zipkin.Request(items);

        var resource = NamesNode
            ? Resource.Add(new("zone_name", node.Locality.Zone)).Add(new("cluster_name", node.Cluster)).Add(new("node_name", node.Id))
            : Resource;
        var message = Otlp.Request(resource, items);
        return Protocol == CollectorProtocol.OtlpHttp ? message : UnaryCall.Frame(message);
    }

    public bool Took(SideAnswer answer) => Protocol == CollectorProtocol.OtlpGrpc ? UnaryCall.StatusOf(answer) == 0 : answer.Status is >= 200 and < 300;

    /// <summary>The collector may take it a little later; what it has judged and refused it will refuse again.</summary>
    public bool IsWorthAnotherTry(SideAnswer answer) => answer.Status is 0 or 429 or 502 or 503 or 504
        || Protocol == CollectorProtocol.OtlpGrpc && answer.Status == 200 && UnaryCall.StatusOf(answer) is 1 or 4 or 8 or 10 or 11 or 14 or 15;

    private RequestHead PostHead(string authority, ReadOnlySpan<byte> contentType)
    {
        var head = new RequestHead();
        head.SetMethod(Method.Post);
        head.SetPath(Encoding.Latin1.GetBytes(Path));
        head.SetAuthority(Encoding.Latin1.GetBytes(authority));
        head.Headers.Append(KnownHeader.ContentType, contentType);
        return head;
    }

    private static Collector? Create(TracingSettings settings)
    {
        switch (settings.Provider)
        {
            case TraceProvider.Zipkin:
                return new()
                {
                    Protocol = CollectorProtocol.Zipkin, Signal = Signal.Spans, Cluster = settings.Cluster, Authority = settings.Hostname,
                    Path = settings.Endpoint, Timeout = settings.Timeout, Headers = settings.Headers,
                };
            case TraceProvider.OpenTelemetryGrpc:
                return new()
                {
                    Protocol = CollectorProtocol.OtlpGrpc, Signal = Signal.Spans, Cluster = settings.Cluster, Authority = settings.Hostname,
                    Path = TracesMethod, Timeout = settings.Timeout, Headers = settings.Headers, Resource = ResourceOf(settings),
                };
            case TraceProvider.OpenTelemetryHttp:
                var uri = Uri.TryCreate(settings.Endpoint, UriKind.Absolute, out var parsed) ? parsed : null;
                return new()
                {
                    Protocol = CollectorProtocol.OtlpHttp, Signal = Signal.Spans, Cluster = settings.Cluster, Authority = uri?.Authority ?? "",
                    Path = uri?.PathAndQuery is { Length: > 1 } path ? path : "/v1/traces", Timeout = settings.Timeout, Headers = settings.Headers, Resource = ResourceOf(settings),
                };
            default:
                return null;
        }
    }

    private static ImmutableArray<KeyValuePair<string, string>> ResourceOf(TracingSettings settings) =>
    [
        KeyValuePair.Create("service.name", settings.ServiceName.Length > 0 ? settings.ServiceName : "unknown_service:envoy"),
        KeyValuePair.Create("telemetry.sdk.language", "dotnet"), KeyValuePair.Create("telemetry.sdk.name", "mesh"), KeyValuePair.Create("telemetry.sdk.version", Bootstrap.Version),
    ];

    private sealed record Holder(Collector? Collector);
}
