using Mesh.Cli.Local;

namespace Mesh.Cli.Demo;

/// <summary>Who calls whom, summed from the callers' own metrics (reporter="source").</summary>
internal sealed record EdgeKey(string Source, string Destination, string Version);

internal sealed class Edge(EdgeKey key)
{
    private readonly SortedDictionary<double, double> buckets = [];

    public EdgeKey Key { get; } = key;
    public double Requests { get; private set; }
    public double Failures { get; private set; }
    public bool IsMutualTls { get; private set; } = true;
    public string SourceIdentity { get; private set; } = "";
    public string DestinationIdentity { get; private set; } = "";

    public void AddRequests(Sample sample)
    {
        Requests += sample.Value;
        if (sample.Label("response_code") is var code && (code == "0" || code.StartsWith('5'))) Failures += sample.Value;
        // The caller's side never knows whether the channel is mutual TLS but by the identity that the server proved.
        var principal = sample.Label("destination_principal");
        IsMutualTls &= principal.StartsWith("spiffe://", StringComparison.Ordinal);
        SourceIdentity = sample.Label("source_principal");
        DestinationIdentity = principal;
    }

    public void AddBucket(double upperMs, double count) => buckets[upperMs] = buckets.GetValueOrDefault(upperMs) + count;

    /// <summary>Linear within the bucket, as Prometheus does it. Null before the first request.</summary>
    public double? PercentileMs(double share)
    {
        var total = buckets.Count == 0 ? 0 : buckets.Values.Max();
        if (total == 0) return null;

        var rank = share * total;
        double below = 0, lower = 0;
        foreach (var (upper, count) in buckets)
        {
            if (count >= rank)
                return double.IsPositiveInfinity(upper) ? lower : lower + (upper - lower) * (count - below > 0 ? (rank - below) / (count - below) : 1);
            (below, lower) = (count, upper);
        }
        return lower;
    }
}

/// <summary>One reading of every proxy's metrics.</summary>
internal sealed class EdgeStats
{
    private readonly Dictionary<EdgeKey, Edge> edges = [];

    public IEnumerable<Edge> Edges => edges.Values.OrderBy(e => e.Key.Source, StringComparer.Ordinal)
        .ThenBy(e => e.Key.Destination, StringComparer.Ordinal).ThenBy(e => e.Key.Version, StringComparer.Ordinal);

    public static async Task<EdgeStats> ReadAsync(LocalMesh mesh, IEnumerable<Workload> workloads, CancellationToken cancel)
    {
        var stats = new EdgeStats();
        foreach (var text in await Task.WhenAll(workloads.Select(w => mesh.MetricsOfAsync(w, cancel))))
            if (text is not null) stats.Add(text);
        return stats;
    }

    public Edge? Find(EdgeKey key) => edges.GetValueOrDefault(key);

    public void Add(string prometheusText)
    {
        foreach (var sample in Sample.Read(prometheusText))
        {
            if (sample.Label("reporter") != "source") continue;
            if (sample.Name == "istio_requests_total") Of(sample).AddRequests(sample);
            else if (sample.Name == "istio_request_duration_milliseconds_bucket") Of(sample).AddBucket(Upper(sample.Label("le")), sample.Value);
        }
    }

    private Edge Of(Sample sample)
    {
        var key = new EdgeKey(sample.Label("source_workload"), sample.Label("destination_service_name"), sample.Label("destination_version"));
        if (!edges.TryGetValue(key, out var edge)) edges[key] = edge = new Edge(key);
        return edge;
    }

    private static double Upper(string le) =>
        le == "+Inf" ? double.PositiveInfinity : double.Parse(le, System.Globalization.CultureInfo.InvariantCulture);
}
