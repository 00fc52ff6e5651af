using System.Net;
using BenchmarkDotNet.Attributes;
using Mesh.Http;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Proxy;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;
using Mesh.Sim.Net;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Bench.Observe;

/// <summary>What room 8 costs a request: everything that is told of it, one after the other. And what a scrape costs, off the loops.</summary>
[MemoryDiagnoser]
public class RecordBenchmarks
{
    private readonly Worker _worker;
    private readonly Exchange _plain, _traced, _tagged;
    private readonly Counters _many = new();

    public RecordBenchmarks()
    {
        var loop = new SimNetwork(7, SimConditions.Calm).CreateLoop();
        _worker = new(0, loop, new NoTls(), new() { Id = "sidecar~10.0.0.1~bench.default~default.svc.cluster.local", Cluster = "bench.default" }, new(), NullLogger.Instance);
        _worker.Samples.PerSecond = 50;
        _plain = Answered(new(), spanned: false);
        _traced = Answered(new(), spanned: true);
        _tagged = Answered(new() { Metrics = [new("requests_total", System.Collections.Immutable.ImmutableDictionary<string, string>.Empty.Add("method", "request.method").Add("host", "request.host"), [], "", false)] }, spanned: false);
        // A row of the exposition has three histograms of 22 lines and a counter: 150 of them are 10 050 series.
        for (var i = 0; i < 150; i++)
            _many.RequestsFor(new("source", WorkloadLabels.Unknown, "unknown", WorkloadLabels.Unknown, "unknown", $"service-{i}.default.svc.cluster.local", $"service-{i}", "default", "http", "mutual_tls"))
                .For(200, default, -1, []).Add(1.5, 100, 1000);
    }

    [Benchmark]
    public void Metrics() => RequestStats.Record(_plain);

    [Benchmark]
    public void MetricsWithTwoExpressions() => RequestStats.Record(_tagged);

    [Benchmark]
    public void AccessLogLine() => _worker.Logs.Record(_plain);

    [Benchmark]
    public void OfferToTap() => _worker.Samples.Offer(_plain);

    /// <summary>Of a request that is not sampled.</summary>
    [Benchmark]
    public void SpanNotSampled() => Tracing.End(_plain);

    /// <summary>Made and encoded; a hundredth of it is what 1 % sampling costs a request.</summary>
    [Benchmark]
    public void SpanSampled()
    {
        var record = SpanRecord.Of(_traced, _traced.Settings.Tracing!, (Span)_traced.Span!);
        _ = Otlp.Span(record);
    }

    [Benchmark]
    public void Everything()
    {
        RequestStats.Record(_plain);
        _worker.Logs.Record(_plain);
        Tracing.End(_plain);
        _worker.Samples.Offer(_plain);
    }

    [Benchmark]
    public int ScrapeOfTenThousandSeries() => (int)Mesh.Proxy.Observe.Prometheus.Write([_many], []).Sum(part => part.Length);

    private Exchange Answered(IstioStatsSettings stats, bool spanned)
    {
        var nowhere = new IPEndPoint(IPAddress.Loopback, 80);
        var listener = new Listener { Name = "out", Address = SocketTarget.At(nowhere), Direction = TrafficDirection.Outbound };
        var settings = new HttpConnectionSettings
        {
            Filters = [new IstioStatsFilter("istio.stats", stats)],
            AccessLogs = [new() { Sink = AccessLogSink.File, Path = "/dev/null", TextFormat = LineFormat.Istio }],
            Tracing = new() { Provider = TraceProvider.OpenTelemetryGrpc, Cluster = "collector", ServiceName = "bench.default" },
        };
        var head = new RequestHead();
        head.SetMethod(Method.Get);
        head.SetPath("/api/v1/items/1234?page=2"u8);
        head.SetAuthority("reviews.default:9080"u8);
        head.Headers.Append(KnownHeader.UserAgent, "curl/8.5.0"u8);
        head.Headers.Append(KnownHeader.XRequestId, "7f0c9a6e-5a3a-4b25-9a8f-6f3b3a0d9c11"u8);
        var client = new ClientConnection { Listener = listener, LocalSocket = nowhere, Destination = nowhere, DirectSource = nowhere, Source = nowhere };
        var exchange = new Exchange(_worker);
        exchange.Begin(client, settings, Snapshot.Empty, head, null!);
        (exchange.Status, exchange.Details, exchange.ResponseBytes) = (200, "via_upstream", 1024);
        exchange.EndedAt = exchange.StartedAt + 1_500_000;
        if (spanned) exchange.Span = new Span { TraceIdHigh = 1, TraceIdLow = 2, Id = 3, IsSampled = true };
        return exchange;
    }

    private sealed class NoTls : TlsProvider
    {
        public override Mesh.Net.Tls.TlsContext CreateContext(TlsSettings settings) => throw new TlsSettingsException("no TLS in this benchmark");
    }
}
