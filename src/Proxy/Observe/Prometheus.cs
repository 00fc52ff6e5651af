using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>Istio's standard metrics in Prometheus' text format, summed over the loops. Called by a scrape, off the loops.</summary>
internal static class Prometheus
{
    private const int PartBytes = 128 * 1024;

    // With what stands around a bucket's bound in its line.
    private static readonly byte[][] BoundTexts =
        [.. Histogram.Bounds.ToArray().Select(bound => Encoding.ASCII.GetBytes($",le=\"{bound.ToString(CultureInfo.InvariantCulture)}\"}} ")), ",le=\"+Inf\"} "u8.ToArray()];

    /// <summary>
    /// The page, part by part: each is to be sent before the next is asked for, and is the same object written anew. So a page of any length takes the same memory,
    /// and who reads slowly holds up only himself.
    /// </summary>
    public static IEnumerable<PooledText> Write(IReadOnlyList<Counters> loops, IReadOnlyList<Gauge> gauges)
    {
        using var text = new PooledText();
        foreach (var written in Rows(text, loops))
        {
            if (written.Length < PartBytes) continue;

            yield return written;
            written.Clear();
        }
        text.Append("# TYPE istio_build gauge\nistio_build{component=\"proxy\",tag=\""u8).Append(Bootstrap.Version).Append("\"} 1\n"u8);
        foreach (var group in gauges.GroupBy(gauge => gauge.Name))
        {
            Type(text, group.Key, group.First().IsCounter ? "counter"u8 : "gauge"u8);
            foreach (var gauge in group)
            {
                text.Append(group.Key);
                if (gauge.Labels.Length > 0) text.Append("{"u8).Append(gauge.Labels).Append("}"u8);
                text.Append(" "u8).Append(gauge.Value).Append("\n"u8);
            }
        }
        yield return text;
    }

    /// <summary>Comes back after each row of the standard metrics.</summary>
    private static IEnumerable<PooledText> Rows(PooledText text, IReadOnlyList<Counters> loops)
    {
        var requests = loops.SelectMany(loop => loop.Requests).Where(series => series.Labels.Plan is not { IsOff: true })
            .SelectMany(series => series.Outcomes.Select(outcome => new RequestRow(series.Labels, outcome))).ToList();
        var grpc = requests.FindAll(row => row.Series.Protocol == "grpc");
        var tcp = loops.SelectMany(loop => loop.Tcp).Where(series => series.Labels.Plan is not { IsOff: true })
            .SelectMany(series => series.Outcomes.Select(outcome => new TcpRow(series, outcome))).ToList();
        return Counter(text, "istio_requests_total", StandardMetric.Requests, requests, row => row.Outcome.Count)
            .Concat(Histograms(text, "istio_request_duration_milliseconds", StandardMetric.RequestDuration, requests, outcome => outcome.Duration))
            .Concat(Histograms(text, "istio_request_bytes", StandardMetric.RequestBytes, requests, outcome => outcome.RequestBytes))
            .Concat(Histograms(text, "istio_response_bytes", StandardMetric.ResponseBytes, requests, outcome => outcome.ResponseBytes))
            .Concat(Counter(text, "istio_request_messages_total", StandardMetric.RequestMessages, grpc, row => row.Outcome.RequestMessages))
            .Concat(Counter(text, "istio_response_messages_total", StandardMetric.ResponseMessages, grpc, row => row.Outcome.ResponseMessages))
            .Concat(Counter(text, "istio_tcp_connections_opened_total", StandardMetric.TcpOpened, tcp, row => row.Outcome.Opened))
            .Concat(Counter(text, "istio_tcp_connections_closed_total", StandardMetric.TcpClosed, tcp, row => row.Outcome.Closed))
            .Concat(Counter(text, "istio_tcp_sent_bytes_total", StandardMetric.TcpSent, tcp, row => row.Outcome.SentBytes))
            .Concat(Counter(text, "istio_tcp_received_bytes_total", StandardMetric.TcpReceived, tcp, row => row.Outcome.ReceivedBytes));
    }

    private static IEnumerable<PooledText> Counter<TRow>(PooledText text, string name, StandardMetric metric, List<TRow> rows, Func<TRow, long> select) where TRow : IRow
    {
        var isFirst = true;
        foreach (var alike in Alike(rows, metric))
        {
            if (isFirst) Type(text, name, "counter"u8);
            isFirst = false;
            text.Append(name).Append("{"u8);
            Write(text, alike.First().LabelsOf(metric));
            text.Append("} "u8).Append(alike.Sum(select)).Append("\n"u8);
            yield return text;
        }
    }

