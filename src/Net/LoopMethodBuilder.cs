using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Threading.Tasks.Sources;

namespace Mesh.Net;

/// <summary>
/// Builds async methods that run on a loop and return <see cref="ValueTask{TResult}"/>: <c>[AsyncMethodBuilder(typeof(LoopMethodBuilder&lt;&gt;))]</c>.
/// A method that waits takes its state from a pool of its thread, however many wait at once (the runtime's pooling builder keeps two and allocates the rest), captures no
/// execution context (none flows on a loop), and continues its caller inline. Await each result once, on the loop.
/// </summary>
public struct LoopMethodBuilder<T>
{
    private LoopMethodBox<T>? _box;
    private T _result;

    public static LoopMethodBuilder<T> Create() => default;

    public readonly ValueTask<T> Task => _box is { } box ? box.Task : new(_result);

    internal readonly ValueTask PlainTask => _box is { } box ? box.PlainTask : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine) where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    /// <summary>For builders that box a state machine by themselves; ours never does.</summary>
    public readonly void SetStateMachine(IAsyncStateMachine stateMachine)
    {
    }

    public void SetResult(T result)
    {
        if (_box is { } box) box.Complete(result);
        else _result = result;
    }

    public void SetException(Exception exception) => (_box ??= new LoopMethodBox<T>()).Fail(exception);

    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.OnCompleted(BoxOf(ref stateMachine).Continue);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => awaiter.UnsafeOnCompleted(BoxOf(ref stateMachine).Continue);

    private LoopMethodBox<T> BoxOf<TStateMachine>(ref TStateMachine stateMachine) where TStateMachine : IAsyncStateMachine
    {
        if (_box is { } known) return known;

        // The builder is a part of the state machine: it must know its box before it is copied into it.
        var box = LoopMethodBox<T, TStateMachine>.Rent();
        _box = box;
        box.StateMachine = stateMachine;
        return box;
    }
}

/// <summary>As <see cref="LoopMethodBuilder{T}"/>, for methods without a result.</summary>
public struct LoopMethodBuilder
{
    private LoopMethodBuilder<bool> _builder;

    public static LoopMethodBuilder Create() => default;

    public readonly ValueTask Task => _builder.PlainTask;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Start<TStateMachine>(ref TStateMachine stateMachine) where TStateMachine : IAsyncStateMachine => stateMachine.MoveNext();

    public readonly void SetStateMachine(IAsyncStateMachine stateMachine) => _builder.SetStateMachine(stateMachine);

    public void SetResult() => _builder.SetResult(true);

    public void SetException(Exception exception) => _builder.SetException(exception);

    public void AwaitOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : INotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitOnCompleted(ref awaiter, ref stateMachine);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AwaitUnsafeOnCompleted<TAwaiter, TStateMachine>(ref TAwaiter awaiter, ref TStateMachine stateMachine)
        where TAwaiter : ICriticalNotifyCompletion
        where TStateMachine : IAsyncStateMachine => _builder.AwaitUnsafeOnCompleted(ref awaiter, ref stateMachine);
}

/// <summary>What an async method's caller waits for.</summary>
internal class LoopMethodBox<T> : IValueTaskSource<T>, IValueTaskSource
{
    private static readonly Action Nothing = static () => { };

    private T? _result;
    private Exception? _error;
    private Action<object?>? _continuation;
    private object? _state;
    private bool _isCompleted;
    private short _version;

    internal Action Continue { get; private protected init; } = Nothing;

    internal ValueTask<T> Task => new(this, _version);

    internal ValueTask PlainTask => new(this, _version);

    internal void Complete(T result)
    {
        _result = result;
        End();
    }

    internal void Fail(Exception error)
    {
        _error = error;
        End();
    }

    public ValueTaskSourceStatus GetStatus(short token)
    {
        Check(token);
        return !_isCompleted ? ValueTaskSourceStatus.Pending : _error is null ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Faulted;
    }

    // Neither the scheduling context nor the execution context is looked at: there is none on a loop.
    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        Check(token);
        if (_isCompleted)
        {
            continuation(state);
            return;
        }

        Debug.Assert(_continuation is null, "awaited twice");
        _state = state;
        _continuation = continuation;
    }

    public T GetResult(short token)
    {
        Check(token);
        if (!_isCompleted) throw new InvalidOperationException("a loop cannot block on its own work");

        var (result, error) = (_result, _error);
        (_result, _error, _continuation, _state, _isCompleted) = (default, null, null, null, false);
        _version++;
        Return();
        if (error is not null) ExceptionDispatchInfo.Throw(error);
        return result!;
    }

    void IValueTaskSource.GetResult(short token) => GetResult(token);

    private protected virtual void Return()
    {
    }

    private void End()
    {
        Debug.Assert(!_isCompleted, "a method ends once");
        _isCompleted = true;
        if (_continuation is { } continuation) continuation(_state);
    }

    private void Check(short token)
    {
        if (token != _version) throw new InvalidOperationException("awaited twice");
    }
}

/// <summary>One method's state while it waits. Waits in a list of its thread for its next use.</summary>
internal sealed class LoopMethodBox<T, TStateMachine> : LoopMethodBox<T> where TStateMachine : IAsyncStateMachine
{
    // As many as exchanges may wait on one loop; what a storm needed beyond it is garbage.
    private const int KeptMax = 16 * 1024;

    [ThreadStatic]
    private static LoopMethodBox<T, TStateMachine>? t_free;

    [ThreadStatic]
    private static int t_kept;

    internal TStateMachine? StateMachine;
    private LoopMethodBox<T, TStateMachine>? _next;

    private LoopMethodBox() => Continue = MoveNext;

    internal static LoopMethodBox<T, TStateMachine> Rent()
    {
        if (t_free is not { } box) return new();

        t_free = box._next;
        box._next = null;
        t_kept--;
        return box;
    }

    private void MoveNext() => StateMachine!.MoveNext();

    private protected override void Return()
    {
        StateMachine = default;
        if (t_kept >= KeptMax) return;

        t_kept++;
        _next = t_free;
        t_free = this;
    }
}
