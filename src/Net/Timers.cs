using System.Diagnostics;
using System.Numerics;

namespace Mesh.Net;

/// <summary>
/// Timer wheel: arming and disarming cost the same at any number of timers. Never fires early; at most one tick late.
/// Timers due at the same pass fire by deadline, ties in order of arming. Loop thread only.
/// </summary>
public sealed class Timers
{
    private const long NanosecondsPerTick = 1_000_000;
    private const int SlotBits = 6;
    private const int Slots = 1 << SlotBits;

    // 64^8 ms is more than a nanosecond timestamp can say.
    private const int Levels = 8;

    private readonly LoopClock _clock;
    private readonly TimerEntry?[] _slots = new TimerEntry?[Levels * Slots];
    private readonly ulong[] _occupied = new ulong[Levels];
    private readonly List<TimerEntry> _due = [];
    private long _tick;
    private long _armings;

    internal Timers(LoopClock clock)
    {
        _clock = clock;
        _tick = clock.GetTimestamp() / NanosecondsPerTick;
    }

    /// <summary>How many are armed.</summary>
    public int Count { get; private set; }

    internal void Arm(TimerEntry entry, Deadline deadline)
    {
        Disarm(entry);
        if (deadline.IsNever) return;

        entry.Due = deadline.Timestamp;
        entry.Order = _armings++;
        Count++;
        Link(entry);
    }

    internal void Disarm(TimerEntry entry)
    {
        if (entry.Slot >= 0) Unlink(entry);
        entry.IsFiring = false;
    }

    /// <returns>Until something may be due; MaxValue when nothing is armed. May be early (the wheel then turns and asks again), never late.</returns>
    internal TimeSpan NextIn()
    {
        if (_due.Count > 0) return TimeSpan.Zero;
        if (Count == 0) return TimeSpan.MaxValue;

        var nextTick = NextOccupiedTick();
        var nanoseconds = Math.Max(0, nextTick * NanosecondsPerTick - _clock.GetTimestamp());
        return TimeSpan.FromTicks((nanoseconds + 99) / 100);
    }

    /// <summary>Fires what is due by the clock's now.</summary>
    internal void Fire()
    {
        var now = _clock.GetTimestamp() / NanosecondsPerTick;
        FireDue();
        while (Count > 0 && NextOccupiedTick() is var next && next <= now)
        {
            _tick = next;
            TurnTo(next);
            _tick = next + 1;
            FireDue();
        }

        // No occupied slot begins at or before now, so the hand may jump.
        _tick = Math.Max(_tick, now);
    }

    // Takes over everything that the wheel holds for this tick: due timers to the list, farther ones to finer levels.
    private void TurnTo(long tick)
    {
        for (var level = Levels - 1; level >= 0; level--)
        {
            var slot = (int)(tick >> (SlotBits * level)) & (Slots - 1);
            if ((_occupied[level] & (1UL << slot)) == 0) continue;

            while (_slots[level * Slots + slot] is { } entry)
            {
                Unlink(entry);
                if (TickOf(entry.Due) > tick)
                {
                    Count++;
                    Link(entry);
                    continue;
                }

                entry.IsFiring = true;
                _due.Add(entry);
            }
        }
    }

    private void FireDue()
    {
        // Last first, so that the earliest is taken from the end. What an exception leaves behind fires at the next pass.
        if (_due.Count > 1) _due.Sort(static (a, b) => a.Due != b.Due ? b.Due.CompareTo(a.Due) : b.Order.CompareTo(a.Order));
        while (_due.Count > 0)
        {
            var entry = _due[^1];
            _due.RemoveAt(_due.Count - 1);

            // One that fired before may have disarmed or re-armed this one.
            if (!entry.IsFiring) continue;

            entry.IsFiring = false;
            entry.OnDue();
        }
    }

    private long NextOccupiedTick()
    {
        var nearest = long.MaxValue;
        for (var level = 0; level < Levels; level++)
        {
            var shift = SlotBits * level;
            var ahead = _occupied[level] >> ((int)(_tick >> shift) & (Slots - 1));
            if (ahead == 0) continue;

            nearest = Math.Min(nearest, ((_tick >> shift) + BitOperations.TrailingZeroCount(ahead)) << shift);
        }

        return nearest;
    }

    private static long TickOf(long nanoseconds) => (nanoseconds + NanosecondsPerTick - 1) / NanosecondsPerTick;

    private void Link(TimerEntry entry)
    {
        // The level is where the due tick and the hand first differ, so a slot always lies ahead of the hand and never wraps.
        var tick = Math.Max(TickOf(entry.Due), _tick);
        var level = tick == _tick ? 0 : BitOperations.Log2((ulong)(tick ^ _tick)) / SlotBits;
        var slot = (int)(tick >> (SlotBits * level)) & (Slots - 1);
        var index = level * Slots + slot;

        entry.Slot = index;
        entry.Previous = null;
        entry.Next = _slots[index];
        if (entry.Next is not null) entry.Next.Previous = entry;
        _slots[index] = entry;
        _occupied[level] |= 1UL << slot;
    }

    private void Unlink(TimerEntry entry)
    {
        Debug.Assert(entry.Slot >= 0, "not armed");
        if (entry.Next is not null) entry.Next.Previous = entry.Previous;
        if (entry.Previous is not null) entry.Previous.Next = entry.Next;
        else if ((_slots[entry.Slot] = entry.Next) is null) _occupied[entry.Slot / Slots] &= ~(1UL << (entry.Slot % Slots));

        entry.Previous = entry.Next = null;
        entry.Slot = -1;
        Count--;
    }
}

/// <summary>What the wheel links; its owner derives from it so that arming allocates nothing.</summary>
public abstract class TimerEntry
{
    internal TimerEntry? Previous;
    internal TimerEntry? Next;
    internal long Due;
    internal long Order;
    internal int Slot = -1;
    internal bool IsFiring;

    public bool IsArmed => Slot >= 0 || IsFiring;

    /// <summary>The deadline passed. The entry is disarmed; it may arm itself again.</summary>
    protected internal abstract void OnDue();
}

/// <summary>Calls back at a deadline, again and again if re-armed. Loop thread only.</summary>
public sealed class LoopTimer(Loop loop, Action callback) : TimerEntry
{
    /// <summary>Replaces an earlier deadline.</summary>
    public void Arm(Deadline deadline) => loop.Timers.Arm(this, deadline);

    public void Disarm() => loop.Timers.Disarm(this);

    protected internal override void OnDue() => callback();
}
