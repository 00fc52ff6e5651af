namespace Mesh.Proxy.Observe;

/// <summary>
/// What one loop has counted. Plain longs with one writer: the loop adds, a scrape on another thread reads (aligned 64-bit reads do not tear) and sums over loops.
/// A series is looked up when route, endpoint and peer come together for the first time and then kept where they are kept; no request looks anything up.
/// </summary>
internal sealed class Counters
{
    /// <summary>More label sets than this fall into one shared series, so that no caller can fill the memory by inventing labels.</summary>
    public const int SeriesMax = 10_000;

    private static readonly SeriesLabels Overflow = new("unknown", WorkloadLabels.Unknown, "unknown", WorkloadLabels.Unknown, "unknown", "overflow", "overflow", "unknown", "unknown", "unknown");

    private readonly Dictionary<SeriesLabels, RequestSeries> _requests = [];
    private readonly Dictionary<SeriesLabels, TcpSeries> _tcp = [];
    private volatile RequestSeries[] _requestList = [];
    private volatile TcpSeries[] _tcpList = [];

    /// <summary>For a scrape, from any thread.</summary>
    public IReadOnlyList<RequestSeries> Requests => _requestList;

    /// <summary>For a scrape, from any thread.</summary>
    public IReadOnlyList<TcpSeries> Tcp => _tcpList;

    public long DownstreamConnections, DownstreamConnectionsActive, DownstreamRequests, DownstreamRequestsActive;
    public long AccessLogLinesDropped, ConnectionsShed, RequestsShed, ProtocolErrors, TlsHandshakes, TlsFailures, Bugs, ConnectionsWithoutChain;

    public RequestSeries RequestsFor(SeriesLabels labels)
    {
        if (_requests.TryGetValue(labels, out var series)) return series;

        if (_requests.Count >= SeriesMax && labels != Overflow) return RequestsFor(Overflow);
        _requests[labels] = series = new(labels);
        _requestList = [.. _requestList, series];
        return series;
    }

    public TcpSeries TcpFor(SeriesLabels labels)
    {
        if (_tcp.TryGetValue(labels, out var series)) return series;

        if (_tcp.Count >= SeriesMax && labels != Overflow) return TcpFor(Overflow);
        _tcp[labels] = series = new(labels);
        _tcpList = [.. _tcpList, series];
        return series;
    }
}

/// <summary>A workload as Istio's metrics name it.</summary>
internal sealed record WorkloadLabels(string Workload, string Namespace, string CanonicalService, string CanonicalRevision, string App, string Version, string Cluster)
{
    public static WorkloadLabels Unknown { get; } = new("unknown", "unknown", "unknown", "latest", "unknown", "unknown", "unknown");
}

/// <summary>The labels that do not depend on how a request ends. Names and order are those of Istio's standard metrics.</summary>
internal sealed record SeriesLabels(
    string Reporter, WorkloadLabels Source, string SourcePrincipal, WorkloadLabels Destination, string DestinationPrincipal,
    string DestinationService, string DestinationServiceName, string DestinationServiceNamespace, string Protocol, string SecurityPolicy);

/// <summary>All requests with the same labels, told apart by how they ended.</summary>
internal sealed class RequestSeries(SeriesLabels labels)
{
    private volatile Outcome[] _outcomes = [];

    public SeriesLabels Labels => labels;

    public IReadOnlyList<Outcome> Outcomes => _outcomes;

    /// <param name="grpcStatus">-1 when the request was not gRPC.</param>
    public void Record(int status, ResponseFlags flags, int grpcStatus, double milliseconds, long requestBytes, long responseBytes)
    {
        var outcome = Find(status, flags, grpcStatus);
        outcome.Count++;
        outcome.Duration.Add(milliseconds);
        outcome.RequestBytes.Add(requestBytes);
        outcome.ResponseBytes.Add(responseBytes);
    }

    public void RecordMessages(int status, ResponseFlags flags, int grpcStatus, long requestMessages, long responseMessages)
    {
        var outcome = Find(status, flags, grpcStatus);
        outcome.RequestMessages += requestMessages;
        outcome.ResponseMessages += responseMessages;
    }

    private Outcome Find(int status, ResponseFlags flags, int grpcStatus)
    {
        foreach (var outcome in _outcomes)
            if (outcome.Status == status && outcome.Flags == flags && outcome.GrpcStatus == grpcStatus) return outcome;

        var added = new Outcome(status, flags, grpcStatus);
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
    public long Count, RequestMessages, ResponseMessages;
    public Histogram Duration { get; } = new();
    public Histogram RequestBytes { get; } = new();
    public Histogram ResponseBytes { get; } = new();
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
internal sealed class TcpSeries(SeriesLabels labels)
{
    private volatile TcpOutcome[] _outcomes = [];

    public SeriesLabels Labels => labels;

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
