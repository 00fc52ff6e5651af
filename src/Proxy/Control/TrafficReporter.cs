using Grpc.Core;
using Grpc.Net.Client;
using Mesh.Proxy.Observe;
using Mesh.Traffic.V1;
using Microsoft.Extensions.Logging;

namespace Mesh.Proxy.Control;

/// <summary>
/// Tells the control plane once a second what the loops counted since the last time, and the requests that it wants to look at.
/// Reads what the loops wrote, from a thread of its own; a control plane that is slow, absent or older costs the traffic nothing.
/// </summary>
internal sealed class TrafficReporter(
    Func<GrpcChannel> connect, Func<Metadata> credentials, Envoy.Config.Core.V3.Node node, IReadOnlyList<(Counters Counters, RequestSamples Samples)> loops,
    WorkloadLabels own, Func<(DateTimeOffset Expires, string Serial)?> certificate, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WriteMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RetryFirst = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryLast = TimeSpan.FromMinutes(1);

    private readonly TrafficDeltas deltas = new();
    private readonly List<RequestSample> samples = [];
    private long droppedBefore;

    public async Task RunAsync(CancellationToken stop)
    {
        var wait = RetryFirst;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await ReportAsync(stop);
                wait = RetryFirst;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.Unimplemented)
            {
                return; // Istio's own control plane has no such service: there is nobody to tell.
            }
            catch (Exception e) when (e is RpcException or IOException or OperationCanceledException or InvalidOperationException)
            {
                Log.TrafficReportEnded(log, e.Message);
            }
            foreach (var (_, records) in loops) records.PerSecond = 0;
            if (!stop.IsCancellationRequested) await Task.Delay(wait, time, stop).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Current);
            wait = wait * 2 < RetryLast ? wait * 2 : RetryLast;
        }
    }

    private async Task ReportAsync(CancellationToken stop)
    {
        using var channel = connect();
        using var call = new LiveTraffic.LiveTrafficClient(channel).Report(credentials(), cancellationToken: stop);
        deltas.Restart();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var listening = ListenAsync(call.ResponseStream, ended);
        using var tick = new PeriodicTimer(Period, time);
        var first = true;
        try
        {
            while (await tick.WaitForNextTickAsync(ended.Token))
            {
                var report = Compose();
                if (first) report.Node = node;
                else if (report.CalculateSize() == 0) continue;

                first = false;
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
                patience.CancelAfter(WriteMax);
                await call.RequestStream.WriteAsync(report, patience.Token);
            }
        }
        finally
        {
            await ended.CancelAsync();
        }
        await listening;
    }

    private async Task ListenAsync(IAsyncStreamReader<TrafficDemand> demands, CancellationTokenSource ended)
    {
        try
        {
            while (await demands.MoveNext(ended.Token))
                foreach (var (_, records) in loops) records.PerSecond = (int)Math.Min(demands.Current.RecordsPerSecond, 1_000u);
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    private TrafficReport Compose()
    {
        var report = new TrafficReport();
        foreach (var (counters, records) in loops)
        {
            deltas.Add(report, counters);
            samples.Clear();
            records.Drain(samples);
            foreach (var sample in samples) report.Records.Add(Record(sample));
        }
        var dropped = loops.Sum(loop => loop.Samples.Dropped);
        report.RecordsDropped = (ulong)(dropped - droppedBefore);
        droppedBefore = dropped;
        if (certificate() is { } held && deltas.IsNews(held.Serial))
        {
            report.CertificateExpires = held.Expires.ToUnixTimeSeconds();
            report.CertificateSerial = held.Serial;
        }
        return report;
    }

    private RequestRecord Record(RequestSample s)
    {
        var peer = s.Peer ?? WorkloadLabels.Unknown;
        var (source, destination) = s.IsInbound ? (peer, own) : (own, peer);
        return new()
        {
            StartedUnixNanos = s.Started.ToUnixTimeMilliseconds() * 1_000_000,
            DurationMicros = (ulong)Math.Max(0, s.DurationMicros),
            Reporter = s.IsInbound ? "destination" : "source",
            Method = s.Method,
            Authority = s.Authority,
            Path = s.Path,
            Status = (uint)s.Status,
            GrpcStatus = s.GrpcStatus,
            Flags = s.Flags,
            Details = s.Details,
            Route = s.Route,
            Cluster = s.Cluster,
            Upstream = s.Upstream,
            Attempts = (uint)s.Attempts,
            Source = s.Source,
            SourceWorkload = source.Workload,
            SourceNamespace = source.Namespace,
            SourcePrincipal = s.SourcePrincipal,
            DestinationWorkload = destination.Workload,
            DestinationNamespace = destination.Namespace,
            DestinationPrincipal = s.DestinationPrincipal,
            DestinationService = s.DestinationService,
            MutualTls = s.IsMutualTls,
            Policy = s.Policy,
            RequestId = s.RequestId,
            TraceId = s.TraceId,
            RequestBytes = (ulong)s.RequestBytes,
            ResponseBytes = (ulong)s.ResponseBytes,
            Protocol = s.GrpcStatus >= 0 ? "grpc" : "http",
        };
    }
}
