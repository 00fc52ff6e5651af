namespace Mesh.ControlPlane.Telemetry;

/// <summary>
/// The last fifteen minutes of the mesh's traffic, in memory, in slots of a second, and the last requests that were looked at.
/// Every table of it is bounded; what does not fit is counted. Safe for many threads: reports come once a second and proxy.
/// </summary>
internal sealed class LiveTraffic(TimeProvider time)
{
    public const int SecondsKept = 15 * 60;
    private const int SeriesPerSecondMax = 5_000;
    private const int RecordsKept = 2_000;

    private readonly Lock gate = new();
    private readonly Slot[] slots = [.. Enumerable.Range(0, SecondsKept).Select(_ => new Slot())];
    private readonly Queue<RequestRecord> records = new();
    private readonly List<TapSubscription> taps = [];
    private readonly Dictionary<string, ProxyCertificate> certificates = [];

    /// <summary>Series that did not fit into their second.</summary>
    public long SeriesDropped { get; private set; }

    /// <summary>How many records a second each proxy should send: more while somebody looks.</summary>
    public int RecordsWanted
    {
        get
        {
            lock (gate) return taps.Count > 0 ? 200 : 5;
        }
    }

    /// <summary>Raised when <see cref="RecordsWanted"/> may have changed.</summary>
    public event Action? DemandChanged;

    public void Add(Series series, Action<Tally> count)
    {
        var second = time.GetUtcNow().ToUnixTimeSeconds();
        lock (gate)
        {
            var slot = slots[second % SecondsKept];
            slot.Enter(second);
            if (slot.Tallies.TryGetValue(series, out var tally)) count(tally);
            else if (slot.Tallies.Count >= SeriesPerSecondMax) SeriesDropped++;
            else
            {
                slot.Tallies[series] = tally = new Tally();
                count(tally);
            }
        }
    }

    public void Add(RequestRecord record)
    {
        lock (gate)
        {
            records.Enqueue(record);
            if (records.Count > RecordsKept) records.Dequeue();
            foreach (var tap in taps) tap.Offer(record);
        }
    }

    public void SetCertificate(string proxy, DateTimeOffset? expires, string serial)
    {
        lock (gate) certificates[proxy] = new(expires, serial);
    }

    public void Forget(string proxy)
    {
        lock (gate) certificates.Remove(proxy);
    }

    public ProxyCertificate? CertificateOf(string proxy)
    {
        lock (gate) return certificates.GetValueOrDefault(proxy);
    }

    /// <summary>Sums by series over the last whole seconds; the present one is not over yet.</summary>
    public IReadOnlyDictionary<Series, Tally> Window(TimeSpan length)
    {
        var sums = new Dictionary<Series, Tally>();
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var from = now - Math.Clamp((long)length.TotalSeconds, 1, SecondsKept - 1);
        lock (gate)
            for (var second = from; second < now; second++)
                if (slots[second % SecondsKept] is { } slot && slot.Second == second)
                    foreach (var (series, tally) in slot.Tallies)
                    {
                        if (!sums.TryGetValue(series, out var sum)) sums[series] = sum = new Tally();
                        sum.Add(tally);
                    }
        return sums;
    }

    /// <summary>Requests and failures of each second, oldest first, of the series that the filter takes.</summary>
    public IReadOnlyList<(long Second, long Requests, long Failures)> History(TimeSpan length, Func<Series, bool> filter)
    {
        var history = new List<(long, long, long)>();
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        lock (gate)
            for (var second = now - Math.Clamp((long)length.TotalSeconds, 1, SecondsKept - 1); second < now; second++)
            {
                var slot = slots[second % SecondsKept];
                var mine = slot.Second == second ? slot.Tallies.Where(t => filter(t.Key)).Select(t => t.Value).ToList() : [];
                history.Add((second, mine.Sum(t => t.Requests), mine.Sum(t => t.Failures)));
            }
        return history;
    }

    /// <summary>Newest last.</summary>
    public IReadOnlyList<RequestRecord> Recent(Func<RequestRecord, bool> filter, int countMax)
    {
        lock (gate) return [.. records.Where(filter).TakeLast(countMax)];
    }

    /// <summary>What comes from now on. Dispose it to stop; a reader that falls behind loses the oldest and is told how many.</summary>
    public TapSubscription Tap(Func<RequestRecord, bool> filter)
    {
        var tap = new TapSubscription(filter, RemoveTap);
        lock (gate) taps.Add(tap);
        DemandChanged?.Invoke();
        return tap;
    }

    private void RemoveTap(TapSubscription tap)
    {
        lock (gate) taps.Remove(tap);
        DemandChanged?.Invoke();
    }

    private sealed class Slot
    {
        public long Second { get; private set; } = -1;
        public Dictionary<Series, Tally> Tallies { get; } = [];

        public void Enter(long second)
        {
            if (Second == second) return;

            Second = second;
            Tallies.Clear();
        }
    }
}

internal sealed record ProxyCertificate(DateTimeOffset? Expires, string Serial);
