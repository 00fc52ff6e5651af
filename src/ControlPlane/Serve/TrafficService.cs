using System.Runtime.InteropServices;
using Grpc.Core;
using Mesh.ControlPlane.Ca;
using Mesh.ControlPlane.Telemetry;
using Mesh.Traffic.V1;
using RequestRecord = Mesh.ControlPlane.Telemetry.RequestRecord;
using Series = Mesh.ControlPlane.Telemetry.Series;
using WorkloadName = Mesh.ControlPlane.Telemetry.WorkloadName;

namespace Mesh.ControlPlane.Serve;

/// <summary>The door for what proxies say of their traffic. Nothing here can hold up a proxy: it reports and goes on.</summary>
internal sealed class TrafficService(Telemetry.LiveTraffic traffic, Authenticator authenticator, ILogger<TrafficService> log) : Mesh.Traffic.V1.LiveTraffic.LiveTrafficBase
{
    // A proxy that names more series than this is not understood beyond them.
    private const int SeriesMax = 20_000;

    public override async Task Report(IAsyncStreamReader<TrafficReport> reports, IServerStreamWriter<TrafficDemand> demands, ServerCallContext call)
    {
        var (_, problem) = await authenticator.IdentifyAsync(call);
        if (problem.Length > 0) throw new RpcException(new Status(StatusCode.Unauthenticated, problem));

        var series = new Dictionary<uint, Series>();
        var proxy = "";
        using var changed = new SemaphoreSlim(1);
        void Wake()
        {
            if (changed.CurrentCount == 0) changed.Release();
        }
        traffic.DemandChanged += Wake;
        var telling = TellDemandAsync(demands, changed, call.CancellationToken);
        try
        {
            while (await reports.MoveNext(call.CancellationToken))
            {
                var report = reports.Current;
                if (report.Node is { } node) proxy = NameOf(node.Id);
                Take(proxy, report, series);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or InvalidOperationException)
        {
            log.LogDebug("live traffic of {Proxy} ended: {Reason}", proxy, e.Message);
        }
        finally
        {
            traffic.DemandChanged -= Wake;
            traffic.Forget(proxy);
        }
        _ = telling;
    }

    private async Task TellDemandAsync(IServerStreamWriter<TrafficDemand> demands, SemaphoreSlim changed, CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                await changed.WaitAsync(cancel);
                await demands.WriteAsync(new TrafficDemand { RecordsPerSecond = (uint)traffic.RecordsWanted }, cancel);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or InvalidOperationException or ObjectDisposedException or IOException)
        {
            log.LogDebug("no more demands: {Reason}", e.Message);
        }
    }

    private void Take(string proxy, TrafficReport report, Dictionary<uint, Series> known)
    {
        foreach (var series in report.Series)
            if (known.Count < SeriesMax) known[series.Id] = Read(series);

        foreach (var delta in report.Requests)
            if (known.TryGetValue(delta.Series, out var series))
                traffic.Add(series, tally => tally.AddRequests(
                    (int)delta.Status, delta.Flags, delta.GrpcStatus, (long)delta.Count, CollectionsMarshal.AsSpan(delta.Durations.ToList()), (long)delta.RequestBytes, (long)delta.ResponseBytes));
        foreach (var delta in report.Connections)
            if (known.TryGetValue(delta.Series, out var series))
                traffic.Add(series, tally => tally.AddConnections((long)delta.Opened, (long)delta.Closed, (long)delta.SentBytes, (long)delta.ReceivedBytes));
        foreach (var record in report.Records) traffic.Add(Read(proxy, record));

        if (report.CertificateSerial.Length > 0)
            traffic.SetCertificate(proxy, DateTimeOffset.FromUnixTimeSeconds(report.CertificateExpires), report.CertificateSerial);
    }

    /// <summary>sidecar~10.0.0.1~name.namespace~domain → name.namespace</summary>
    private static string NameOf(string nodeId) => nodeId.Split('~') is [_, _, var name, ..] ? name : nodeId;

    private static Series Read(Mesh.Traffic.V1.Series s) => new(
        s.Reporter, Read(s.Source), s.SourcePrincipal, Read(s.Destination), s.DestinationPrincipal,
        s.DestinationServiceName, s.DestinationServiceNamespace, s.RequestProtocol, s.ConnectionSecurityPolicy);

    private static WorkloadName Read(Mesh.Traffic.V1.WorkloadName? name) =>
        name is null ? WorkloadName.Unknown : new(name.Name, name.Namespace, name.App, name.Version);

    private static RequestRecord Read(string proxy, Mesh.Traffic.V1.RequestRecord r) => new()
    {
        Proxy = proxy,
        Started = DateTimeOffset.FromUnixTimeMilliseconds(r.StartedUnixNanos / 1_000_000),
        DurationMs = r.DurationMicros / 1000.0,
        Reporter = r.Reporter,
        Method = r.Method,
        Authority = r.Authority,
        Path = r.Path,
        Status = (int)r.Status,
        GrpcStatus = r.GrpcStatus,
        Flags = r.Flags,
        Details = r.Details,
        Route = r.Route,
        Cluster = r.Cluster,
        Upstream = r.Upstream,
        Attempts = (int)r.Attempts,
        Source = r.Source,
        SourceWorkload = r.SourceWorkload,
        SourceNamespace = r.SourceNamespace,
        SourcePrincipal = r.SourcePrincipal,
        DestinationWorkload = r.DestinationWorkload,
        DestinationNamespace = r.DestinationNamespace,
        DestinationPrincipal = r.DestinationPrincipal,
        DestinationService = r.DestinationService,
        IsMutualTls = r.MutualTls,
        Policy = r.Policy,
        RequestId = r.RequestId,
        TraceId = r.TraceId,
        RequestBytes = (long)r.RequestBytes,
        ResponseBytes = (long)r.ResponseBytes,
        Protocol = r.Protocol,
    };
}
