using System.Net;
using Mesh.Net;

namespace Mesh.Sim.Net;

/// <summary>
/// A whole network in memory, with its own time, driven by the test's thread. The same seed gives the same run.
/// Loops made here run the production code over <see cref="MemoryTransport"/>; <see cref="Run(Func{ValueTask}, TimeSpan?)"/> and <see cref="Advance"/> turn them.
/// </summary>
public sealed class SimNetwork : IDisposable
{
    // Turns without time moving: beyond it two flows keep each other busy for ever.
    private const int TurnsAtOneInstantMax = 200_000;

    private readonly List<Loop> _loops = [];
    private readonly List<SimHost> _hosts = [];
    private readonly PriorityQueue<Action, (long Due, long Order)> _onTheirWay = new();
    private readonly HashSet<IPEndPoint> _blackholes = [];
    private readonly HashSet<IPAddress> _unreachable = [];
    private readonly List<Exception> _escaped = [];
    private long _order;

    public SimNetwork(int seed = 1, SimConditions? conditions = null)
    {
        Seed = seed;
        Random = new Random(seed);
        Conditions = conditions ?? SimConditions.Calm;
    }

    public int Seed { get; }

    public SimClock Clock { get; } = new();

    /// <summary>For connections made from now on.</summary>
    public SimConditions Conditions { get; set; }

    internal Random Random { get; }

    /// <summary>Every open connection, both ends.</summary>
    internal List<MemoryConnection> Connections { get; } = [];

    /// <summary>Connections that are open now, each counted once: what a leak test looks at.</summary>
    public int OpenConnections => Connections.Count(c => c.IsClient && c.IsOpen);

    public SimHost Host(string name, params string[] addresses)
    {
        var host = new SimHost(this, name, addresses.Length == 0 ? [IPAddress.Loopback] : [.. addresses.Select(IPAddress.Parse)]);
        _hosts.Add(host);
        return host;
    }

    /// <summary>One more loop on that host (a new host on loopback when null).</summary>
    public Loop CreateLoop(SimHost? host = null)
    {
        host ??= _hosts.FirstOrDefault() ?? Host("localhost");
        var loop = new Loop(new MemoryTransport(host), Clock, Random.Next(), _escaped.Add);
        _loops.Add(loop);
        return loop;
    }

    /// <summary>Nothing answers there any more: connects hang until their deadline.</summary>
    public void Blackhole(IPEndPoint target) => _blackholes.Add(target);

    /// <summary>No route to that address.</summary>
    public void Unreachable(IPAddress address) => _unreachable.Add(address);

    public void Heal()
    {
        _blackholes.Clear();
        _unreachable.Clear();
        foreach (var connection in Connections) connection.IsCut = false;
    }

    /// <summary>The cable is pulled: established connections to that address stay open and carry nothing more, in either direction.</summary>
    public void Cut(IPEndPoint target)
    {
        _blackholes.Add(target);
        foreach (var connection in Connections.Where(c => c.Touches(target))) connection.IsCut = true;
    }

    /// <summary>Both ends of every connection to that address see a reset.</summary>
    public void Reset(IPEndPoint target)
    {
        foreach (var connection in Connections.Where(c => c.IsClient && c.Touches(target)).ToList()) connection.BreakBothEnds();
    }

    /// <summary>Runs a flow on the loop to its end, moving time as needed. Throws what it throws, or when it is not done within the limit of virtual time.</summary>
    public void Run(Loop loop, Func<ValueTask> flow, TimeSpan? limit = null)
    {
        var task = (Task?)null;
        loop.Soon(() => task = flow().AsTask());
        RunUntil(() => task is { IsCompleted: true }, limit ?? TimeSpan.FromMinutes(10));
        task!.GetAwaiter().GetResult();
    }

    public void Run(Func<ValueTask> flow, TimeSpan? limit = null) =>
        Run(_loops.Count > 0 ? _loops[0] : CreateLoop(), flow, limit);

    /// <summary>Moves time and turns every loop until the condition holds; throws when the limit of virtual time passes first.</summary>
    public void RunUntil(Func<bool> condition, TimeSpan limit)
    {
        var end = Clock.GetTimestamp() + limit.Ticks * 100;
        while (true)
        {
            Settle(condition);
            if (condition()) return;

            var next = NextInstant();
            if (next > end)
                throw new TimeoutException($"not done after {limit} of virtual time (seed {Seed}){(next == long.MaxValue ? ": nothing is left to happen" : "")}");
            Clock.MoveTo(next);
        }
    }

    /// <summary>Lets that much virtual time pass and everything due in it happen.</summary>
    public void Advance(TimeSpan time)
    {
        var end = Clock.GetTimestamp() + time.Ticks * 100;
        Settle();
        while (NextInstant() is var next && next <= end)
        {
            Clock.MoveTo(next);
            Settle();
        }

        Clock.MoveTo(end);
        Settle();
    }

    /// <summary>Turns every loop until nothing is ready at this instant.</summary>
    public void Settle() => Settle(static () => false);

    public void Dispose()
    {
        foreach (var loop in _loops) loop.Dispose();
    }

    internal SimHost? HostOf(IPAddress address, SimHost from) =>
        IPAddress.IsLoopback(address) ? from : _hosts.Find(h => h.Addresses.Contains(address));

    internal bool IsBlackhole(IPEndPoint target) => _blackholes.Contains(target);

    internal bool IsUnreachable(IPAddress address) => _unreachable.Contains(address);

    /// <summary>After one latency from now, and after everything given the same floor before.</summary>
    internal long Deliver(Action arrival, long notBefore = 0)
    {
        var spread = (Conditions.LatencyMax - Conditions.LatencyMin).Ticks;
        var latency = (Conditions.LatencyMin.Ticks + (spread > 0 ? Random.NextInt64(spread + 1) : 0)) * 100;
        var due = Math.Max(Clock.GetTimestamp() + latency, notBefore);
        _onTheirWay.Enqueue(arrival, (due, _order++));
        return due;
    }

    private void Settle(Func<bool> enough)
    {
        for (var turn = 0; ; turn++)
        {
            if (turn > TurnsAtOneInstantMax) throw new TimeoutException($"the loops never come to rest at one instant (seed {Seed})");

            while (_onTheirWay.TryPeek(out var arrival, out var when) && when.Due <= Clock.GetTimestamp())
            {
                _onTheirWay.Dequeue();
                arrival();
            }

            var busy = false;
            foreach (var loop in _loops.ToArray())
            {
                if (!loop.HasWork) continue;

                busy = true;
                loop.RunOnce(TimeSpan.Zero);
            }

            if (_escaped.Count > 0) throw new AggregateException($"an exception escaped a flow (seed {Seed})", _escaped);
            if (enough() || (!busy && !(_onTheirWay.TryPeek(out _, out var next) && next.Due <= Clock.GetTimestamp()))) return;
        }
    }

    private long NextInstant()
    {
        var next = _onTheirWay.TryPeek(out _, out var when) ? when.Due : long.MaxValue;
        foreach (var loop in _loops)
        {
            var wait = loop.Timers.NextIn();
            if (wait < TimeSpan.MaxValue) next = Math.Min(next, Clock.GetTimestamp() + Math.Max(1, wait.Ticks) * 100);
        }

        return next;
    }
}
