using Mesh.Net;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Tcp;

/// <summary>Istio's standard metrics of one TCP connection: opened at once, bytes every few seconds, closed at the end.</summary>
internal sealed class TcpStats
{
    private static readonly TimeSpan ReportEvery = TimeSpan.FromSeconds(5);

    private readonly TcpSeries _series;
    private readonly LoopTimer _timer;
    private readonly Loop _loop;
    private long _reportedUp, _reportedDown;

    private TcpStats(Worker worker, TcpSeries series)
    {
        (_loop, _series) = (worker.Loop, series);
        _timer = new(worker.Loop, OnTimer);
    }

    public Relay.Progress Progress { get; } = new();

    public static TcpStats Begin(Worker worker, ClientConnection client, ClusterState cluster, UpstreamConnection upstream)
    {
        var stats = new TcpStats(worker, worker.Counters.TcpFor(LabelsOf(worker, client, cluster, upstream)));
        stats._series.For(default).Opened++;
        stats._timer.Arm(Deadline.After(worker.Loop.Clock, ReportEvery));
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
        _timer.Arm(Deadline.After(_loop.Clock, ReportEvery));
    }

    private void Report(ResponseFlags flags)
    {
        var outcome = _series.For(flags);
        outcome.ReceivedBytes += Progress.BytesUp - _reportedUp;
        outcome.SentBytes += Progress.BytesDown - _reportedDown;
        (_reportedUp, _reportedDown) = (Progress.BytesUp, Progress.BytesDown);
    }

    private static SeriesLabels LabelsOf(Worker worker, ClientConnection client, ClusterState cluster, UpstreamConnection upstream)
    {
        var own = worker.Node.Labels;
        var service = ServiceLabels.Of(cluster.Config, null);
        var principal = client.IsInbound ? client.Peer?.SpiffeId : upstream.Peer?.SpiffeId;
        var ownUri = principal is null ? "unknown" : worker.Node.Identity;
        return client.IsInbound
            ? new("destination", client.PeerLabels ?? ServiceLabels.ByPrincipal(principal), principal ?? "unknown", own, ownUri, service.Host, service.Name,
                service.Namespace == "unknown" ? own.Namespace : service.Namespace, "tcp", client.IsMutualTls ? "mutual_tls" : "none")
            : new("source", own, ownUri, ServiceLabels.OfEndpoint(upstream.Endpoint.Endpoint), principal ?? "unknown", service.Host, service.Name, service.Namespace, "tcp", "unknown");
    }
}
