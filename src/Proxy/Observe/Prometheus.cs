using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>Istio's standard metrics in Prometheus' text format, summed over the loops. Called by a scrape, off the loops.</summary>
internal static class Prometheus
{
    // With what stands around a bucket's bound in its line.
    private static readonly string[] BoundTexts =
        [.. Histogram.Bounds.ToArray().Select(bound => $",le=\"{Number(bound)}\"}} "), ",le=\"+Inf\"} "];

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
        var rows = loops.SelectMany(loop => loop.Requests).Where(series => series.Labels.Plan is not { IsOff: true })
            .SelectMany(series => series.Outcomes.Select(outcome => new RequestRow(series.Labels, outcome))).ToList();
        if (rows.Count == 0) return;

        WriteCounter(text, "istio_requests_total", StandardMetric.Requests, rows, outcome => outcome.Count);
        WriteHistogram(text, "istio_request_duration_milliseconds", StandardMetric.RequestDuration, rows, outcome => outcome.Duration);
        WriteHistogram(text, "istio_request_bytes", StandardMetric.RequestBytes, rows, outcome => outcome.RequestBytes);
        WriteHistogram(text, "istio_response_bytes", StandardMetric.ResponseBytes, rows, outcome => outcome.ResponseBytes);

        var grpc = rows.FindAll(row => row.Labels.Protocol == "grpc");
        if (grpc.Count == 0) return;

