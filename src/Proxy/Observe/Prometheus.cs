using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>Istio's standard metrics in Prometheus' text format, summed over the loops. Called by a scrape, off the loops.</summary>
internal static class Prometheus
{
    public static string Write(IReadOnlyList<Counters> loops, IReadOnlyList<Gauge> gauges)
    {
        var text = new StringBuilder(64 * 1024);
        WriteRequests(text, loops);
        WriteTcp(text, loops);
        text.Append("# TYPE istio_build gauge\nistio_build{component=\"proxy\",tag=\"").Append(Bootstrap.Version).Append("\"} 1\n");
        foreach (var group in gauges.GroupBy(gauge => gauge.Name))
        {
            text.Append("# TYPE ").Append(group.Key).Append(' ').Append(group.First().IsCounter ? "counter" : "gauge").Append('\n');
            foreach (var gauge in group)
            {
                text.Append(group.Key);
                if (gauge.Labels.Length > 0) text.Append('{').Append(gauge.Labels).Append('}');
                text.Append(' ').Append(Number(gauge.Value)).Append('\n');
            }
        }
        return text.ToString();
    }

    private static void WriteRequests(StringBuilder text, IReadOnlyList<Counters> loops)
    {
        var summed = new Dictionary<string, RequestSum>();
        foreach (var series in loops.SelectMany(loop => loop.Requests))
        {
            foreach (var outcome in series.Outcomes)
            {
                var labels = RequestLabels(series.Labels, outcome);
                if (!summed.TryGetValue(labels, out var sum)) summed[labels] = sum = new();
                sum.Add(outcome, series.Labels.Protocol == "grpc");
            }
        }
        if (summed.Count == 0) return;

        Type(text, "istio_requests_total", "counter");
        foreach (var (labels, sum) in summed) Line(text, "istio_requests_total", labels, sum.Count);
        WriteHistogram(text, "istio_request_duration_milliseconds", summed, sum => sum.Duration);
        WriteHistogram(text, "istio_request_bytes", summed, sum => sum.RequestBytes);
        WriteHistogram(text, "istio_response_bytes", summed, sum => sum.ResponseBytes);

        if (!summed.Values.Any(sum => sum.IsGrpc)) return;

        Type(text, "istio_request_messages_total", "counter");
        foreach (var (labels, sum) in summed.Where(pair => pair.Value.IsGrpc)) Line(text, "istio_request_messages_total", labels, sum.RequestMessages);
        Type(text, "istio_response_messages_total", "counter");
        foreach (var (labels, sum) in summed.Where(pair => pair.Value.IsGrpc)) Line(text, "istio_response_messages_total", labels, sum.ResponseMessages);
    }

    private static void WriteHistogram(StringBuilder text, string name, Dictionary<string, RequestSum> summed, Func<RequestSum, HistogramSum> select)
    {
        Type(text, name, "histogram");
        foreach (var (labels, sum) in summed)
        {
            var histogram = select(sum);
            long total = 0;
            for (var i = 0; i < histogram.Buckets.Length; i++)
            {
                total += histogram.Buckets[i];
                var bound = i < Histogram.Bounds.Length ? Number(Histogram.Bounds[i]) : "+Inf";
                text.Append(name).Append("_bucket{").Append(labels).Append(",le=\"").Append(bound).Append("\"} ").Append(total).Append('\n');
            }
            text.Append(name).Append("_sum{").Append(labels).Append("} ").Append(Number(histogram.Sum)).Append('\n');
            text.Append(name).Append("_count{").Append(labels).Append("} ").Append(total).Append('\n');
        }
    }

    private static void WriteTcp(StringBuilder text, IReadOnlyList<Counters> loops)
    {
        var summed = new Dictionary<string, TcpOutcome>();
        foreach (var series in loops.SelectMany(loop => loop.Tcp))
        {
            foreach (var outcome in series.Outcomes)
            {
                var labels = TcpLabels(series.Labels, outcome);
                if (!summed.TryGetValue(labels, out var sum)) summed[labels] = sum = new(outcome.Flags);
                sum.Opened += outcome.Opened;
                sum.Closed += outcome.Closed;
                sum.SentBytes += outcome.SentBytes;
                sum.ReceivedBytes += outcome.ReceivedBytes;
            }
        }
        if (summed.Count == 0) return;

        WriteTcpCounter(text, "istio_tcp_connections_opened_total", summed, sum => sum.Opened);
        WriteTcpCounter(text, "istio_tcp_connections_closed_total", summed, sum => sum.Closed);
        WriteTcpCounter(text, "istio_tcp_sent_bytes_total", summed, sum => sum.SentBytes);
        WriteTcpCounter(text, "istio_tcp_received_bytes_total", summed, sum => sum.ReceivedBytes);
    }

