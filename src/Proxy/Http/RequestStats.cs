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
        exchange.Worker.Counters.DownstreamRequests++;
        var plan = MetricPlan.Of(exchange.Settings);
        var series = SeriesOf(exchange, plan);
        series.UsedAt = exchange.EndedAt;
        var values = plan is { ExpressionCount: > 0 } ? plan.Evaluate(new(exchange)) : [];
        var outcome = series.For(exchange.Status, exchange.Flags, exchange.IsGrpc ? exchange.GrpcStatus : -1, values);
        outcome.Add((exchange.EndedAt - exchange.StartedAt) / NanosecondsPerMillisecond, exchange.RequestBytes, exchange.ResponseBytes);
        outcome.RequestMessages += exchange.RequestMessages;
        outcome.ResponseMessages += exchange.ResponseMessages;
    }

    private static RequestSeries SeriesOf(Exchange exchange, MetricPlan? plan)
    {
        var key = KeyOf(exchange, plan);
        var cache = exchange.Cluster?.Series ?? exchange.Worker.SeriesWithoutCluster;
        return cache.Find(key) ?? cache.Add(key, exchange.Worker.Counters.RequestsFor(LabelsOf(exchange, key), exchange.EndedAt));
    }

    private static SeriesKey KeyOf(Exchange exchange, MetricPlan? plan) => exchange.Client.IsInbound
        ? new(exchange.DownstreamLabels, exchange.Client.Peer?.SpiffeId, exchange.Client.IsMutualTls, exchange.IsGrpc, null, plan)
        : new(exchange.UpstreamLabels, exchange.UpstreamPeer?.SpiffeId, exchange.UpstreamPeer is not null, exchange.IsGrpc, exchange.Endpoint, plan);

    private static SeriesLabels LabelsOf(Exchange exchange, in SeriesKey key)
    {
        var worker = exchange.Worker;
        var own = worker.Node.Labels;
        var ownUri = worker.Node.Identity;
        var service = ServiceLabels.Of(exchange.Cluster?.Config, exchange.Client.IsInbound || worker.Node.IsGateway ? null : exchange.Request);
        var protocol = exchange.IsGrpc ? "grpc" : "http";
        var labels = exchange.Client.IsInbound
            ? new SeriesLabels("destination", key.Peer ?? ServiceLabels.ByPrincipal(key.Principal), key.Principal ?? "unknown", own, key.IsMutual ? ownUri : "unknown",
                service.Host, service.Name, service.Namespace == "unknown" ? own.Namespace : service.Namespace, protocol, key.IsMutual ? "mutual_tls" : "none")
            : new SeriesLabels("source", own, key.IsMutual ? ownUri : "unknown", key.Peer ?? ServiceLabels.OfEndpoint(exchange.Endpoint?.Endpoint), key.Principal ?? "unknown",
                service.Host, service.Name, service.Namespace, protocol, "unknown");
        return key.Plan is null ? labels : labels with { Plan = key.Plan };
    }
}
