namespace Mesh.Net;

/// <summary>
/// The loop's time: read from the source once per batch of events, then the same for everyone in that batch. Timestamps are nanoseconds.
/// </summary>
public sealed class LoopClock : TimeProvider
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    private readonly TimeProvider _source;
    private readonly long _origin;
    private long _now;
    private DateTimeOffset _utcNow;
    private bool _utcKnown;

    public LoopClock(TimeProvider source)
    {
        _source = source;
        _origin = source.GetTimestamp();
        Refresh();
    }

    public override long TimestampFrequency => NanosecondsPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long GetTimestamp() => _now;

    /// <summary>Asks the source at most once per batch.</summary>
    public override DateTimeOffset GetUtcNow()
    {
        if (_utcKnown) return _utcNow;

        _utcKnown = true;
        return _utcNow = _source.GetUtcNow();
    }

    /// <summary>Nanoseconds at the source right now, not cached: for measuring what happens inside one batch.</summary>
    public long PreciseTimestamp() => ToNanoseconds(_source.GetTimestamp() - _origin);

    internal void Refresh()
    {
        _now = Math.Max(_now, PreciseTimestamp());
        _utcKnown = false;
    }

    private long ToNanoseconds(long ticks) =>
        _source.TimestampFrequency == NanosecondsPerSecond
            ? ticks
            : (long)((Int128)ticks * NanosecondsPerSecond / _source.TimestampFrequency);
}
