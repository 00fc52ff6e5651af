using CsCheck;
using Mesh.Net;
using Mesh.Sim.Net;

namespace Mesh.Tests.Net;

public sealed class TimersTests
{
    private static readonly Gen<(int Kind, int Timer, long Milliseconds)[]> Steps =
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, 19], Gen.OneOf(Gen.Long[0, 5], Gen.Long[0, 100], Gen.Long[0, 5000], Gen.Long[0, 10_000_000])).Array[1, 60];

    [Fact]
    public void The_wheel_fires_what_a_sorted_list_would_and_when() => Steps.Holds(steps =>
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();
        var fired = new List<(int Timer, long At)>();
        var expected = new List<(int Timer, long At)>();
        var armed = new Dictionary<int, (long Due, int Order)>();
        var timers = Enumerable.Range(0, 20)
            .Select(i => new LoopTimer(loop, () => fired.Add((i, network.Clock.GetTimestamp() / 1_000_000)))).ToArray();
        var order = 0;
        foreach (var (kind, timer, milliseconds) in steps)
        {
            var now = network.Clock.GetTimestamp() / 1_000_000;
            switch (kind)
            {
                case < 5:
                    timers[timer].Arm(Deadline.After(loop.Clock, TimeSpan.FromMilliseconds(milliseconds)));
                    armed[timer] = (now + milliseconds, order++);
                    break;
                case < 7:
                    timers[timer].Disarm();
                    armed.Remove(timer);
                    break;
                default:
                    // A timer armed for this very instant may fire one tick later, so time always goes on by a tick.
                    var step = Math.Max(1, milliseconds);
                    network.Advance(TimeSpan.FromMilliseconds(step));
                    foreach (var (id, (due, _)) in armed.Where(a => a.Value.Due <= now + step).OrderBy(a => a.Value).ToList())
                    {
                        expected.Add((id, due));
                        armed.Remove(id);
                    }

                    break;
            }
        }

        // What is due now may fire one tick later.
        var end = network.Clock.GetTimestamp() / 1_000_000;
        foreach (var (id, _) in armed.Where(a => a.Value.Due > end)) timers[id].Disarm();
        network.Advance(TimeSpan.FromMilliseconds(1));
        expected.AddRange(armed.Where(a => a.Value.Due <= end).OrderBy(a => a.Value).Select(a => (a.Key, a.Value.Due)));
        // A tick late at most, each as often as it was armed, and never back in time: two that are due within one tick may change places.
        Assert.Equal(fired.Select(f => f.At).Order(), fired.Select(f => f.At));
        Assert.Equal(expected.Count, fired.Count);
        foreach (var timer in expected.GroupBy(e => e.Timer))
            Assert.All(timer.Zip(fired.Where(f => f.Timer == timer.Key)), pair => Assert.InRange(pair.Second.At - pair.First.At, 0, 1));
    }, cases: 2000);

    [Fact]
    public void A_timer_that_fires_may_stop_another_of_the_same_instant()
    {
        using var network = new SimNetwork();
        var loop = network.CreateLoop();
        var fired = 0;
        LoopTimer? second = null;
        var first = new LoopTimer(loop, () =>
        {
            fired++;
            second!.Disarm();
        });
        second = new LoopTimer(loop, () => fired++);
        first.Arm(Deadline.After(loop.Clock, TimeSpan.FromSeconds(1)));
        second.Arm(Deadline.After(loop.Clock, TimeSpan.FromSeconds(1)));

        network.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(1, fired);
        Assert.Equal(0, loop.Timers.Count);
    }

    [Fact]
    public void An_exception_in_one_timer_does_not_lose_the_others()
    {
        var clock = new SimClock();
        var escaped = new List<Exception>();
        using var network = new SimNetwork();
        using var loop = new Loop(new MemoryTransport(network.Host("h")), clock, 1, escaped.Add);
        var fired = 0;
        new LoopTimer(loop, () => throw new InvalidOperationException("boom")).Arm(Deadline.After(loop.Clock, TimeSpan.FromSeconds(1)));
        new LoopTimer(loop, () => fired++).Arm(Deadline.After(loop.Clock, TimeSpan.FromSeconds(1)));
        clock.MoveBy(TimeSpan.FromSeconds(1));
        loop.RunOnce(TimeSpan.Zero);
        loop.RunOnce(TimeSpan.Zero);

        Assert.Single(escaped);
        Assert.Equal(1, fired);
    }
}