        WriteCounter(text, "istio_request_messages_total", StandardMetric.RequestMessages, grpc, outcome => outcome.RequestMessages);
        WriteCounter(text, "istio_response_messages_total", StandardMetric.ResponseMessages, grpc, outcome => outcome.ResponseMessages);
    }

    private static void WriteCounter(StringBuilder text, string name, StandardMetric metric, List<RequestRow> rows, Func<Outcome, long> select)
    {
        var summed = new Dictionary<string, long>(rows.Count);
        foreach (var row in rows)
            if (row.TextOf(metric) is { } labels) summed[labels] = summed.GetValueOrDefault(labels) + select(row.Outcome);
        WriteSums(text, name, summed);
    }

    private static void WriteSums(StringBuilder text, string name, Dictionary<string, long> summed)
    {
        if (summed.Count == 0) return;

        Type(text, name, "counter");
        foreach (var (labels, sum) in summed) Line(text, name, labels, sum);
    }

    private static void WriteHistogram(StringBuilder text, string name, StandardMetric metric, List<RequestRow> rows, Func<Outcome, Histogram> select)
    {
        var summed = new Dictionary<string, HistogramSum>(rows.Count);
        foreach (var row in rows)
        {
            if (row.TextOf(metric) is not { } labels) continue;
            if (!summed.TryGetValue(labels, out var sum)) summed[labels] = sum = new();
            sum.Add(select(row.Outcome));
        }
        if (summed.Count == 0) return;

        Type(text, name, "histogram");
        foreach (var (labels, histogram) in summed)
        {
            long total = 0;
            for (var i = 0; i < histogram.Buckets.Length; i++)
            {
                total += histogram.Buckets[i];
                text.Append(name).Append("_bucket{").Append(labels).Append(BoundTexts[i]).Append(total).Append('\n');
            }
            text.Append(name).Append("_sum{").Append(labels).Append("} ").Append(Number(histogram.Sum)).Append('\n');
            text.Append(name).Append("_count{").Append(labels).Append("} ").Append(total).Append('\n');
        }
    }

    private static void WriteTcp(StringBuilder text, IReadOnlyList<Counters> loops)
    {
        var rows = loops.SelectMany(loop => loop.Tcp).Where(series => series.Labels.Plan is not { IsOff: true })
            .SelectMany(series => series.Outcomes.Select(outcome => (Series: series, Outcome: outcome))).ToList();
        Write("istio_tcp_connections_opened_total", StandardMetric.TcpOpened, outcome => outcome.Opened);
        Write("istio_tcp_connections_closed_total", StandardMetric.TcpClosed, outcome => outcome.Closed);
        Write("istio_tcp_sent_bytes_total", StandardMetric.TcpSent, outcome => outcome.SentBytes);
        Write("istio_tcp_received_bytes_total", StandardMetric.TcpReceived, outcome => outcome.ReceivedBytes);

        void Write(string name, StandardMetric metric, Func<TcpOutcome, long> select)
        {
            var summed = new Dictionary<string, long>();
            foreach (var (series, outcome) in rows)
            {
                if (series.Labels.Plan?.Drops(metric) == true) continue;

                var list = TcpLabels(series.Labels, outcome);
                series.Labels.Plan?.Change(metric, list, series.Values);
                var labels = Text(list);
                summed[labels] = summed.GetValueOrDefault(labels) + select(outcome);
            }
            WriteSums(text, name, summed);
        }
    }

    private static List<KeyValuePair<string, string>> RequestLabels(SeriesLabels series, Outcome outcome)
    {
        var list = Common(series);
        list.Add(new("response_code", outcome.Status.ToString(CultureInfo.InvariantCulture)));
        list.Add(new("grpc_response_status", outcome.GrpcStatus < 0 ? "" : outcome.GrpcStatus.ToString(CultureInfo.InvariantCulture)));
        list.Add(new("response_flags", outcome.Flags.ToString()));
        list.Add(new("connection_security_policy", series.SecurityPolicy));
        return list;
    }

    private static List<KeyValuePair<string, string>> TcpLabels(SeriesLabels series, TcpOutcome outcome)
    {
        var list = Common(series);
        list.Add(new("response_flags", outcome.Flags.ToString()));
        list.Add(new("connection_security_policy", series.SecurityPolicy));
        return list;
    }

    private static List<KeyValuePair<string, string>> Common(SeriesLabels series) =>
    [
        new("reporter", series.Reporter),
        new("source_workload", series.Source.Workload),
        new("source_canonical_service", series.Source.CanonicalService),
        new("source_canonical_revision", series.Source.CanonicalRevision),
        new("source_workload_namespace", series.Source.Namespace),
        new("source_principal", series.SourcePrincipal),
        new("source_app", series.Source.App),
        new("source_version", series.Source.Version),
        new("source_cluster", series.Source.Cluster),
        new("destination_workload", series.Destination.Workload),
        new("destination_workload_namespace", series.Destination.Namespace),
        new("destination_principal", series.DestinationPrincipal),
        new("destination_app", series.Destination.App),
        new("destination_version", series.Destination.Version),
        new("destination_service", series.DestinationService),
        new("destination_canonical_service", series.Destination.CanonicalService),
        new("destination_canonical_revision", series.Destination.CanonicalRevision),
        new("destination_service_name", series.DestinationServiceName),
        new("destination_service_namespace", series.DestinationServiceNamespace),
        new("destination_cluster", series.Destination.Cluster),
        new("request_protocol", series.Protocol),
    ];

    private static string Text(List<KeyValuePair<string, string>> labels)
    {
        var text = new StringBuilder(1024);
        foreach (var (name, value) in labels)
        {
            if (text.Length > 0) text.Append(',');
            text.Append(name).Append("=\"").Append(Escape(value)).Append('"');
        }
        return text.ToString();
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

    private sealed class RequestRow(SeriesLabels labels, Outcome outcome)
    {
        private string? _standard;

        public SeriesLabels Labels => labels;
        public Outcome Outcome => outcome;

        /// <returns>Null where the metric is dropped.</returns>
        public string? TextOf(StandardMetric metric)
        {
            if (labels.Plan is not { } plan) return _standard ??= Text(RequestLabels(labels, outcome));
            if (plan.Drops(metric)) return null;

            var list = RequestLabels(labels, outcome);
            plan.Change(metric, list, outcome.Values);
            return Text(list);
        }
    }
}

/// <summary>One number of the process beside Istio's standard metrics.</summary>
internal readonly record struct Gauge(string Name, string Labels, double Value, bool IsCounter = false);
