using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// What a cluster may have under way in the whole process. One object for all loops, found through the limits themselves; four numbers that are raised and
/// lowered atomically. A limit that was left at its largest costs no shared write.
/// </summary>
internal sealed class CircuitBudget
{
    // Unset limits arrive as 2^32-1: nobody reaches them, so nobody needs to count across loops.
    private const uint Unlimited = int.MaxValue;

    private readonly CircuitLimits limits;
    private int connections, pending, requests, retries;

    private CircuitBudget(CircuitLimits limits) => this.limits = limits;

    public static CircuitBudget Of(CircuitLimits limits) => limits.Cell.Get(limits, static l => new CircuitBudget(l));

    public int Requests => Volatile.Read(ref requests);
    public int Retries => Volatile.Read(ref retries);
    public int Connections => Volatile.Read(ref connections);
    public int Pending => Volatile.Read(ref pending);

    /// <summary>Looked at and counted in two steps, as a pool without any connection may always make one.</summary>
    public bool MayConnect => limits.ConnectionsMax >= Unlimited || Connections < limits.ConnectionsMax;
    public void ConnectionOpened() => TryRaise(ref connections, uint.MaxValue, always: limits.ConnectionsMax < Unlimited);
    public void ConnectionClosed() => Lower(ref connections, limits.ConnectionsMax);

    public bool TryBeginPending() => TryRaise(ref pending, limits.PendingMax);
    public void EndPending() => Lower(ref pending, limits.PendingMax);

    // A retry budget is a share of the requests, so these are counted then, whatever their own limit.
    public bool TryBeginRequest() => TryRaise(ref requests, limits.RequestsMax, always: limits.RetryBudget is not null);
    public void EndRequest() => Lower(ref requests, limits.RequestsMax, always: limits.RetryBudget is not null);

    public bool TryBeginRetry()
    {
        var most = limits.RetryBudget is { } budget ? (uint)Math.Max(budget.RetriesMin, Requests * budget.Percent / 100) : limits.RetriesMax;
        return TryRaise(ref retries, most, always: limits.RetryBudget is not null);
    }

    public void EndRetry() => Lower(ref retries, limits.RetryBudget is not null ? 0 : limits.RetriesMax, always: limits.RetryBudget is not null);

    private static bool TryRaise(ref int count, uint most, bool always = false)
    {
        if (most >= Unlimited)
        {
            if (always) Interlocked.Increment(ref count);
            return true;
        }
        if (Interlocked.Increment(ref count) <= most) return true;

        Interlocked.Decrement(ref count);
        return false;
    }

    private static void Lower(ref int count, uint most, bool always = false)
    {
        if (most < Unlimited || always) Interlocked.Decrement(ref count);
    }
}
