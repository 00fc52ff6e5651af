using System.Text;
using System.Text.Json;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;

namespace Mesh.Tests.Proxy.Observe;

/// <summary>Istio: tracing. What a collector gets of calls through several sidecars.</summary>
public sealed class TraceTests
{
    private const ulong Server = 2, Client = 3;

    private static TracingSettings OverHttp(TracingSettings settings) => settings with
    {
        Provider = TraceProvider.OpenTelemetryHttp, Cluster = "collector", Endpoint = "http://otel.demo:4318/v1/traces", Propagation = TraceHeaders.W3C,
    };

    [Fact]
    public void A_collector_gets_the_whole_trace_of_a_call_through_three_services()
    {
        using var rig = new TraceRig(OverHttp, "frontend", "middle", "backend");
        rig.StartCollector();

        Assert.StartsWith("HTTP/1.1 200", rig.Call("GET /shop?item=1 HTTP/1.1\r\nhost: frontend\r\nuser-agent: test\r\n\r\n"));

        // Each sidecar reports for itself; together they are one line of parents and children.
        var spans = rig.Spans();
        Assert.Equal(5, spans.Count);
        Assert.Single(spans.Select(span => span.TraceId).Distinct());
        Assert.Equal(32, spans[0].TraceId.Length);
        var chain = new List<ReceivedSpan> { spans.Single(span => span.Parent.Length == 0) };
        while (spans.SingleOrDefault(span => span.Parent == chain[^1].Id) is { } child) chain.Add(child);
        Assert.Equal(
            [("frontend.demo", Server), ("frontend.demo", Client), ("middle.demo", Server), ("middle.demo", Client), ("backend.demo", Server)],
            chain.Select(span => (span.Service, span.Kind)));
        Assert.All(chain, span => Assert.True(span.End > span.Start));
        Assert.All(chain.Zip(chain.Skip(1)), pair => Assert.True(pair.First.Start <= pair.Second.Start && pair.First.End >= pair.Second.End));
        Assert.Equal("frontend.demo.svc.cluster.local:80/*", chain[0].Name);
        Assert.Equal("next-of-frontend.demo.svc.cluster.local:80/*", chain[1].Name);

        var root = chain[0].Tags;
        Assert.Equal("proxy", root["component"]);
        Assert.Equal("GET", root["http.method"]);
        Assert.Equal("http://frontend/shop?item=1", root["http.url"]);
        Assert.Equal("200", root["http.status_code"]);
        Assert.Equal("-", root["response_flags"]);
        Assert.Equal("inbound|3000||", root["upstream_cluster"]);
        Assert.Equal("sidecar~10.0.0.1~frontend-1.demo~demo.svc.cluster.local", root["node_id"]);
        Assert.Equal("test", root["user_agent"]);
        Assert.True(root.ContainsKey("guid:x-request-id"));
        Assert.StartsWith("POST /v1/traces HTTP/1.1", rig.Reports[0].Head);
        Assert.Contains("content-type: application/x-protobuf", rig.Reports[0].Head);
        Assert.Contains("host: otel.demo:4318", rig.Reports[0].Head);
    }

    [Fact]
    public void A_failed_call_is_an_error_on_each_hop_and_a_given_trace_is_continued()
    {
        using var rig = new TraceRig(OverHttp, "frontend", "backend");
        rig.StartCollector();

        rig.Call("GET /fail HTTP/1.1\r\nhost: frontend\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");

        var spans = rig.Spans();
        Assert.Equal(3, spans.Count);
        Assert.All(spans, span => Assert.Equal("0af7651916cd43dd8448eb211c80319c", span.TraceId));
        Assert.Single(spans, span => span.Parent == "b7ad6b7169203331");
        Assert.All(spans, span => Assert.True(span.IsError && span.Tags["error"] == "true" && span.Tags["http.status_code"] == "503"));
    }

    [Theory]
    [InlineData("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n", 100u)]
    [InlineData("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", 0u)]
    [InlineData("traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n", 100u)]
    [InlineData("", 0u)]
    public void What_is_not_sampled_is_not_reported(string header, uint percent)
    {
        using var rig = new TraceRig(settings => OverHttp(settings) with { Random = new(percent, 100) }, "frontend", "backend");
        rig.StartCollector();

        rig.Call($"GET / HTTP/1.1\r\nhost: frontend\r\n{header}\r\n");

        Assert.Empty(rig.Reports);
    }

