namespace Mesh.ControlPlane.Serve;

/// <summary>
/// When to act on changes that come in bursts: after a quiet moment, at the latest after a longer one, so that a steady trickle
/// cannot hold a change back for ever. Pure: it is told the time.
/// </summary>
internal sealed class Debounce(TimeSpan quiet, TimeSpan max)
{
    private DateTimeOffset first, last;

    public bool IsPending { get; private set; }

    /// <param name="urgent">Does not wait for a quiet moment, nor does what waits already.</param>
    public void Changed(DateTimeOffset now, bool urgent)
    {
        if (!IsPending) first = now;
        last = urgent ? DateTimeOffset.MinValue : last > DateTimeOffset.MinValue || !IsPending ? now : last;
        IsPending = true;
    }

    /// <summary>How long to wait yet; zero: act now.</summary>
    public TimeSpan Wait(DateTimeOffset now)
    {
        if (last == DateTimeOffset.MinValue) return TimeSpan.Zero;

        var untilQuiet = last + quiet - now;
        var untilMax = first + max - now;
        var wait = untilQuiet < untilMax ? untilQuiet : untilMax;
        return wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
    }

    public void Done()
    {
        IsPending = false;
        first = last = DateTimeOffset.UnixEpoch;
    }
}
