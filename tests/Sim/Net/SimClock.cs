namespace Mesh.Sim.Net;

/// <summary>Virtual time: stands still until a test or the simulated network moves it.</summary>
public sealed class SimClock : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private long _nanoseconds;

    public override long TimestampFrequency => 1_000_000_000;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public TimeSpan Elapsed => TimeSpan.FromTicks(_nanoseconds / 100);

    public override long GetTimestamp() => _nanoseconds;

    public override DateTimeOffset GetUtcNow() => Start + Elapsed;

    internal void MoveTo(long nanoseconds) => _nanoseconds = Math.Max(_nanoseconds, nanoseconds);

    internal void MoveBy(TimeSpan time) => MoveTo(_nanoseconds + time.Ticks * 100);
}