    private static IEnumerable<PooledText> Histograms(PooledText text, string name, StandardMetric metric, List<RequestRow> rows, Func<Outcome, Histogram> select)
    {
        var bucket = Encoding.ASCII.GetBytes(name + "_bucket{");
        using var labels = new PooledText();
        var isFirst = true;
        foreach (var alike in Alike(rows, metric))
        {
            if (isFirst) Type(text, name, "histogram"u8);
            isFirst = false;
            // Twenty-two lines have the same labels: they are written once and copied.
            labels.Clear();
            Write(labels, alike.First().LabelsOf(metric));
            long total = 0;
            for (var i = 0; i < BoundTexts.Length; i++)
            {
                foreach (var row in alike) total += select(row.Outcome).Buckets[i];
                text.Append(bucket).Append(labels).Append(BoundTexts[i]).Append(total).Append("\n"u8);
            }
            text.Append(name).Append("_sum{"u8).Append(labels).Append("} "u8).Append(alike.Sum(row => select(row.Outcome).Sum)).Append("\n"u8);
            text.Append(name).Append("_count{"u8).Append(labels).Append("} "u8).Append(total).Append("\n"u8);
            yield return text;
        }
    }

    /// <summary>Rows that show the same labels: of several loops, or where labels that told them apart were taken away.</summary>
    private static IEnumerable<IGrouping<RowKey, TRow>> Alike<TRow>(List<TRow> rows, StandardMetric metric) where TRow : IRow =>
        rows.Where(row => row.Series.Plan?.Drops(metric) is not true).GroupBy(row => row.Series.Plan is null ? row.Key : new(Changed: Text(row.LabelsOf(metric))));

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
        using var text = new PooledText();
        Write(text, labels);
        return text.ToString();
    }

    private static void Write(PooledText text, List<KeyValuePair<string, string>> labels)
    {
        var isFirst = true;
        foreach (var (name, value) in labels)
        {
            if (!isFirst) text.Append(","u8);
            isFirst = false;
            text.Append(name).Append("=\""u8).Append(Escape(value)).Append("\""u8);
        }
    }

    private static string Escape(string value) =>
        value.AsSpan().IndexOfAny("\\\"\n") < 0 ? value : value.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n");

    private static void Type(PooledText text, string name, ReadOnlySpan<byte> type) => text.Append("# TYPE "u8).Append(name).Append(" "u8).Append(type).Append("\n"u8);

    /// <summary>What tells rows apart: their parts, or, where a plan changes labels, the text of those.</summary>
    private readonly record struct RowKey(SeriesLabels? Series = null, int Status = 0, ResponseFlags Flags = default, int GrpcStatus = 0, string Changed = "");

    private interface IRow
    {
        SeriesLabels Series { get; }
        RowKey Key { get; }
        List<KeyValuePair<string, string>> LabelsOf(StandardMetric metric);
    }

    private sealed class RequestRow(SeriesLabels series, Outcome outcome) : IRow
    {
        public SeriesLabels Series => series;
        public Outcome Outcome => outcome;
        public RowKey Key => new(series, outcome.Status, outcome.Flags, outcome.GrpcStatus);

        public List<KeyValuePair<string, string>> LabelsOf(StandardMetric metric)
        {
            var list = RequestLabels(series, outcome);
            series.Plan?.Change(metric, list, outcome.Values);
            return list;
        }
    }

    private sealed class TcpRow(TcpSeries counted, TcpOutcome outcome) : IRow
    {
        public SeriesLabels Series => counted.Labels;
        public TcpOutcome Outcome => outcome;
        public RowKey Key => new(counted.Labels, Flags: outcome.Flags);

        public List<KeyValuePair<string, string>> LabelsOf(StandardMetric metric)
        {
            var list = TcpLabels(counted.Labels, outcome);
            counted.Labels.Plan?.Change(metric, list, counted.Values);
            return list;
        }
    }
}

/// <summary>One number of the process beside Istio's standard metrics.</summary>
internal readonly record struct Gauge(string Name, string Labels, double Value, bool IsCounter = false);
