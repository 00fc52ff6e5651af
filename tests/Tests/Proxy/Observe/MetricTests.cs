using System.Collections.Immutable;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Tcp;
using Exposition = Mesh.Proxy.Observe.Prometheus;

namespace Mesh.Tests.Proxy.Observe;

/// <summary>Istio: standard metrics, and what a Telemetry resource changes of them.</summary>
public sealed class MetricTests
{
    private static string Scrape(IEnumerable<MetricSettings> changes, params string[] requests)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve(http: settings => settings with { Filters = [new IstioStatsFilter("istio.stats", new() { Metrics = [.. changes] })] });
        foreach (var request in requests) rig.Call(request);
        return Page(rig.Worker.Counters);
    }

    private static string Page(params Counters[] loops) => string.Concat(Exposition.Write(loops, []).Select(part => part.ToString()));

    private static MetricSettings Change(string metric, bool drop = false, string[]? remove = null, params (string Tag, string Expression)[] set) =>
        new(metric, set.ToImmutableDictionary(pair => pair.Tag, pair => pair.Expression), [.. remove ?? []], "", drop);

    private static List<string> Lines(string text, string metric) => [.. text.Split('\n').Where(line => line.StartsWith(metric + "{", StringComparison.Ordinal))];

    private const string Get = "GET /a HTTP/1.1\r\nhost: shop\r\n\r\n";

    [Fact]
    public void Without_changes_each_request_is_counted_under_Istios_labels_in_their_order()
    {
        var line = Assert.Single(Lines(Scrape([], Get, Get), "istio_requests_total"));

        Assert.EndsWith("} 2", line);
        Assert.Equal(
            [
                "reporter", "source_workload", "source_canonical_service", "source_canonical_revision", "source_workload_namespace", "source_principal", "source_app",
                "source_version", "source_cluster", "destination_workload", "destination_workload_namespace", "destination_principal", "destination_app", "destination_version",
                "destination_service", "destination_canonical_service", "destination_canonical_revision", "destination_service_name", "destination_service_namespace",
                "destination_cluster", "request_protocol", "response_code", "grpc_response_status", "response_flags", "connection_security_policy",
            ],
            line[(line.IndexOf('{') + 1)..line.IndexOf('}')].Split(',').Select(label => label.Split('=')[0]));
    }

    [Fact]
    public void A_dropped_metric_is_gone_and_the_others_stay()
    {
        var text = Scrape([Change("requests_total", drop: true)], Get);

        Assert.DoesNotContain("istio_requests_total", text);
        Assert.NotEmpty(Lines(text, "istio_request_duration_milliseconds_count"));
    }

    [Fact]
    public void A_chain_without_the_metrics_filter_shows_none()
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();
        rig.Call(Get);

        Assert.DoesNotContain("istio_requests_total", Page(rig.Worker.Counters));
    }

    [Fact]
    public void Labels_are_removed_from_one_metric_and_set_by_expression_on_another()
    {
        var text = Scrape(
            [
                Change("requests_total", remove: ["source_app", "response_flags"], set: [("request_method", "request.method"), ("destination_service", "'fixed'"), ("port", "string(destination.port)"), ("bad", "nope(")]),
                Change("request_bytes", remove: ["reporter"]),
            ], Get, "POST /b HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\n\r\n");

        var requests = Lines(text, "istio_requests_total");
        Assert.Equal(2, requests.Count);
        Assert.All(requests, line => Assert.DoesNotContain("source_app=", line));
        Assert.All(requests, line => Assert.DoesNotContain("response_flags=", line));
        Assert.All(requests, line => Assert.Contains(",destination_service=\"fixed\",", line));
        Assert.All(requests, line => Assert.Contains(",port=\"15001\"", line));
        Assert.All(requests, line => Assert.Contains(",bad=\"unknown\"", line));
        Assert.Contains(requests, line => line.Contains(",request_method=\"GET\"") && line.EndsWith("} 1"));
        Assert.Contains(requests, line => line.Contains(",request_method=\"POST\"") && line.EndsWith("} 1"));
        // The other metric does not know the new label: its two rows are one again.
        var sizes = Lines(text, "istio_request_bytes_count");
        Assert.EndsWith("} 2", Assert.Single(sizes));
        Assert.DoesNotContain("reporter=", sizes[0]);
        Assert.Contains("reporter=", Assert.Single(Lines(text, "istio_response_bytes_count")));
    }

    [Fact]
    public void An_empty_name_means_all_metrics()
    {
        var text = Scrape([Change("", remove: ["source_principal"])], Get);

        Assert.NotEmpty(Lines(text, "istio_requests_total"));
        Assert.DoesNotContain("source_principal", text);
    }

    [Fact]
    public void A_flood_of_values_ends_in_one_series()
    {
        var counters = new Counters();
        var series = counters.RequestsFor(new("source", WorkloadLabels.Unknown, "", WorkloadLabels.Unknown, "", "a", "a", "a", "http", "none"));
        for (var i = 0; i < Counters.OutcomesMax + 500; i++) series.For(200, default, -1, [$"{i}"]).Add(1, 0, 0);

        Assert.Equal(Counters.OutcomesMax + 1, series.Outcomes.Count);
        Assert.Equal(500, series.Outcomes[^1].Count);
        Assert.Equal(["overflow"], series.Outcomes[^1].Values);
    }

    [Fact]
    public void When_there_is_no_room_series_that_nobody_uses_make_some()
    {
        var counters = new Counters();
        SeriesLabels Labels(int i) => new("source", WorkloadLabels.Unknown, "", WorkloadLabels.Unknown, "", $"{i}", "a", "a", "http", "none");
        const long minute = 60_000_000_000;
        var used = counters.RequestsFor(Labels(0), minute);
        for (var i = 1; i < Counters.SeriesMax; i++) counters.RequestsFor(Labels(i), minute);
        Assert.Equal("overflow", counters.RequestsFor(Labels(-1), 2 * minute).Labels.DestinationService);

        used.UsedAt = 20 * minute;
        var added = counters.RequestsFor(Labels(-2), 21 * minute);

        Assert.Equal("-2", added.Labels.DestinationService);
        Assert.Same(used, counters.RequestsFor(Labels(0), 21 * minute));
        Assert.True(counters.Requests.Count < 10);
    }

    [Fact]
    public void A_preamble_is_read_back_whatever_the_split_and_foreign_bytes_are_left_alone()
    {
        // WORKLOAD_NAME=cart, NAMESPACE=shop, LABELS{app=cart} as a peer's Struct.
        var labels = new Mesh.Proxy.Security.FieldWriter().Message(1, new Mesh.Proxy.Security.FieldWriter().Text(1, "app").Message(2, new Mesh.Proxy.Security.FieldWriter().Text(3, "cart")));
        var told = new Mesh.Proxy.Security.FieldWriter()
            .Message(1, new Mesh.Proxy.Security.FieldWriter().Text(1, "WORKLOAD_NAME").Message(2, new Mesh.Proxy.Security.FieldWriter().Text(3, "cart")))
            .Message(1, new Mesh.Proxy.Security.FieldWriter().Text(1, "NAMESPACE").Message(2, new Mesh.Proxy.Security.FieldWriter().Text(3, "shop")))
            .Message(1, new Mesh.Proxy.Security.FieldWriter().Text(1, "LABELS").Message(2, new Mesh.Proxy.Security.FieldWriter().Message(5, labels)));
        byte[] bytes = [.. PeerPreamble.Write(new() { Id = "node", Cluster = "c", PeerMetadata = Convert.ToBase64String(told.ToArray()) }), .. "hello"u8];
        Assert.Equal([0x3D, 0x23, 0x04, 0x67], bytes[..4]);

        for (var i = 0; i < bytes.Length - 5; i++) Assert.False(PeerPreamble.TryRead(bytes.AsSpan(0, i), out _, out _));
        Assert.True(PeerPreamble.TryRead(bytes, out var consumed, out var peer));
        Assert.Equal(bytes.Length - 5, consumed);
        Assert.Equal(("cart", "shop", "cart"), (peer!.Workload, peer.Namespace, peer.App));

        Assert.True(PeerPreamble.TryRead("GET / HTTP/1.1"u8, out consumed, out peer));
        Assert.Equal((0, null), (consumed, peer));
        Assert.True(PeerPreamble.TryRead([0x3D, 0x23, 0x04, 0x67, 0xFF, 0xFF, 0xFF, 0xFF], out consumed, out _));
        Assert.Equal(0, consumed);
    }

    [Fact]
    public void A_flood_of_label_sets_is_written_in_parts_of_bounded_size()
    {
        var counters = new Counters();
        for (var i = 0; i < 2000; i++) counters.RequestsFor(Labels($"service-{i}")).For(200, default, -1, []).Add(1, 2, 3);

        var lengths = Exposition.Write([counters], []).Select(part => part.Length).ToList();

        Assert.InRange(lengths.Sum(), 50L * 1024 * 1024, long.MaxValue);
        Assert.All(lengths, length => Assert.InRange(length, 1, 256 * 1024));
    }

    [Fact]
    public void What_two_loops_counted_under_the_same_labels_is_one_row()
    {
        var (one, other) = (new Counters(), new Counters());
        one.RequestsFor(Labels("shop")).For(200, default, -1, []).Add(3, 10, 100);
        other.RequestsFor(Labels("shop")).For(200, default, -1, []).Add(7, 10, 100);

        var text = Page(one, other);

        Assert.EndsWith("} 2", Assert.Single(Lines(text, "istio_requests_total")));
        Assert.EndsWith("} 10", Assert.Single(Lines(text, "istio_request_duration_milliseconds_sum")));
        Assert.Equal(["0", "0", "1", "2"], Lines(text, "istio_request_duration_milliseconds_bucket").Take(4).Select(line => line.Split(' ')[^1]));
    }

    private static SeriesLabels Labels(string service) =>
        new("source", WorkloadLabels.Unknown, "unknown", WorkloadLabels.Unknown, "unknown", service + ".default.svc.cluster.local", service, "default", "http", "mutual_tls");
}
