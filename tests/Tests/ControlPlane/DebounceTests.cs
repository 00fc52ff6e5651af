using Mesh.ControlPlane.Serve;

namespace Mesh.Tests.ControlPlane;

public sealed class DebounceTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly Debounce debounce = new(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1));

    [Fact]
    public void A_change_waits_for_a_quiet_moment()
    {
        debounce.Changed(Start, urgent: false);
        debounce.Changed(Start.AddMilliseconds(60), urgent: false);

        Assert.Equal(60, debounce.Wait(Start.AddMilliseconds(100)).TotalMilliseconds);
        Assert.Equal(0, debounce.Wait(Start.AddMilliseconds(160)).TotalMilliseconds);
    }

    [Fact]
    public void A_steady_trickle_holds_nothing_back_beyond_the_maximum()
    {
        for (var at = 0; at <= 1_000; at += 50) debounce.Changed(Start.AddMilliseconds(at), urgent: false);

        Assert.Equal(TimeSpan.Zero, debounce.Wait(Start.AddMilliseconds(1_000)));
    }

    [Fact]
    public void Where_pods_are_is_told_at_once_and_takes_along_what_was_waiting()
    {
        debounce.Changed(Start, urgent: false);
        debounce.Changed(Start.AddMilliseconds(10), urgent: true);
        debounce.Changed(Start.AddMilliseconds(11), urgent: false);

        Assert.Equal(TimeSpan.Zero, debounce.Wait(Start.AddMilliseconds(11)));
    }

    [Fact]
    public void After_it_was_done_the_next_change_waits_again()
    {
        debounce.Changed(Start, urgent: true);
        debounce.Done();
        Assert.False(debounce.IsPending);

        debounce.Changed(Start.AddSeconds(5), urgent: false);

        Assert.Equal(100, debounce.Wait(Start.AddSeconds(5)).TotalMilliseconds);
    }
}
