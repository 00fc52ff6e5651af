using System.Runtime.CompilerServices;
using Mesh.Proxy.Observe;
using Mesh.Traffic.V1;

namespace Mesh.Proxy.Control;

/// <summary>What changed in the counters since they were last read. Forgets series that a reader with a bound would not take.</summary>
internal sealed class TrafficDeltas
{
    private readonly Dictionary<SeriesLabels, uint> ids = [];
    private readonly ConditionalWeakTable<Outcome, Before> requests = [];
    private readonly ConditionalWeakTable<TcpOutcome, BeforeTcp> connections = [];
    private string serial = "";

    /// <summary>A new reader knows no series yet. Counts that nobody was told of are told to it.</summary>
    public void Restart()
    {
        ids.Clear();
        serial = "";
    }

    public bool IsNews(string certificateSerial)
    {
        if (serial == certificateSerial) return false;

        serial = certificateSerial;
        return true;
    }

    public void Add(TrafficReport report, Counters counters)
    {
        foreach (var series in counters.Requests)
            foreach (var outcome in series.Outcomes)
            {
                var before = requests.GetOrCreateValue(outcome);
                if (outcome.Count == before.Count) continue;

                report.Requests.Add(before.Step(outcome, IdOf(report, series.Labels)));
            }
        foreach (var series in counters.Tcp)
            foreach (var outcome in series.Outcomes)
            {
                var before = connections.GetOrCreateValue(outcome);
                if (before.Step(outcome, IdOf(report, series.Labels)) is { } delta) report.Connections.Add(delta);
            }
    }

    private uint IdOf(TrafficReport report, SeriesLabels labels)
    {
        if (ids.TryGetValue(labels, out var id)) return id;

        ids[labels] = id = (uint)ids.Count + 1;
        report.Series.Add(new Series
        {
            Id = id,
            Reporter = labels.Reporter,
            Source = Name(labels.Source),
            SourcePrincipal = labels.SourcePrincipal,
            Destination = Name(labels.Destination),
            DestinationPrincipal = labels.DestinationPrincipal,
            DestinationService = labels.DestinationService,
            DestinationServiceName = labels.DestinationServiceName,
            DestinationServiceNamespace = labels.DestinationServiceNamespace,
            RequestProtocol = labels.Protocol,
            ConnectionSecurityPolicy = labels.SecurityPolicy,
        });
        return id;
    }

    private static WorkloadName Name(WorkloadLabels labels) => new()
    {
        Name = labels.Workload,
        Namespace = labels.Namespace,
        CanonicalService = labels.CanonicalService,
        CanonicalRevision = labels.CanonicalRevision,
        App = labels.App,
        Version = labels.Version,
        Cluster = labels.Cluster,
    };

    private sealed class Before
    {
        private readonly long[] buckets = new long[20];
        private double requestBytes, responseBytes;

        public long Count { get; private set; }

        public RequestDelta Step(Outcome now, uint series)
        {
            var delta = new RequestDelta
            {
                Series = series,
                Status = (uint)now.Status,
                Flags = now.Flags.ToString(),
                GrpcStatus = now.GrpcStatus,
                Count = (ulong)(now.Count - Count),
                RequestBytes = (ulong)Math.Max(0, now.RequestBytes.Sum - requestBytes),
                ResponseBytes = (ulong)Math.Max(0, now.ResponseBytes.Sum - responseBytes),
            };
            for (var i = 0; i < buckets.Length; i++)
            {
                var count = now.Duration.Buckets[i];
                delta.Durations.Add((uint)Math.Max(0, count - buckets[i]));
                buckets[i] = count;
            }
            (Count, requestBytes, responseBytes) = (now.Count, now.RequestBytes.Sum, now.ResponseBytes.Sum);
            return delta;
        }
    }

    private sealed class BeforeTcp
    {
        private long opened, closed, sent, received;

        /// <returns>Null when nothing happened.</returns>
        public TcpDelta? Step(TcpOutcome now, uint series)
        {
            if ((now.Opened, now.Closed, now.SentBytes, now.ReceivedBytes) == (opened, closed, sent, received)) return null;

            var delta = new TcpDelta
            {
                Series = series,
                Flags = now.Flags.ToString(),
                Opened = (ulong)(now.Opened - opened),
                Closed = (ulong)(now.Closed - closed),
                SentBytes = (ulong)(now.SentBytes - sent),
                ReceivedBytes = (ulong)(now.ReceivedBytes - received),
            };
            (opened, closed, sent, received) = (now.Opened, now.Closed, now.SentBytes, now.ReceivedBytes);
            return delta;
        }
    }
}
