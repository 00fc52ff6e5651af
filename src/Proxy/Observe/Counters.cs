namespace Mesh.Proxy.Observe;

/// <summary>
/// What one loop has counted. Plain longs with one writer: the loop adds, a scrape on another thread reads (aligned 64-bit reads do not tear) and sums over loops.
/// A series is looked up when route, endpoint and peer come together for the first time and then kept where they are kept; no request looks anything up.
/// </summary>
internal sealed class Counters
{
    /// <summary>More label sets than this fall into one shared series, so that no caller can fill the memory by inventing labels.</summary>
    public const int SeriesMax = 10_000;

    /// <summary>More ends of requests than this, over all series of a loop, are not told apart. One of them takes less than a kilobyte.</summary>
    public const int OutcomesMax = 20_000;

    /// <summary>When there is no room, series that nothing was counted in for so long are given up.</summary>
    public static readonly TimeSpan IdleMax = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan EvictEvery = TimeSpan.FromSeconds(10);

    private static readonly SeriesLabels Overflow = new("unknown", WorkloadLabels.Unknown, "unknown", WorkloadLabels.Unknown, "unknown", "overflow", "overflow", "unknown", "unknown", "unknown");

    private readonly Dictionary<SeriesLabels, RequestSeries> _requests = [];
    private readonly Dictionary<(SeriesLabels, string), TcpSeries> _tcp = [];
    private readonly OutcomeBudget _outcomes = new(OutcomesMax);
    private volatile RequestSeries[] _requestList = [];
    private volatile TcpSeries[] _tcpList = [];
    private long _evictedAt;

    /// <summary>For a scrape, from any thread.</summary>
    public IReadOnlyList<RequestSeries> Requests => _requestList;

    /// <summary>For a scrape, from any thread.</summary>
    public IReadOnlyList<TcpSeries> Tcp => _tcpList;

    public long DownstreamConnections, DownstreamConnectionsActive, DownstreamRequests;
    public long AccessLogLinesDropped, ConnectionsShed, RequestsShed, ProtocolErrors, TlsHandshakes, TlsFailures, Bugs, ConnectionsWithoutChain, RateLimitErrors, RequestsMisdirected;

    /// <summary>Calls to what is outside the registry, where nothing else may be called.</summary>
    public RefusedHosts RefusedHosts { get; } = new();

    private ExportCounts _spans, _logs;

    /// <summary>What became of spans and log records for collectors.</summary>
    public ref ExportCounts ExportsOf(Signal signal) => ref signal == Signal.Spans ? ref _spans : ref _logs;

    /// <param name="now">Nanoseconds of the loop's clock.</param>
    public RequestSeries RequestsFor(SeriesLabels labels, long now = 0)
    {
        if (_requests.TryGetValue(labels, out var series)) return series;

        if ((_requests.Count >= SeriesMax || _outcomes.Left == 0) && now - _evictedAt > EvictEvery.Ticks * TimeSpan.NanosecondsPerTick) Evict(now);
        if (_requests.Count >= SeriesMax && labels != Overflow) return RequestsFor(Overflow, now);
        _requests[labels] = series = new(labels, _outcomes) { UsedAt = now };
        _requestList = [.. _requestList, series];
        return series;
    }

    /// <param name="values">Of the labels that expressions set.</param>
    public TcpSeries TcpFor(SeriesLabels labels, string[] values)
    {
        var key = (labels, string.Join('\u0001', values));
        if (_tcp.TryGetValue(key, out var series)) return series;

        if (_tcp.Count >= SeriesMax && labels != Overflow) return TcpFor(Overflow, []);
        _tcp[key] = series = new(labels, values);
        _tcpList = [.. _tcpList, series];
        return series;
    }

    private void Evict(long now)
    {
        _evictedAt = now;
        foreach (var (labels, series) in _requests.Where(pair => now - pair.Value.UsedAt > IdleMax.Ticks * TimeSpan.NanosecondsPerTick).ToList())
        {
            series.GiveUp();
            _requests.Remove(labels);
        }
        _requestList = [.. _requests.Values];
    }
}

/// <summary>How many more ends of requests one loop may tell apart.</summary>
internal sealed class OutcomeBudget(int left)
{
    public int Left { get; private set; } = left;

    public bool TryTake()
    {
        if (Left == 0) return false;
        Left--;
        return true;
    }

    public void GiveBack(int count) => Left += count;
}

/// <summary>A workload as Istio's metrics name it.</summary>
internal sealed record WorkloadLabels(string Workload, string Namespace, string CanonicalService, string CanonicalRevision, string App, string Version, string Cluster)
{
    public static WorkloadLabels Unknown { get; } = new("unknown", "unknown", "unknown", "latest", "unknown", "unknown", "unknown");
}

