namespace Mesh.Net;

/// <summary>
/// Lets any number of flows of one loop wait for something another flow of it will do: room in a window, a free connection, a drain.
/// Nothing is remembered: check the condition, wait, check again. Loop thread only; waiting allocates nothing in steady state.
/// </summary>
public sealed class LoopSignal(Loop loop) : ILoopWaitOwner
{
    private LoopWait? _first;
    private LoopWait? _last;

    public bool HasWaiters => _first is not null;

    /// <returns>Ok after <see cref="Wake"/> or <see cref="WakeOne"/>, the status given to <see cref="WakeAll(IoStatus)"/>, or TimedOut.</returns>
    public ValueTask<IoStatus> WaitAsync(Deadline deadline)
    {
        if (deadline.HasPassed(loop.Clock)) return new(IoStatus.TimedOut);

        var wait = loop.RentWait();
        if (_last is null) _first = wait;
        else _last.NextWait = wait;
        _last = wait;
        wait.Begin(this, deadline);
        return wait.Task;
    }

    /// <summary>All who wait now continue, in order of their coming, after the caller has come to rest.</summary>
    public void Wake() => WakeAll(IoStatus.Ok);

    public void WakeAll(IoStatus status)
    {
        while (_first is not null) WakeFirst(status);
    }

    /// <summary>The one who waits longest continues, after the caller has come to rest.</summary>
    /// <returns>False when nobody waited.</returns>
    public bool WakeOne()
    {
        if (_first is null) return false;

        WakeFirst(IoStatus.Ok);
        return true;
    }

    void ILoopWaitOwner.OnTimedOut(LoopWait wait)
    {
        LoopWait? previous = null;
        for (var at = _first; at is not null; previous = at, at = at.NextWait)
        {
            if (at != wait) continue;

            if (previous is null) _first = wait.NextWait;
            else previous.NextWait = wait.NextWait;
            if (_last == wait) _last = previous;
            wait.NextWait = null;
            return;
        }
    }

    private void WakeFirst(IoStatus status)
    {
        var wait = _first!;
        _first = wait.NextWait;
        if (_first is null) _last = null;
        wait.NextWait = null;
        loop.CompleteSoon(wait, status);
    }
}
