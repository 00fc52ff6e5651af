namespace Mesh.Net;

/// <summary>The instant after which waiting is pointless, as a timestamp of the <see cref="TimeProvider"/> it was made with.</summary>
public readonly record struct Deadline(long Timestamp)
{
    /// <summary>For waits whose end is guarded elsewhere. Say where, beside the use.</summary>
    public static readonly Deadline Never = new(long.MaxValue);

    public static Deadline After(TimeProvider time, TimeSpan wait)
    {
        var ticks = wait.TotalSeconds * time.TimestampFrequency;
        var now = time.GetTimestamp();
        return ticks >= long.MaxValue - now ? Never : new(now + (long)ticks);
    }

    public bool IsNever => Timestamp == long.MaxValue;

    public bool HasPassed(TimeProvider time) => time.GetTimestamp() >= Timestamp;

    /// <returns>Never negative.</returns>
    public TimeSpan Remaining(TimeProvider time) =>
        IsNever ? TimeSpan.MaxValue : time.GetElapsedTime(Math.Min(time.GetTimestamp(), Timestamp), Timestamp);

    public Deadline Sooner(Deadline other) => Timestamp <= other.Timestamp ? this : other;
}