/// <summary>The labels that do not depend on how a request ends. Names and order are those of Istio's standard metrics.</summary>
internal sealed record SeriesLabels(
    string Reporter, WorkloadLabels Source, string SourcePrincipal, WorkloadLabels Destination, string DestinationPrincipal,
    string DestinationService, string DestinationServiceName, string DestinationServiceNamespace, string Protocol, string SecurityPolicy)
{
    /// <summary>What is changed of the metrics these labels are shown in; null for nothing.</summary>
    public MetricPlan? Plan { get; init; }
}

/// <summary>All requests with the same labels, told apart by how they ended and by the values of labels that expressions set.</summary>
internal sealed class RequestSeries(SeriesLabels labels, OutcomeBudget budget)
{
    private volatile Outcome[] _outcomes = [];
    // Only where expressions set labels: there may be too many to look through.
    private Dictionary<(int, ResponseFlags, int, string), Outcome>? _byValues;
    private Outcome? _rest;

    public SeriesLabels Labels => labels;

    public IReadOnlyList<Outcome> Outcomes => _outcomes;

    /// <summary>When something was counted in it last; nanoseconds of the loop's clock.</summary>
    public long UsedAt { get; set; }

    /// <summary>Nobody shows it any more: look for another.</summary>
    public bool IsGivenUp { get; private set; }

    /// <param name="grpcStatus">-1 when the request was not gRPC.</param>
    /// <param name="values">Of the labels that expressions set.</param>
    public Outcome For(int status, ResponseFlags flags, int grpcStatus, string[] values)
    {
        if (values.Length > 0) return ForValues(status, flags, grpcStatus, values);
        foreach (var outcome in _outcomes)
            if (outcome.Status == status && outcome.Flags == flags && outcome.GrpcStatus == grpcStatus) return outcome;
        return Add(status, flags, grpcStatus, values);
    }

    public void GiveUp()
    {
        IsGivenUp = true;
        budget.GiveBack(_outcomes.Length - (_rest is null ? 0 : 1));
    }

    private Outcome ForValues(int status, ResponseFlags flags, int grpcStatus, string[] values)
    {
        _byValues ??= [];
        var key = (status, flags, grpcStatus, string.Join('\u0001', values));
        if (_byValues.TryGetValue(key, out var known)) return known;

        var added = Add(status, flags, grpcStatus, values);
        if (added != _rest) _byValues[key] = added;
        return added;
    }

    private Outcome Add(int status, ResponseFlags flags, int grpcStatus, string[] values)
    {
        if (!budget.TryTake()) return _rest ??= Publish(new(0, default, -1) { Values = [.. values.Select(_ => "overflow")] });

        return Publish(new(status, flags, grpcStatus) { Values = values });
    }

    private Outcome Publish(Outcome added)
    {
        _outcomes = [.. _outcomes, added];
        return added;
    }
}

/// <summary>Requests with the same labels and the same end.</summary>
internal sealed class Outcome(int status, ResponseFlags flags, int grpcStatus)
{
    public int Status => status;
    public ResponseFlags Flags => flags;
    public int GrpcStatus => grpcStatus;
    /// <summary>Of the labels that expressions set.</summary>
    public string[] Values { get; init; } = [];
    public long Count, RequestMessages, ResponseMessages;
    public Histogram Duration { get; } = new();
    public Histogram RequestBytes { get; } = new();
    public Histogram ResponseBytes { get; } = new();

    public void Add(double milliseconds, long requestBytes, long responseBytes)
    {
        Count++;
        Duration.Add(milliseconds);
        RequestBytes.Add(requestBytes);
        ResponseBytes.Add(responseBytes);
    }
}

/// <summary>The fixed buckets of Istio's histograms.</summary>
internal sealed class Histogram
{
    public static ReadOnlySpan<double> Bounds =>
        [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000];

    private readonly long[] _buckets = new long[20];

    public double Sum { get; private set; }

    /// <summary>Values in this bucket alone; the exposition adds them up. The last is +Inf.</summary>
    public ReadOnlySpan<long> Buckets => _buckets;

    public void Add(double value)
    {
        var bucket = 0;
        while (bucket < Bounds.Length && value > Bounds[bucket]) bucket++;
        _buckets[bucket]++;
        Sum += value;
    }
}

/// <summary>All connections with the same labels. Bytes are added while a connection lives, so that long ones are seen.</summary>
internal sealed class TcpSeries(SeriesLabels labels, string[] values)
{
    private volatile TcpOutcome[] _outcomes = [];

    public SeriesLabels Labels => labels;

    /// <summary>Of the labels that expressions set.</summary>
    public string[] Values => values;

    public IReadOnlyList<TcpOutcome> Outcomes => _outcomes;

    public TcpOutcome For(ResponseFlags flags)
    {
        foreach (var outcome in _outcomes)
            if (outcome.Flags == flags) return outcome;

        var added = new TcpOutcome(flags);
        _outcomes = [.. _outcomes, added];
        return added;
    }
}

/// <summary>Connections with the same labels and the same end.</summary>
internal sealed class TcpOutcome(ResponseFlags flags)
{
    public ResponseFlags Flags => flags;
    public long Opened, Closed, SentBytes, ReceivedBytes;
}
