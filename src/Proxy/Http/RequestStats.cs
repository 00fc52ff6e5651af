using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Http;

/// <summary>Istio's standard request metrics. The series is found once for each meeting of cluster, endpoint and peers, and remembered where they meet.</summary>
internal static class RequestStats
{
    private const double NanosecondsPerMillisecond = 1_000_000;

    public static void Record(Exchange exchange)
    {
        var series = SeriesOf(exchange);
        var milliseconds = (exchange.EndedAt - exchange.StartedAt) / NanosecondsPerMillisecond;
        var grpc = exchange.IsGrpc ? exchange.GrpcStatus : -1;
        series.Record(exchange.Status, exchange.Flags, grpc, milliseconds, exchange.RequestBytes, exchange.ResponseBytes);
        if (exchange.RequestMessages + exchange.ResponseMessages > 0)
            series.RecordMessages(exchange.Status, exchange.Flags, grpc, exchange.RequestMessages, exchange.ResponseMessages);
    }

    private static RequestSeries SeriesOf(Exchange exchange)
    {
        var key = KeyOf(exchange);
        var cache = exchange.Cluster?.Series ?? exchange.Worker.SeriesWithoutCluster;
        return cache.Find(key) ?? cache.Add(key, exchange.Worker.Counters.RequestsFor(LabelsOf(exchange, key)));
    }

    private static SeriesKey KeyOf(Exchange exchange) => exchange.Client.IsInbound
        ? new(exchange.DownstreamLabels, exchange.Client.Peer?.SpiffeId, exchange.Client.IsMutualTls, exchange.IsGrpc, null)
        : new(exchange.UpstreamLabels, exchange.UpstreamPeer?.SpiffeId, exchange.UpstreamPeer is not null, exchange.IsGrpc, exchange.Endpoint);

    private static SeriesLabels LabelsOf(Exchange exchange, in SeriesKey key)
    {
        var worker = exchange.Worker;
        var own = worker.Node.Labels;
        var ownUri = worker.Node.Identity;
        var service = ServiceLabels.Of(exchange.Cluster?.Config, exchange.Client.IsInbound || worker.Node.IsGateway ? null : exchange.Request);
        var protocol = exchange.IsGrpc ? "grpc" : "http";
        return exchange.Client.IsInbound
            ? new("destination", key.Peer ?? ServiceLabels.ByPrincipal(key.Principal), key.Principal ?? "unknown", own, key.IsMutual ? ownUri : "unknown",
                service.Host, service.Name, service.Namespace == "unknown" ? own.Namespace : service.Namespace, protocol, key.IsMutual ? "mutual_tls" : "none")
            : new("source", own, key.IsMutual ? ownUri : "unknown", key.Peer ?? ServiceLabels.OfEndpoint(exchange.Endpoint?.Endpoint), key.Principal ?? "unknown",
                service.Host, service.Name, service.Namespace, protocol, "unknown");
    }
}
