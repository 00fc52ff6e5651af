using Mesh.ControlPlane.Telemetry;

namespace Mesh.Tests.ControlPlane.Telemetry;

public sealed class LiveTrafficTests
{
    private readonly Clock clock = new();

    private static Series FrontendTo(string workload, string reporter = "source") => new(
        reporter, new("frontend-v1", "demo", "frontend", "v1"), "spiffe://cluster.local/ns/demo/sa/frontend",
        new(workload, "demo", "backend", workload[^2..]), "spiffe://cluster.local/ns/demo/sa/backend", "backend", "demo", "http", "unknown");

    [Fact]
    public void A_window_sums_the_whole_seconds_before_now_and_forgets_older_ones()
    {
        var traffic = new LiveTraffic(clock);
        Count(traffic, requests: 5);
        clock.Advance(1);
        Count(traffic, requests: 7);
        clock.Advance(1);
        Count(traffic, requests: 100); // the present second is not over

        Assert.Equal(12, Sum(traffic, seconds: 10));
        Assert.Equal(7, Sum(traffic, seconds: 1));

        clock.Advance(LiveTraffic.SecondsKept);
        Assert.Equal(0, Sum(traffic, seconds: LiveTraffic.SecondsKept));
    }

    [Fact]
    public void A_flood_of_new_series_is_cut_and_counted()
    {
        var traffic = new LiveTraffic(clock);
        for (var i = 0; i < 6_000; i++) traffic.Add(FrontendTo($"invented-{i}-v1"), tally => tally.AddRequests(200, "-", -1, 1, [], 0, 0));
        clock.Advance(1);

        Assert.Equal(5_000, Sum(traffic, seconds: 1));
        Assert.Equal(1_000, traffic.SeriesDropped);
    }

    [Fact]
    public async Task A_reader_that_falls_behind_loses_the_oldest_and_is_told_how_many()
    {
        var traffic = new LiveTraffic(clock);
        using var tap = traffic.Tap(record => record.Path != "/not-mine");
        for (var i = 0; i < 1_250; i++) traffic.Add(Record($"/{i}"));
        traffic.Add(Record("/not-mine"));

        var first = await tap.ReadAllAsync(TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken).FirstAsync();
        Assert.Equal(250, tap.Dropped);
        Assert.Equal("/250", first.Path);
    }

    [Fact]
    public void Proxies_are_asked_for_more_records_only_while_somebody_looks()
    {
        var traffic = new LiveTraffic(clock);
        var changes = 0;
        traffic.DemandChanged += () => changes++;
        var atRest = traffic.RecordsWanted;

        using (traffic.Tap(_ => true)) Assert.True(traffic.RecordsWanted > atRest);

        Assert.Equal(atRest, traffic.RecordsWanted);
        Assert.Equal(2, changes);
    }

    [Theory]
    [InlineData(200, -1, 0)]
    [InlineData(404, -1, 0)]
    [InlineData(503, -1, 1)]
    [InlineData(0, -1, 1)]
    [InlineData(200, 14, 1)]
    [InlineData(200, 5, 0)]
    public void Server_errors_lost_answers_and_grpc_failures_count_as_failures(int status, int grpcStatus, int failures)
    {
        var tally = new Tally();
        tally.AddRequests(status, "-", grpcStatus, 1, [], 0, 0);
        Assert.Equal(failures, tally.Failures);
    }

    [Fact]
    public void Percentiles_are_linear_within_their_bucket()
    {
        var tally = new Tally();
        tally.AddRequests(200, "-", -1, 100, [0, 50, 50], 0, 0);

        Assert.Equal(1.0, tally.PercentileMs(0.50)!.Value, 6);
        Assert.Equal(3.0, tally.PercentileMs(0.75)!.Value, 6);
        Assert.Null(new Tally().PercentileMs(0.5));
    }

    private static void Count(LiveTraffic traffic, int requests) =>
        traffic.Add(FrontendTo("backend-v1"), tally => tally.AddRequests(200, "-", -1, requests, [], 0, 0));

    private static long Sum(LiveTraffic traffic, int seconds) => traffic.Window(TimeSpan.FromSeconds(seconds)).Values.Sum(tally => tally.Requests);

    private static RequestRecord Record(string path) => new()
    {
        Proxy = "frontend-v1.demo", Started = default, DurationMs = 1, Reporter = "source", Method = "GET", Authority = "backend", Path = path, Status = 200, GrpcStatus = -1,
        Flags = "-", Details = "", Route = "", Cluster = "", Upstream = "", Attempts = 1, Source = "", SourceWorkload = "frontend-v1", SourceNamespace = "demo", SourcePrincipal = "",
        DestinationWorkload = "backend-v1", DestinationNamespace = "demo", DestinationPrincipal = "", DestinationService = "backend", IsMutualTls = true, Policy = "",
        RequestId = "", TraceId = "", RequestBytes = 0, ResponseBytes = 0, Protocol = "http",
    };

    private sealed class Clock : TimeProvider
    {
        private DateTimeOffset now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        public override DateTimeOffset GetUtcNow() => now;
        public void Advance(int seconds) => now = now.AddSeconds(seconds);
    }
}

internal static class FirstOf
{
    public static async Task<T> FirstAsync<T>(this IAsyncEnumerator<T> items)
    {
        await using (items) return await items.MoveNextAsync() ? items.Current : throw new InvalidOperationException("nothing came");
    }
}
