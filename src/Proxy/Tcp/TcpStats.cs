using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Tcp;

/// <summary>Istio's standard metrics of one TCP connection: opened at once, bytes every few seconds, closed at the end.</summary>
internal sealed class TcpStats
{
    private readonly TcpSeries _series;
    private readonly LoopTimer _timer;
    private readonly Loop _loop;
    private readonly TimeSpan _reportEvery;
    private readonly Relay.Progress _progress;
    private long _reportedUp, _reportedDown;

    private TcpStats(Worker worker, TcpSeries series, Relay.Progress progress, TimeSpan reportEvery)
    {
        (_loop, _series, _progress, _reportEvery) = (worker.Loop, series, progress, reportEvery);
        _timer = new(worker.Loop, OnTimer);
    }

    /// <summary>When both ends are known: the labels are fixed from here on.</summary>
    public static TcpStats Begin(Worker worker, ClientConnection client, FilterChain chain, ClusterState cluster, UpstreamConnection upstream, TcpRecord record, Relay.Progress progress)
    {
        var plan = MetricPlan.Of(chain);
        var labels = LabelsOf(worker, client, cluster, upstream, record);
        if (plan is not null) labels = labels with { Plan = plan };
        var every = chain.Filters.OfType<NetworkStats>().LastOrDefault()?.Stats.TcpReportingInterval ?? TimeSpan.FromSeconds(5);
        var stats = new TcpStats(worker, worker.Counters.TcpFor(labels, plan?.Evaluate(new(client, record, worker)) ?? []), progress, every);
        stats._series.For(default).Opened++;
        stats._timer.Arm(Deadline.After(worker.Loop.Clock, every));
        return stats;
    }

    public void End(ResponseFlags flags)
    {
        _timer.Disarm();
        Report(flags);
        _series.For(flags).Closed++;
    }

    private void OnTimer()
    {
        Report(default);
        _timer.Arm(Deadline.After(_loop.Clock, _reportEvery));
    }

    private void Report(ResponseFlags flags)
    {
        var outcome = _series.For(flags);
        outcome.ReceivedBytes += _progress.BytesUp - _reportedUp;
        outcome.SentBytes += _progress.BytesDown - _reportedDown;
        (_reportedUp, _reportedDown) = (_progress.BytesUp, _progress.BytesDown);
    }

    private static SeriesLabels LabelsOf(Worker worker, ClientConnection client, ClusterState cluster, UpstreamConnection upstream, TcpRecord record)
    {
        var own = worker.Node.Labels;
        var service = ServiceLabels.Of(cluster.Config, null);
        var principal = client.IsInbound ? client.Peer?.SpiffeId : upstream.Peer?.SpiffeId;
        var ownUri = principal is null ? "unknown" : worker.Node.Identity;
        return client.IsInbound
            ? new("destination", client.PeerLabels ?? ServiceLabels.ByPrincipal(principal), principal ?? "unknown", own, ownUri, service.Host, service.Name,
                service.Namespace == "unknown" ? own.Namespace : service.Namespace, "tcp", client.IsMutualTls ? "mutual_tls" : "none")
            : new("source", own, ownUri, record.UpstreamLabels ?? ServiceLabels.OfEndpoint(upstream.Endpoint.Endpoint), principal ?? "unknown", service.Host, service.Name, service.Namespace, "tcp", "unknown");
    }
}