    [Fact]
    public void Own_tags_come_from_words_environment_headers_and_formats()
    {
        using var rig = new TraceRig(settings => OverHttp(settings) with
        {
            Tags =
            [
                new("team", TraceTagKind.Literal, "blue", ""), new("pod", TraceTagKind.Environment, "POD_NAME", ""), new("tenant", TraceTagKind.RequestHeader, "x-tenant", "none"),
                new("absent", TraceTagKind.RequestHeader, "x-nothing", ""), new("code", TraceTagKind.Formatter, "", "") { Format = new("%RESPONSE_CODE% of %REQ(:METHOD)%") },
                new("component", TraceTagKind.Literal, "mine", ""),
            ],
        }, "frontend");
        rig.StartCollector();

        rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\nx-tenant: acme\r\n\r\n");

        var tags = Assert.Single(rig.Spans()).Tags;
        Assert.Equal(("blue", "frontend-1", "acme", "200 of GET", "mine"), (tags["team"], tags["pod"], tags["tenant"], tags["code"], tags["component"]));
        Assert.False(tags.ContainsKey("absent"));
    }

    [Fact]
    public void A_gateway_tells_its_own_call_apart()
    {
        using var rig = new TraceRig(settings => OverHttp(settings) with { SpawnUpstreamSpan = true }, "frontend");
        rig.StartCollector();

        rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\n\r\n");

        var spans = rig.Spans();
        var (server, call) = (spans.Single(span => span.Kind == Server), spans.Single(span => span.Kind == Client));
        Assert.Equal(server.Id, call.Parent);
        Assert.Equal("router inbound|3000|| egress", call.Name);
    }

    [Fact]
    public void Zipkin_gets_its_json_and_b3_headers_join_the_hops()
    {
        using var rig = new TraceRig(settings => settings with
        {
            Provider = TraceProvider.Zipkin, Cluster = "collector", Endpoint = "/api/v2/spans", Hostname = "zipkin.demo", SharedSpan = false, Propagation = TraceHeaders.B3,
        }, "frontend", "backend");
        rig.StartCollector();

        rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\n\r\n");

        Assert.StartsWith("POST /api/v2/spans HTTP/1.1", rig.Reports[0].Head);
        Assert.Contains("content-type: application/json", rig.Reports[0].Head);
        var spans = rig.Reports.SelectMany(report => JsonDocument.Parse(report.Body).RootElement.EnumerateArray()).ToList();
        Assert.Equal(3, spans.Count);
        Assert.Single(spans.Select(span => span.GetProperty("traceId").GetString()).Distinct());
        var root = spans.Single(span => !span.TryGetProperty("parentId", out _));
        Assert.Equal("SERVER", root.GetProperty("kind").GetString());
        Assert.Equal("frontend.demo", root.GetProperty("localEndpoint").GetProperty("serviceName").GetString());
        Assert.Equal("10.0.0.1", root.GetProperty("localEndpoint").GetProperty("ipv4").GetString());
        Assert.Equal("200", root.GetProperty("tags").GetProperty("http.status_code").GetString());
        var call = spans.Single(span => span.TryGetProperty("parentId", out var parent) && parent.GetString() == root.GetProperty("id").GetString());
        Assert.Equal("CLIENT", call.GetProperty("kind").GetString());
        Assert.Contains(spans, span => span.TryGetProperty("parentId", out var parent) && parent.GetString() == call.GetProperty("id").GetString());
    }

    [Theory]
    [InlineData("b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1", "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1")]
    [InlineData("b3: 64fe8b2a57d3eff7-e457b5a2e4d86bd1-d-05e3ac9a4f6e3b90", "64fe8b2a57d3eff7", "e457b5a2e4d86bd1")]
    [InlineData("b3: 64fe8b2a57d3eff7-e457b5a2e4d86bd1-0", null, null)]
    [InlineData("b3: 0", null, null)]
    [InlineData("b3: bad", null, null)]
    [InlineData("b3: 64fe8b2a57d3eff7-e457b5a2e4d86bd1-x", null, null)]
    [InlineData("x-b3-traceid: 463ac35c9f6413ad\r\nx-b3-spanid: a2fb4a1d1a96d312", "463ac35c9f6413ad", "a2fb4a1d1a96d312")]
    [InlineData("x-b3-traceid: 463ac35c9f6413ad\r\nx-b3-spanid: yy", null, null)]
    public void Zipkin_goes_on_with_the_trace_that_its_caller_names_and_makes_none_of_what_it_cannot_read(string header, string? trace, string? parent)
    {
        using var rig = new TraceRig(settings => settings with
        {
            Provider = TraceProvider.Zipkin, Cluster = "collector", Endpoint = "/api/v2/spans", Hostname = "zipkin.demo", SharedSpan = false, Propagation = TraceHeaders.B3,
        }, "frontend", "backend");
        rig.StartCollector();

        rig.Call($"GET / HTTP/1.1\r\nhost: frontend\r\n{header}\r\n\r\n");

        var spans = rig.Reports.SelectMany(report => JsonDocument.Parse(report.Body).RootElement.EnumerateArray()).ToList();
        Assert.Equal(trace is null ? [] : [trace], spans.Select(span => span.GetProperty("traceId").GetString()).Distinct());
        Assert.Equal(trace is null ? 0 : 1, spans.Count(span => span.GetProperty("parentId").GetString() == parent));
    }

