using System.Diagnostics;
using System.Threading.Tasks.Sources;

namespace Mesh.Net;

/// <summary>
/// One wait for one status, with a deadline: pooled by its loop, so waiting allocates nothing; completed inline on the loop. Loop thread only.
/// </summary>
internal sealed class LoopWait(Loop loop) : TimerEntry, IValueTaskSource<IoStatus>, IValueTaskSource
{
    private static readonly Action<object?> Consumed = static _ => throw new InvalidOperationException("awaited twice");

    private Action<object?>? _continuation;
    private object? _state;
    private IoStatus _status;
    private bool _isCompleted;
    private short _version;

    /// <summary>For a list of waits at one place.</summary>
    internal LoopWait? NextWait;

    /// <summary>Called when the deadline passes, before the waiter continues: forget this wait.</summary>
    internal ILoopWaitOwner? Owner;

    internal ValueTask<IoStatus> Task => new(this, _version);

    internal ValueTask PlainTask => new(this, _version);

    internal void Begin(ILoopWaitOwner? owner, Deadline deadline)
    {
        Owner = owner;
        _isCompleted = false;
        _continuation = null;
        loop.Timers.Arm(this, deadline);
    }

    /// <summary>The waiter continues before this returns.</summary>
    internal void Complete(IoStatus status)
    {
        Debug.Assert(!_isCompleted, "a wait completes once");
        loop.Timers.Disarm(this);
        Owner = null;
        _status = status;
        _isCompleted = true;
        if (_continuation is { } continuation) continuation(_state);
    }

    protected internal override void OnDue()
    {
        Owner?.OnTimedOut(this);
        Complete(IoStatus.TimedOut);
    }

    IoStatus IValueTaskSource<IoStatus>.GetResult(short token) => Finish(token);

    void IValueTaskSource.GetResult(short token) => Finish(token);

    public ValueTaskSourceStatus GetStatus(short token)
    {
        CheckToken(token);
        return _isCompleted ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Pending;
    }

    // Neither the scheduling context nor the execution context is looked at: there is none on a loop.
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        CheckToken(token);
        if (_isCompleted)
        {
            continuation(state);
            return;
        }

        if (_continuation is not null) Consumed(null);
        _state = state;
        _continuation = continuation;
    }

    private IoStatus Finish(short token)
    {
        CheckToken(token);
        if (!_isCompleted) throw new InvalidOperationException("the loop cannot block on its own wait");

        var status = _status;
        _version++;
        _continuation = null;
        _state = null;
        loop.GiveBack(this);
        return status;
    }

    private void CheckToken(short token)
    {
        if (token != _version) Consumed(null);
    }
}

internal interface ILoopWaitOwner
{
    void OnTimedOut(LoopWait wait);
}
