using Mesh.Http.H2;
using Mesh.Net;

namespace Mesh.Proxy.Http;

/// <summary>
/// The streams of one HTTP/2 connection: those under way, and ended ones kept for the next, so that a busy connection allocates nothing.
/// A connection that was quiet for a while keeps none. Loop thread only.
/// </summary>
internal sealed class ConnectionStreams<T> where T : class
{
    private const int SpareMax = 1024;
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(5);

    private readonly Func<T> make;
    private readonly Loop loop;
    private readonly List<T> _active = [];
    private readonly Stack<T> _spare = new();
    private readonly LoopTimer _restTimer;
    private long _quietSince;
    private bool _hasEnded;

    public ConnectionStreams(Loop loop, Func<T> make)
    {
        (this.loop, this.make) = (loop, make);
        _restTimer = new(loop, LetGoOfSpares);
    }

    /// <summary>What the session below keeps of its own streams.</summary>
    public H2StreamPool Wires { get; } = new();
    public int Count => _active.Count;
    public T this[int at] => _active[at];

    public T Take()
    {
        var stream = _spare.TryPop(out var spare) ? spare : make();
        _active.Add(stream);
        return stream;
    }

    public void GiveBack(T stream)
    {
        _active.Remove(stream);
        if (_spare.Count < SpareMax) _spare.Push(stream);
        if (_active.Count > 0 || _hasEnded) return;

        _quietSince = loop.Clock.GetTimestamp();
        if (!_restTimer.IsArmed) _restTimer.Arm(Deadline.After(loop.Clock, Rest));
    }

    /// <summary>The connection has ended: nothing is kept for later any more. Its streams have still to be told.</summary>
    public void End()
    {
        _hasEnded = true;
        _restTimer.Disarm();
    }

    private void LetGoOfSpares()
    {
        if (_active.Count > 0) return;

        var rested = loop.Clock.GetElapsedTime(_quietSince);
        if (rested < Rest)
        {
            _restTimer.Arm(Deadline.After(loop.Clock, Rest - rested));
            return;
        }

        _spare.Clear();
        _spare.TrimExcess();
        Wires.LetGo();
    }
}
