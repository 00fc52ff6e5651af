using System.Collections.Immutable;
using System.IO.Hashing;
using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;
using Mesh.Proxy.Upstream.Balancing;
using Mesh.Tests.Proxy.Security;

namespace Mesh.Tests.Proxy.Upstream;

public sealed class BalancingTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void Ring_places_are_Envoys()
    {
        var hosts = Hosts(90, 91, 92, 93, 94, 95);
        var ring = new RingHash(hosts, [.. hosts.Select(_ => 1.0 / 6)], new() { RingSizeMin = 12 });

        Assert.Equal(12, ring.Size);
        Assert.Contains(833437586790550860UL, new ulong[] { XxHash64.HashToUInt64("127.0.0.1:94_0"u8), XxHash64.HashToUInt64("127.0.0.1:94_1"u8) });
        Assert.Same(hosts[4], ring.Pick(0, 0));
        Assert.Same(hosts[4], ring.Pick(833437586790550860UL, 0));
        Assert.Same(hosts[2], ring.Pick(833437586790550861UL, 0));
        Assert.Same(hosts[4], ring.Pick(ulong.MaxValue, 0));
    }

    [Fact]
    public void A_ring_keeps_most_keys_where_they_were_when_an_endpoint_leaves()
    {
        var hosts = Hosts([.. Enumerable.Range(100, 10)]);
        var before = new RingHash(hosts, Equal(10), new());
        var after = new RingHash(hosts[1..], Equal(9), new());
        var moved = 0;
        for (ulong key = 0; key < 1000; key++)
        {
            var hash = XxHash64.HashToUInt64(BitConverter.GetBytes(key));
            var was = before.Pick(hash, 0);
            if (!ReferenceEquals(was, hosts[0]) && !ReferenceEquals(was, after.Pick(hash, 0))) moved++;
        }
        // The others have a few more places each now, so that the ring keeps its size: some keys move, as with Envoy.
        Assert.InRange(moved, 0, 150);
    }

    [Fact]
    public void Maglev_gives_every_endpoint_its_share_and_few_keys_move()
    {
        var hosts = Hosts([.. Enumerable.Range(100, 7)]);
        var table = new Maglev(hosts, Equal(7), new() { MaglevTableSize = 65537 });
        var counts = hosts.ToDictionary(host => host, _ => 0);
        for (ulong slot = 0; slot < 65537; slot++) counts[table.Pick(slot, 0)]++;

        Assert.All(counts.Values, count => Assert.InRange(count, 65537 / 7, 65537 / 7 + 1));
    }

    [Fact]
    public void Weights_are_kept_exactly_over_time()
    {
        var hosts = Hosts(1, 2);
        var picker = new WeightedPicker(hosts, state => state == hosts[0] ? 3 : 1, new(7));
        Assert.Equal(300, Enumerable.Range(0, 400).Count(_ => picker.Pick(0, 0) == hosts[0]));
    }

    [Fact]
    public void The_less_busy_of_two_is_taken()
    {
        var hosts = Hosts(1, 2);
        hosts[0].ActiveRequests = 5;
        var picker = new LeastRequestPicker(hosts, new(7), 2);
        Assert.InRange(Enumerable.Range(0, 1000).Count(_ => picker.Pick(0, 0) == hosts[1]), 700, 800);
    }

    [Theory]
    // Healthy endpoints of priorities 0 and 1 (of ten each), and the percent of the load each then gets.
    [InlineData(10, 10, 100, 0)]
    [InlineData(8, 10, 100, 0)]
    [InlineData(5, 10, 70, 30)]
    [InlineData(0, 10, 0, 100)]
    [InlineData(1, 2, 35, 65)]
    public void A_priority_hands_on_what_its_health_cannot_carry(int first, int second, int firstLoad, int secondLoad)
    {
        var balancer = Balancer(new() { Policy = BalancingPolicy.Random, PanicPercent = 0 });
        balancer.Rebuild([.. Mixed(0, first, 10), .. Mixed(1, second, 10)], null);

        var counts = Enumerable.Range(0, 10_000).Select(_ => balancer.Pick(new())!.Priority).CountBy(priority => priority).ToDictionary();
        Assert.InRange(counts.GetValueOrDefault(0), firstLoad * 100 - 200, firstLoad * 100 + 200);
        Assert.InRange(counts.GetValueOrDefault(1), secondLoad * 100 - 200, secondLoad * 100 + 200);
    }

    [Fact]
    public void In_panic_health_is_not_looked_at_and_without_it_nothing_is_picked()
    {
        var sick = Mixed(0, 0, 4);
        var calm = Balancer(new() { Policy = BalancingPolicy.Random, PanicPercent = 0 });
        calm.Rebuild(sick, null);
        Assert.Null(calm.Pick(new()));

        var panicking = Balancer(new() { Policy = BalancingPolicy.Random, PanicPercent = 50 });
        panicking.Rebuild(sick, null);
        Assert.NotNull(panicking.Pick(new()));
    }

    [Fact]
    public void Localities_get_their_weights()
    {
        var (near, far) = (new Locality("r", "near", ""), new Locality("r", "far", ""));
        var states = new[] { State(1, near), State(2, near), State(3, far) };
        var endpoints = new ClusterEndpoints
        {
            Name = "c",
            Localities = [new() { Locality = near, Weight = 80, Endpoints = [states[0].Endpoint, states[1].Endpoint] }, new() { Locality = far, Weight = 20, Endpoints = [states[2].Endpoint] }],
        };
        var balancer = Balancer(new() { Policy = BalancingPolicy.LeastRequest, Locality = LocalityMode.Weighted, PanicPercent = 0 });
        balancer.Rebuild(states, endpoints);

        Assert.Equal(200, Enumerable.Range(0, 1000).Count(_ => balancer.Pick(new())!.Locality == far));
    }

    [Fact]
    public void A_retry_prefers_an_endpoint_that_was_not_tried()
    {
        var hosts = Hosts(1, 2, 3, 4);
        var balancer = Balancer(new() { Policy = BalancingPolicy.LeastRequest, PanicPercent = 0 });
        balancer.Rebuild(hosts, null);
        var retry = new RetrySettings { AvoidPreviousHosts = true, HostSelectionAttemptsMax = 5 };

        var again = Enumerable.Range(0, 1000).Count(_ => balancer.Pick(new() { Tried = [hosts[0]], Retry = retry }) == hosts[0]);
        Assert.InRange(again, 0, 10);
    }

    [Fact]
    public void A_new_endpoint_grows_into_its_share()
    {
        var time = new ManualTime(Start);
        var balancer = new Balancer(new() { Policy = BalancingPolicy.RoundRobin, PanicPercent = 0, SlowStart = new(TimeSpan.FromSeconds(100), 1, 10) }, new(7), time);
        var old = State(1);
        time.Advance(TimeSpan.FromSeconds(1000));
        var young = State(2, addedAt: time.GetTimestamp());
        time.Advance(TimeSpan.FromSeconds(50));
        balancer.Rebuild([old, young], null);

        Assert.InRange(Enumerable.Range(0, 3000).Count(_ => balancer.Pick(new()) == young), 950, 1050);
    }

    [Fact]
    public void Five_failures_in_a_row_set_an_endpoint_aside_and_it_returns_later_each_time()
    {
        var time = new ManualTime(Start);
        var hosts = Hosts([.. Enumerable.Range(1, 10)]);
        var detector = new OutlierDetector(new() { EjectionBase = TimeSpan.FromSeconds(30), EjectionPercentMax = 100 }, new(7), time);

        void Fail()
        {
            for (var i = 0; i < 4; i++) Assert.False(detector.Report(hosts[0], 500, hosts));
            Assert.True(detector.Report(hosts[0], 503, hosts));
        }
        int SecondsAside()
        {
            for (var second = 0; ; second++)
            {
                if (!hosts[0].IsEjected) return second;
                time.Advance(TimeSpan.FromSeconds(1));
                detector.Look(hosts);
            }
        }
        Fail();
        Assert.InRange(SecondsAside(), 30, 40);
        Fail();
        Assert.InRange(SecondsAside(), 60, 70);
    }

    [Fact]
    public void No_more_than_the_allowed_share_is_set_aside_but_one_always_may_be()
    {
        var hosts = Hosts([.. Enumerable.Range(1, 10)]);
        var detector = new OutlierDetector(new() { Consecutive5xx = 1, EjectionPercentMax = 10 }, new(7), new ManualTime(Start));
        foreach (var host in hosts) detector.Report(host, 500, hosts);
        Assert.Equal(1, hosts.Count(host => host.IsEjected));
    }

    [Fact]
    public void A_success_ends_the_row_and_connect_failures_count_when_not_told_apart()
    {
        var hosts = Hosts(1, 2);
        var detector = new OutlierDetector(new() { Consecutive5xx = 3, EjectionPercentMax = 100 }, new(7), new ManualTime(Start));
        detector.Report(hosts[0], 500, hosts);
        detector.ReportLocalOrigin(hosts[0], hosts);
        detector.Report(hosts[0], 200, hosts);
        Assert.False(detector.ReportLocalOrigin(hosts[0], hosts));
        Assert.False(detector.ReportLocalOrigin(hosts[0], hosts));
        Assert.True(detector.ReportLocalOrigin(hosts[0], hosts));
    }

    [Fact]
    public void Limits_hold_for_all_loops_together_and_a_retry_budget_is_a_share()
    {
        var limits = new CircuitLimits { RequestsMax = 2, RetryBudget = new(50, 1) };
        var (one, other) = (CircuitBudget.Of(limits), CircuitBudget.Of(limits));
        Assert.True(one.TryBeginRequest());
        Assert.True(other.TryBeginRequest());
        Assert.False(one.TryBeginRequest());
        Assert.True(one.TryBeginRetry());
        Assert.False(other.TryBeginRetry());
        one.EndRequest();
        Assert.True(other.TryBeginRequest());
    }

    private static Balancer Balancer(LoadBalancing settings) => new(settings, new(7), new ManualTime(Start));

    private static double[] Equal(int count) => [.. Enumerable.Repeat(1.0 / count, count)];

    private static EndpointState[] Hosts(params int[] ports) => [.. ports.Select(port => State(port))];

    private static EndpointState[] Mixed(int priority, int healthy, int count) =>
        [.. Enumerable.Range(0, count).Select(i => State(1000 * (priority + 1) + i, priority: priority, isHealthy: i < healthy))];

    private static EndpointState State(int port, Locality? locality = null, int priority = 0, bool isHealthy = true, long addedAt = 0) =>
        new(null!, new() { Address = SocketTarget.At(new(IPAddress.Loopback, port)), Health = isHealthy ? EndpointHealth.Healthy : EndpointHealth.Unhealthy }, locality ?? Locality.Nowhere, priority) { AddedAt = addedAt };
}
