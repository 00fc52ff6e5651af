using Mesh.ControlPlane.FrontDoor;
using Mesh.ControlPlane.Telemetry;

namespace Mesh.Tests.ControlPlane.Telemetry;

public sealed class TrafficViewsTests
{
    private static readonly TimeSpan Length = TimeSpan.FromSeconds(10);
    private static readonly WorkloadName Frontend = new("frontend-v1", "demo", "frontend", "v1");
    private static readonly WorkloadName Backend = new("backend-v1", "demo", "backend", "v1");

    [Fact]
    public void What_both_sides_counted_is_counted_once()
    {
        var window = Window((Call("source", Frontend, Backend, "unknown"), 200, "-", 10), (Call("destination", Frontend, Backend, "mutual_tls"), 200, "-", 10));

        var summary = TrafficViews.Summary(window, Length);

        Assert.Equal(10, summary["requests"]!.GetValue<long>());
        Assert.Equal(1, summary["mtlsShare"]!.GetValue<double>());
    }

    [Fact]
    public void What_reached_nobody_is_a_failure_of_the_whole_and_says_nothing_about_protection()
    {
        var window = Window(
            (Call("source", Frontend, Backend, "unknown"), 200, "-", 6), (Call("destination", Frontend, Backend, "mutual_tls"), 200, "-", 6),
            (Call("source", Frontend, WorkloadName.Unknown, "unknown"), 503, "UH", 2));

        var summary = TrafficViews.Summary(window, Length);
        var stat = TrafficViews.Stat(window, Length, s => (s.ServiceNamespace, s.Service), _ => true);

        Assert.Equal(0.75, summary["success"]!.GetValue<double>());
        Assert.Equal(1, summary["mtlsShare"]!.GetValue<double>());
        Assert.Equal(0.75, Assert.Single(stat)!["success"]!.GetValue<double>());
        Assert.Equal(8, stat[0]!["requests"]!.GetValue<long>());
    }

    [Fact]
    public void A_caller_outside_the_mesh_is_counted_by_the_server()
    {
        var window = Window((Call("destination", WorkloadName.Unknown, Backend, "none"), 200, "-", 4));

        var summary = TrafficViews.Summary(window, Length);

        Assert.Equal(4, summary["requests"]!.GetValue<long>());
        Assert.Equal(0, summary["mtlsShare"]!.GetValue<double>());
    }

    [Fact]
    public void An_edge_says_in_words_what_its_flags_mean()
    {
        var window = Window((Call("source", Frontend, Backend, "unknown"), 503, "UF,URX", 3));

        var edge = Assert.Single(TrafficViews.Edges(window, Length, null))!;

        Assert.Equal("could not connect to the endpoint; all retries used up", edge["meanings"]!["UF,URX"]!.GetValue<string>());
    }

    private static Series Call(string reporter, WorkloadName source, WorkloadName destination, string policy) => new(
        reporter, source, source == WorkloadName.Unknown ? "unknown" : "spiffe://cluster.local/ns/demo/sa/frontend", destination,
        destination == WorkloadName.Unknown ? "unknown" : "spiffe://cluster.local/ns/demo/sa/backend", "backend", "demo", "http", policy);

    private static Dictionary<Series, Tally> Window(params (Series Series, int Status, string Flags, long Count)[] counts)
    {
        var window = new Dictionary<Series, Tally>();
        foreach (var (series, status, flags, count) in counts)
        {
            window[series] = new Tally();
            window[series].AddRequests(status, flags, -1, count, [], 0, 0);
        }
        return window;
    }
}