    private static void WriteTcpCounter(StringBuilder text, string name, Dictionary<string, TcpOutcome> summed, Func<TcpOutcome, long> select)
    {
        Type(text, name, "counter");
        foreach (var (labels, sum) in summed) Line(text, name, labels, select(sum));
    }

    internal static string RequestLabels(SeriesLabels series, Outcome outcome)
    {
        var text = new StringBuilder(1024);
        Common(text, series);
        Label(text, "response_code", outcome.Status.ToString(CultureInfo.InvariantCulture));
        Label(text, "grpc_response_status", outcome.GrpcStatus < 0 ? "" : outcome.GrpcStatus.ToString(CultureInfo.InvariantCulture));
        Label(text, "response_flags", outcome.Flags.ToString());
        Label(text, "connection_security_policy", series.SecurityPolicy);
        return text.ToString();
    }

    private static string TcpLabels(SeriesLabels series, TcpOutcome outcome)
    {
        var text = new StringBuilder(1024);
        Common(text, series);
        Label(text, "response_flags", outcome.Flags.ToString());
        Label(text, "connection_security_policy", series.SecurityPolicy);
        return text.ToString();
    }

    private static void Common(StringBuilder text, SeriesLabels series)
    {
        Label(text, "reporter", series.Reporter);
        Label(text, "source_workload", series.Source.Workload);
        Label(text, "source_canonical_service", series.Source.CanonicalService);
        Label(text, "source_canonical_revision", series.Source.CanonicalRevision);
        Label(text, "source_workload_namespace", series.Source.Namespace);
        Label(text, "source_principal", series.SourcePrincipal);
        Label(text, "source_app", series.Source.App);
        Label(text, "source_version", series.Source.Version);
        Label(text, "source_cluster", series.Source.Cluster);
        Label(text, "destination_workload", series.Destination.Workload);
        Label(text, "destination_workload_namespace", series.Destination.Namespace);
        Label(text, "destination_principal", series.DestinationPrincipal);
        Label(text, "destination_app", series.Destination.App);
        Label(text, "destination_version", series.Destination.Version);
        Label(text, "destination_service", series.DestinationService);
        Label(text, "destination_canonical_service", series.Destination.CanonicalService);
        Label(text, "destination_canonical_revision", series.Destination.CanonicalRevision);
        Label(text, "destination_service_name", series.DestinationServiceName);
        Label(text, "destination_service_namespace", series.DestinationServiceNamespace);
        Label(text, "destination_cluster", series.Destination.Cluster);
        Label(text, "request_protocol", series.Protocol);
    }

    private static void Label(StringBuilder text, string name, string value)
    {
        if (text.Length > 0) text.Append(',');
        text.Append(name).Append("=\"").Append(Escape(value)).Append('"');
    }

    private static string Escape(string value) =>
        value.AsSpan().IndexOfAny("\\\"\n") < 0 ? value : value.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n");

    private static void Type(StringBuilder text, string name, string type) => text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');

    private static void Line(StringBuilder text, string name, string labels, long value) =>
        text.Append(name).Append('{').Append(labels).Append("} ").Append(value).Append('\n');

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);

    private sealed class HistogramSum
    {
        public long[] Buckets { get; } = new long[Histogram.Bounds.Length + 1];
        public double Sum { get; private set; }

        public void Add(Histogram one)
        {
            for (var i = 0; i < Buckets.Length; i++) Buckets[i] += one.Buckets[i];
            Sum += one.Sum;
        }
    }

    private sealed class RequestSum
    {
        public long Count, RequestMessages, ResponseMessages;
        public bool IsGrpc;
        public HistogramSum Duration { get; } = new();
        public HistogramSum RequestBytes { get; } = new();
        public HistogramSum ResponseBytes { get; } = new();

        public void Add(Outcome outcome, bool grpc)
        {
            IsGrpc |= grpc;
            Count += outcome.Count;
            RequestMessages += outcome.RequestMessages;
            ResponseMessages += outcome.ResponseMessages;
            Duration.Add(outcome.Duration);
            RequestBytes.Add(outcome.RequestBytes);
            ResponseBytes.Add(outcome.ResponseBytes);
        }
    }
}

/// <summary>One number of the process beside Istio's standard metrics.</summary>
internal readonly record struct Gauge(string Name, string Labels, double Value, bool IsCounter = false);
