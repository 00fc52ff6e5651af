using Mesh.Net;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net;

public sealed class LoopTests
{
    [Fact]
    public void Posted_work_runs_in_order_on_the_loop()
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();
        var seen = new List<int>();
        var poster = new Thread(() =>
        {
            for (var i = 0; i < 1000; i++)
            {
                var n = i;
                loop.Post(() => seen.Add(n));
            }
        });
        poster.Start();
        poster.Join();

        network.Settle();

        Assert.Equal(Enumerable.Range(0, 1000), seen);
    }

    [Fact]
    public void A_signal_wakes_its_waiters_in_order_after_the_waker_rests()
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();
        var signal = new LoopSignal(loop);
        var trace = new List<string>();

        network.Run(loop, async () =>
        {
            var a = WaitAsync("a");
            var b = WaitAsync("b");
            var late = signal.WaitAsync(Deadline.After(loop.Clock, TimeSpan.FromMilliseconds(5)));
            Assert.Equal(IoStatus.TimedOut, await late);
            signal.Wake();
            trace.Add("waker");
            await a;
            await b;
        });

        Assert.Equal(["waker", "a Ok", "b Ok"], trace);

        async Task WaitAsync(string name) => trace.Add($"{name} {await signal.WaitAsync(Deadline.Never)}");
    }

    [Fact]
    public void Waking_one_wakes_the_one_who_waits_longest()
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();
        var signal = new LoopSignal(loop);

        network.Run(loop, async () =>
        {
            var first = signal.WaitAsync(Deadline.Never);
            var second = signal.WaitAsync(Deadline.Never);
            Assert.True(signal.WakeOne());
            await first;
            Assert.True(signal.HasWaiters);
            Assert.True(signal.WakeOne());
            await second;
            Assert.False(signal.WakeOne());
        });
    }

    [Fact]
    public void The_clock_stands_still_within_a_batch_and_never_goes_back()
    {
        var source = new SimClock();
        using var network = new SimNetwork();
        using var loop = new Loop(new MemoryTransport(network.Host("h")), source, 1);
        var before = loop.Clock.GetTimestamp();
        source.MoveBy(TimeSpan.FromSeconds(3));
        Assert.Equal(before, loop.Clock.GetTimestamp());

        loop.RunOnce(TimeSpan.Zero);

        Assert.Equal(TimeSpan.FromSeconds(3), loop.Clock.GetElapsedTime(before));
    }

    [Fact]
    public void A_deadline_far_away_does_not_overflow()
    {
        var clock = new LoopClock(new SimClock());

        Assert.True(Deadline.After(clock, TimeSpan.MaxValue).IsNever);
        Assert.Equal(TimeSpan.FromDays(3650), Deadline.After(clock, TimeSpan.FromDays(3650)).Remaining(clock));
        Assert.True(Deadline.After(clock, TimeSpan.Zero).HasPassed(clock));
    }
}
