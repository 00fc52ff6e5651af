using Mesh.Proxy;

namespace Mesh.Tests.Proxy;

public sealed class MemoryTrimTests
{
    private readonly HandTime _time = new();
    private long _allocated = 1;
    private int _given;

    [Fact]
    public void After_the_start_memory_is_given_back_once_it_is_quiet()
    {
        using var trim = Trim();
        trim.Changed();
        _time.Advance(MemoryTrim.Quiet / 2);
        trim.Changed();
        _time.Advance(MemoryTrim.Quiet * 0.75);
        Assert.Equal(0, _given);

        _time.Advance(MemoryTrim.Quiet * 0.25);
        Assert.Equal(1, _given);
    }

    [Fact]
    public void A_small_change_later_is_not_worth_a_pause()
    {
        using var trim = Trim();
        trim.Changed();
        _time.Advance(MemoryTrim.Quiet);
        _allocated += MemoryTrim.WorthwhileBytes - 1;
        trim.Changed();
        _time.Advance(MemoryTrim.Pause * 2);

        Assert.Equal(1, _given);
    }

    [Fact]
    public void Large_changes_one_after_the_other_make_one_pause_in_a_while()
    {
        using var trim = Trim();
        trim.Changed();
        _time.Advance(MemoryTrim.Quiet);
        for (var i = 0; i < 10; i++)
        {
            _allocated += MemoryTrim.WorthwhileBytes;
            trim.Changed();
            _time.Advance(MemoryTrim.Quiet * 2);
        }
        Assert.Equal(1, _given);

        _time.Advance(MemoryTrim.Pause);
        Assert.Equal(2, _given);
    }

    private MemoryTrim Trim() => new(_time, () => _allocated, () => _given++);

    /// <summary>Moves by hand and fires its timers as it passes them.</summary>
    private sealed class HandTime : TimeProvider
    {
        private readonly List<HandTimer> _timers = [];
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new HandTimer(this, () => callback(state));
            timer.Change(dueTime, period);
            _timers.Add(timer);
            return timer;
        }

        public void Advance(TimeSpan by)
        {
            _now += by.Ticks;
            foreach (var timer in _timers.ToArray()) timer.FireIfDue();
        }

        private sealed class HandTimer(HandTime time, Action fire) : ITimer
        {
            private long? _due;

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                _due = dueTime == Timeout.InfiniteTimeSpan ? null : time._now + dueTime.Ticks;
                return true;
            }

            public void FireIfDue()
            {
                if (_due is not { } due || due > time._now) return;

                _due = null;
                fire();
            }

            public void Dispose() => _due = null;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return default;
            }
        }
    }
}
