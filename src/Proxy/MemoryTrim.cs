using Mesh.Net;

namespace Mesh.Proxy;

/// <summary>
/// Gives back what the start and changes of the configuration left behind, in a quiet moment after them: once when the proxy has become ready, later only
/// where much was allocated and not more often than once in a while, because traffic stands still meanwhile.
/// </summary>
/// <param name="allocatedBytes">All that was ever allocated.</param>
internal sealed class MemoryTrim(TimeProvider time, Func<long> allocatedBytes, Action giveBack) : IDisposable
{
    /// <summary>Less is not worth a pause.</summary>
    internal const long WorthwhileBytes = 4 << 20;

    /// <summary>After the last change.</summary>
    internal static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    /// <summary>Between two pauses.</summary>
    internal static readonly TimeSpan Pause = TimeSpan.FromSeconds(60);

    private readonly Lock _look = new();
    private ITimer? _timer;
    private long? _lastAt;
    private long _allocatedAtLast;

    /// <summary>The configuration changed. Any thread.</summary>
    public void Changed()
    {
        lock (_look)
        {
            var wait = Quiet;
            if (_lastAt is { } last && Pause - time.GetElapsedTime(last) is var left && left > wait) wait = left;
            _timer ??= time.CreateTimer(_ => Look(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Memory runs out: now, but not at every look. Any thread.</summary>
    public void Now()
    {
        lock (_look)
        {
            if (_lastAt is { } last && time.GetElapsedTime(last) < Quiet) return;

            giveBack();
            (_lastAt, _allocatedAtLast) = (time.GetTimestamp(), allocatedBytes());
        }
    }

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        lock (_look)
        {
            var allocated = allocatedBytes();
            if (_lastAt is not null && allocated - _allocatedAtLast < WorthwhileBytes) return;

            giveBack();
            (_lastAt, _allocatedAtLast) = (time.GetTimestamp(), allocated);
        }
    }
}
