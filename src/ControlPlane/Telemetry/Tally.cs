namespace Mesh.ControlPlane.Telemetry;

/// <summary>What was counted for one series in one stretch of time.</summary>
internal sealed class Tally
{
    /// <summary>Upper bounds in milliseconds of Istio's duration histogram; one more bucket has none.</summary>
    public static ReadOnlySpan<double> BoundsMs => [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000];

    public const int BucketCount = 20;

    // Past this many different ends of one series the rest is counted without its code.
    private const int EndsMax = 64;

    private readonly Dictionary<(int Status, string Flags), long> ends = [];
    private readonly long[] durations = new long[BucketCount];

    public long Requests { get; private set; }

    /// <summary>No answer, 5xx, or a gRPC status other than OK, CANCELLED, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS and PERMISSION_DENIED.</summary>
    public long Failures { get; private set; }
    public long RequestBytes { get; private set; }
    public long ResponseBytes { get; private set; }
    public long Opened { get; private set; }
    public long Closed { get; private set; }
    public long Sent { get; private set; }
    public long Received { get; private set; }
    public IReadOnlyDictionary<(int Status, string Flags), long> Ends => ends;

    public void AddRequests(int status, string flags, int grpcStatus, long count, ReadOnlySpan<uint> buckets, long requestBytes, long responseBytes)
    {
        Requests += count;
        RequestBytes += requestBytes;
        ResponseBytes += responseBytes;
        if (IsFailure(status, grpcStatus)) Failures += count;
        var end = ends.Count < EndsMax || ends.ContainsKey((status, flags)) ? (status, flags) : (0, "overflow");
        ends[end] = ends.GetValueOrDefault(end) + count;
        for (var i = 0; i < Math.Min(buckets.Length, BucketCount); i++) durations[i] += buckets[i];
    }

    public void AddConnections(long opened, long closed, long sent, long received)
    {
        Opened += opened;
        Closed += closed;
        Sent += sent;
        Received += received;
    }

    public void Add(Tally other)
    {
        Requests += other.Requests;
        Failures += other.Failures;
        RequestBytes += other.RequestBytes;
        ResponseBytes += other.ResponseBytes;
        AddConnections(other.Opened, other.Closed, other.Sent, other.Received);
        foreach (var (end, count) in other.ends) ends[end] = ends.GetValueOrDefault(end) + count;
        for (var i = 0; i < BucketCount; i++) durations[i] += other.durations[i];
    }

    /// <summary>Linear within its bucket. Null when nothing was timed; the last finite bound when it lies beyond.</summary>
    public double? PercentileMs(double share)
    {
        var total = durations.Sum();
        if (total == 0) return null;

        var rank = share * total;
        double below = 0, lower = 0;
        for (var i = 0; i < BucketCount; i++)
        {
            if (i == BucketCount - 1) break;
            if (durations[i] > 0 && below + durations[i] >= rank) return lower + (BoundsMs[i] - lower) * (rank - below) / durations[i];
            below += durations[i];
            lower = BoundsMs[i];
        }
        return lower;
    }

    private static bool IsFailure(int status, int grpcStatus) =>
        status == 0 || status >= 500 || grpcStatus is 2 or 4 or (>= 8 and <= 16);
}
