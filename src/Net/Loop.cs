using System.Collections.Concurrent;
using System.Diagnostics;

namespace Mesh.Net;

/// <summary>
/// One thread and all it owns: transport, timers, buffers, clock, randomness. It runs what is ready, fires timers, lets the transport poll.
/// Everything but <see cref="Post(Action)"/> and <see cref="Stop"/> is for its own thread. No SynchronizationContext is ever installed:
/// every awaitable of ours continues inline on the loop.
/// </summary>
public sealed class Loop : IDisposable
{
    private const int PooledWaitsMax = 4096;

    // After so many of one kind the loop looks at the others: a flow that always has more to do starves nobody.
    private const int ReadyPerTurnMax = 1024;

    private readonly ConcurrentQueue<Work> _posted = new();
    private readonly Queue<Work> _ready = new();
    private readonly List<Connection> _toFlush = [];
    private readonly Stack<LoopWait> _waits = new();
    private readonly Action<Exception>? _onUnhandled;
    private Thread? _thread;
    private int _wakeIsDue;
    private volatile bool _stopping;

    /// <param name="time">The source of the loop's clock: <see cref="TimeProvider.System"/>, or virtual time.</param>
    /// <param name="onUnhandled">Told of an exception that escaped a flow, which then is gone; the loop goes on. Null: it ends the loop.</param>
    public Loop(Transport transport, TimeProvider time, int seed, Action<Exception>? onUnhandled = null)
    {
        Transport = transport;
        Clock = new LoopClock(time);
        Timers = new Timers(Clock);
        Buffers = new BufferPool();
        Random = new LoopRandom(seed);
        _onUnhandled = onUnhandled;
        transport.Attach(this);
    }

    public Transport Transport { get; }

    public LoopClock Clock { get; }

    public Timers Timers { get; }

    public BufferPool Buffers { get; }

    public Random Random { get; }

    /// <summary>At the end of every batch of events, before output is flushed: for publishing counters, never for waiting.</summary>
    public event Action? BatchEnding;

    /// <summary>Batches of events handled since the start.</summary>
    public long Batches { get; private set; }

    /// <summary>Starts the loop's own thread.</summary>
    public Thread Start(string name)
    {
        var thread = new Thread(Run) { Name = name, IsBackground = true };
        thread.Start();
        return thread;
    }

    /// <summary>Runs on the calling thread until <see cref="Stop"/>.</summary>
    public void Run()
    {
        // No flow of ours has ambient state: capturing and restoring an execution context at every await would be work for nothing.
        using var flow = ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow();
        while (!_stopping) RunOnce(TimeSpan.MaxValue);
        Transport.Dispose();
        RunReady();
    }

    /// <summary>One batch: what is ready, what is due, then one poll that waits no longer than <paramref name="waitMax"/>.</summary>
    public void RunOnce(TimeSpan waitMax)
    {
        _thread ??= Thread.CurrentThread;
        AssertOwned();
        Clock.Refresh();
        RunReady();
        Guarded(static loop => loop.Timers.Fire());
        RunReady();
        EndBatch();

        var wait = _ready.Count > 0 || !_posted.IsEmpty || _stopping ? TimeSpan.Zero : Timers.NextIn();
        Guarded(static (loop, wait) => loop.Transport.Poll(wait), wait < waitMax ? wait : waitMax);
        Clock.Refresh();
        RunReady();
        EndBatch();
        Batches++;
    }

    /// <summary>Ends <see cref="Run"/> after the current batch. Any thread.</summary>
    public void Stop()
    {
        _stopping = true;
        Transport.Wake();
    }

    /// <summary>Runs it on the loop. Any thread; in order per thread.</summary>
    public void Post(Action action) => Post(static action => ((Action)action!)(), action);

    public void Post(Action<object?> action, object? state)
    {
        _posted.Enqueue(new(action, state, IoStatus.Ok));
        if (Interlocked.Exchange(ref _wakeIsDue, 1) == 0) Transport.Wake();
    }

