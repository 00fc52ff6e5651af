using System.Text;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Observe;

/// <summary>What a tap shows of one request: where it went, who decided, how it ended. A copy: the exchange lives on with another request.</summary>
internal sealed record RequestSample
{
    private const int PathBytesMax = 512;

    public required DateTimeOffset Started { get; init; }
    public required long DurationMicros { get; init; }
    public required bool IsInbound { get; init; }
    public required string Method { get; init; }
    public required string Authority { get; init; }
    /// <summary>Without its query, which may carry secrets.</summary>
    public required string Path { get; init; }
    public required int Status { get; init; }
    public required int GrpcStatus { get; init; }
    public required string Flags { get; init; }
    public required string Details { get; init; }
    public required string Route { get; init; }
    public required string Cluster { get; init; }
    public required string Upstream { get; init; }
    public required int Attempts { get; init; }
    public required string Source { get; init; }
    public required string SourcePrincipal { get; init; }
    public required string DestinationPrincipal { get; init; }
    public required WorkloadLabels? Peer { get; init; }
    public required string DestinationService { get; init; }
    public required bool IsMutualTls { get; init; }
    public required string Policy { get; init; }
    public required string RequestId { get; init; }
    public required string TraceId { get; init; }
    public required long RequestBytes { get; init; }
    public required long ResponseBytes { get; init; }

    public static RequestSample Of(Exchange exchange)
    {
        var client = exchange.Client;
        var isInbound = client.IsInbound;
        var own = exchange.Worker.Node.Identity;
        var peer = isInbound ? client.Peer?.SpiffeId : exchange.UpstreamPeer?.SpiffeId;
        var isMutual = isInbound ? client.IsMutualTls : exchange.UpstreamPeer is not null;
        var request = exchange.Request;
        return new()
        {
            Started = exchange.StartedUtc,
            DurationMicros = (exchange.EndedAt - exchange.StartedAt) / 1_000,
            IsInbound = isInbound,
            Method = Encoding.Latin1.GetString(request.MethodName),
            Authority = Encoding.Latin1.GetString(request.Authority),
            Path = Shortened(request.PathOnly),
            Status = exchange.Status,
            GrpcStatus = exchange.IsGrpc ? exchange.GrpcStatus : -1,
            Flags = exchange.Flags.ToString(),
            Details = exchange.Details,
            Route = exchange.Route?.Name ?? "",
            Cluster = exchange.Cluster?.Config.Name ?? "",
            Upstream = exchange.UpstreamRemote?.ToString() ?? "",
            Attempts = exchange.Attempt,
            Source = exchange.Source.ToString(),
            SourcePrincipal = isInbound ? peer ?? "" : isMutual ? own : "",
            DestinationPrincipal = isInbound ? isMutual ? own : "" : peer ?? "",
            Peer = isInbound ? exchange.DownstreamLabels : exchange.UpstreamLabels,
            DestinationService = ServiceLabels.Of(exchange.Cluster?.Config, null).Name,
            IsMutualTls = isMutual,
            Policy = exchange.DecidedBy,
            RequestId = request.Headers.GetText("x-request-id") ?? "",
            TraceId = request.Headers.GetText("traceparent") is { Length: >= 35 } parent ? parent[3..35] : request.Headers.GetText("x-b3-traceid") ?? "",
            RequestBytes = exchange.RequestBytes,
            ResponseBytes = exchange.ResponseBytes,
        };
    }

    private static string Shortened(ReadOnlySpan<byte> path) => Encoding.Latin1.GetString(path[..Math.Min(path.Length, PathBytesMax)]);
}