    [Fact]
    public void A_collector_that_fails_is_asked_again_and_then_the_batch_is_given_up_and_counted()
    {
        using var rig = new TraceRig(OverHttp, "frontend") { Answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n" };
        rig.StartCollector();

        rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\n\r\n", TimeSpan.FromMinutes(2));

        Assert.Equal(ExportQueue.AttemptsMax, rig.Reports.Count);
        ref var counts = ref rig.Workers[0].Counters.ExportsOf(Signal.Spans);
        Assert.Equal((0, 5, 1, 0), (counts.Sent, counts.Failures, counts.DroppedRefused, counts.DroppedFull));
    }

    [Fact]
    public void What_a_collector_refuses_is_not_sent_again()
    {
        using var rig = new TraceRig(OverHttp, "frontend") { Answer = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n" };
        rig.StartCollector();

        rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\n\r\n", TimeSpan.FromMinutes(1));

        Assert.Single(rig.Reports);
    }

    [Fact]
    public void A_stalled_collector_costs_the_traffic_nothing_and_the_memory_a_bounded_queue()
    {
        using var rig = new TraceRig(OverHttp, "frontend") { Answer = "" };
        rig.StartCollector();
        Assert.StartsWith("HTTP/1.1 200", rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\n\r\n"));

        // The first batch is under way and gets no answer; what comes meanwhile waits, up to the bound.
        rig.Network.Run(rig.Loop, () =>
        {
            var queue = new ExportQueue(rig.Workers[0], Collector.Of(OverHttp(new()))!);
            for (var i = 0; i < ExportQueue.ItemsMax + 1000; i++) queue.Add(new byte[100]);
            return default;
        });

        Assert.StartsWith("HTTP/1.1 200", rig.Call("GET / HTTP/1.1\r\nhost: frontend\r\n\r\n"));
        Assert.Equal(1000 - ExportQueue.BatchItemsMax, rig.Workers[0].Counters.ExportsOf(Signal.Spans).DroppedFull);
    }

    [Fact]
    public void A_log_record_of_OpenTelemetry_carries_body_attributes_and_the_trace()
    {
        var log = AccessLog.Of(new()
        {
            Sink = AccessLogSink.OpenTelemetry, LogName = "otel_envoy_accesslog", TextFormat = "%REQ(:METHOD)% %RESPONSE_CODE%", Service = new("collector", TimeSpan.Zero),
            Json = new([KeyValuePair.Create("path", new JsonFormatValue { Text = "%REQ(:PATH)%" })]),
        });
        Assert.Equal((CollectorProtocol.OtlpGrpc, Signal.Logs, "collector"), (log.Collector!.Protocol, log.Collector.Signal, log.Collector.Cluster));

        var record = Otlp.Log(DateTimeOffset.UnixEpoch.AddSeconds(1), "GET 200", [KeyValuePair.Create("path", "/x")], new() { TraceIdLow = 1, Id = 2, IsSampled = true });
        Assert.Equal("GET 200", Encoding.UTF8.GetString(TraceRig.Each(TraceRig.Each(record, 5).Single(), 1).Single()));
        Assert.Equal("path", Encoding.UTF8.GetString(TraceRig.Each(TraceRig.Each(record, 6).Single(), 1).Single()));
        Assert.Equal("00000000000000000000000000000001", Convert.ToHexString(TraceRig.Each(record, 9).Single()));

        var framed = log.Collector.Body([record], new() { Id = "node", Cluster = "frontend.demo" });
        Assert.Equal(framed.Length - 5, (framed[1] << 24) | (framed[2] << 16) | (framed[3] << 8) | framed[4]);
    }
}