    /// <summary>Runs it on the loop once the current event has come to rest: the way out of recursion. Loop thread only.</summary>
    public void Soon(Action action) => Soon(static action => ((Action)action!)(), action);

    public void Soon(Action<object?> action, object? state)
    {
        AssertOwned();
        _ready.Enqueue(new(action, state, IoStatus.Ok));
    }

    /// <summary>Waits that long, on this loop's clock.</summary>
    public ValueTask Delay(TimeSpan time) => WaitUntil(Deadline.After(Clock, time));

    public ValueTask WaitUntil(Deadline deadline)
    {
        AssertOwned();
        var wait = RentWait();
        wait.Begin(null, deadline);
        return wait.PlainTask;
    }

    /// <summary>Lets everything else that is ready go first.</summary>
    public ValueTask Yield()
    {
        var wait = RentWait();
        wait.Begin(null, Deadline.Never);
        CompleteSoon(wait, IoStatus.Ok);
        return wait.PlainTask;
    }

    /// <summary>Awaited on any thread, goes on as this loop's next work: the way home from somebody else's task.</summary>
    public LoopSwitch SwitchTo() => new(this);

    /// <summary>In DEBUG: this is the loop's thread.</summary>
    [Conditional("DEBUG")]
    public void AssertOwned() =>
        Debug.Assert(_thread is null || _thread == Thread.CurrentThread, "this belongs to another loop's thread");

    public void Dispose() => Transport.Dispose();

    /// <summary>Something would happen at this instant if the loop were turned.</summary>
    internal bool HasWork
    {
        get
        {
            Clock.Refresh();
            return _ready.Count > 0 || !_posted.IsEmpty || _toFlush.Count > 0 || Transport.HasEvents || Timers.NextIn() <= TimeSpan.Zero;
        }
    }

    internal LoopWait RentWait() => _waits.TryPop(out var wait) ? wait : new LoopWait(this);

    internal void GiveBack(LoopWait wait)
    {
        if (_waits.Count < PooledWaitsMax) _waits.Push(wait);
    }

    /// <summary>Its deadline no longer counts; the waiter continues when the current event has come to rest.</summary>
    internal void CompleteSoon(LoopWait wait, IoStatus status)
    {
        Timers.Disarm(wait);
        wait.Owner = null;
        _ready.Enqueue(new(null, wait, status));
    }

    internal void FlushAtEndOfBatch(Connection connection) => _toFlush.Add(connection);

    /// <summary>Runs one event's work; an exception that escapes it is reported and the loop goes on.</summary>
    internal void Guarded(Action<Loop> work)
    {
        try
        {
            work(this);
        }
        catch (Exception e) when (_onUnhandled is not null)
        {
            _onUnhandled(e);
        }
    }

    internal void Guarded<T>(Action<Loop, T> work, T state)
    {
        try
        {
            work(this, state);
        }
        catch (Exception e) when (_onUnhandled is not null)
        {
            _onUnhandled(e);
        }
    }

    private void RunReady()
    {
        Volatile.Write(ref _wakeIsDue, 0);
        for (var i = 0; i < ReadyPerTurnMax && _posted.TryDequeue(out var work); i++) Guarded(RunWork, work);
        for (var i = 0; i < ReadyPerTurnMax && _ready.TryDequeue(out var work); i++) Guarded(RunWork, work);
    }

    private static readonly Action<Loop, Work> RunWork = static (_, work) =>
    {
        if (work.Action is null) ((LoopWait)work.State!).Complete(work.Status);
        else work.Action(work.State);
    };

    private void EndBatch()
    {
        BatchEnding?.Invoke();
        for (var i = 0; i < _toFlush.Count; i++) _toFlush[i].FlushNow();
        _toFlush.Clear();
    }

    private readonly record struct Work(Action<object?>? Action, object? State, IoStatus Status);
}
