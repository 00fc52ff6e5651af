using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Proxy.Security;

namespace Mesh.SystemTests.Observe;

/// <summary>What users look at the mesh with, looking at the running demo: Prometheus, a browser, a trace collector.</summary>
[Collection("demo")]
public sealed class ObserveTests(ObservedDemo demo) : IClassFixture<ObservedDemo>
{
    [Fact]
    public async Task Every_query_of_Istios_dashboards_and_of_Kialis_graph_gives_data()
    {
        var queries = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Observe", "queries.tsv")).Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split('\t')).ToList();
        Assert.True(queries.Count > 80);
        var open = queries.Where(query => query.Length == 3).ToList();
        // A connection for each call: TCP metrics count those.
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero });
        using var prometheus = new Prometheus(demo.PrometheusPort, Scrapes());

        await demo.UntilAsync<object>(async () =>
        {
            await CallOverTcpAsync(client);
            // What changes while somebody watches: one more version of the configuration.
            await File.WriteAllTextAsync(Path.Combine(demo.Folder, "81-change.yaml"), Change());
            foreach (var query in open.ToList())
                if (await prometheus.CountAsync(Filled(query[2]), demo.Mesh.Patience) > 0) open.Remove(query);
            return open.Count == 0 ? demo : null;
        }, TimeSpan.FromSeconds(90), () => $"without data (TCP: {lastTcpTrouble}): " + string.Join('\n', open.Select(query => string.Join(" | ", query))));
    }

    [Fact]
    public async Task The_dashboard_shows_the_traffic_as_it_is_and_a_fault_within_seconds()
    {
        var cancel = demo.Mesh.Patience;
        await using var browser = await Browser.StartAsync(cancel);
        await browser.OpenAsync($"http://127.0.0.1:{demo.MonitoringPort}/ui/", cancel);

        // Nodes, locks, the split, requests as they come.
        var seen = "";
        await Seen("document.querySelectorAll('#graph .node').length >= 4");
        await Seen("document.querySelectorAll('#graph .edge').length >= 3 && [...document.querySelectorAll('#graph .edge')].every(e => e.getAttribute('aria-label').includes('mutual TLS'))");
        await Seen("[...document.querySelectorAll('#graph .edge')].every(e => e.querySelector('.lock:not(.open)'))");
        await Seen("Math.abs(parseFloat([...document.querySelectorAll('#edges tbody tr')].find(r => r.cells[3].textContent === 'v2')?.cells[9].textContent) - 20) <= 5");
        await Seen("document.querySelectorAll('#records tbody tr').length >= 10");
        await Seen("document.querySelectorAll('#proxies tbody tr').length >= 4 && document.querySelectorAll('#config tbody tr').length >= 5");
        await PicturesAsync(browser, "healthy");

        var canary = Path.Combine(demo.Folder, "03-canary.yaml");
        var healthy = await File.ReadAllTextAsync(canary, cancel);
        await File.WriteAllTextAsync(canary, healthy.Replace("  - route:", "  - fault: {abort: {httpStatus: 500, percentage: {value: 50}}}\n    route:", StringComparison.Ordinal), cancel);
        await Seen("document.querySelectorAll('#graph .edge.bad').length > 0");
        await Seen("[...document.querySelectorAll('#records tbody tr')].some(r => r.cells[4].textContent === '500')");
        await browser.EvaluateAsync("document.querySelector('#graph .edge.bad').dispatchEvent(new Event('click', {bubbles: true}))", cancel);
        await Seen("!document.querySelector('#edge-detail').hidden && document.querySelectorAll('#edge-facts dd').length >= 2");
        await Seen("document.querySelector('#success').className === 'bad'");
        await browser.EvaluateAsync("document.querySelector('#records tbody tr.failed').click()", cancel);
        await Seen("document.querySelector('#records .whole')?.innerText.includes('Told by')");
        await PicturesAsync(browser, "fault");
        await File.WriteAllTextAsync(canary, healthy, cancel);

        Assert.Empty(browser.Complaints);

        // An idle machine shows each within two or three seconds; how long a busy one may take is not what is tested.
        Task Seen(string condition) => demo.UntilAsync<object>(async () =>
        {
            if ((await browser.EvaluateAsync(condition, cancel))?.GetValue<bool>() == true) return demo;
            seen = (await browser.EvaluateAsync("document.body.innerText", cancel))?.GetValue<string>() ?? "";
            return null;
        }, TimeSpan.FromSeconds(60), () => $"never seen: {condition}\n{string.Join('\n', browser.Complaints)}\n{seen}");
    }

    [Fact]
    public async Task A_collector_of_OpenTelemetry_gets_whole_traces_over_gRPC()
    {
        var trace = await demo.UntilAsync<List<(string Service, string Id, string Parent, ulong Kind, string Tags)>>(async () =>
        {
            await demo.Mesh.CallAsync(demo.Ingress);
            return demo.Exports.SelectMany(Spans).GroupBy(span => span.Trace).Select(group => group.Select(s => s.Span).ToList()).FirstOrDefault(IsWhole);
        }, TimeSpan.FromSeconds(60), () => $"no whole trace in {demo.Exports.Count} exports; the fullest trace was\n"
            + string.Join('\n', demo.Exports.SelectMany(Spans).GroupBy(span => span.Trace).MaxBy(trace => trace.Count())?.Select(span => $"{span.Trace} {span.Span.Id} <- {span.Span.Parent} {span.Span.Kind} {span.Span.Service}") ?? []));

        // Gateway in and out, frontend in and out, backend in: each the child of the one before.
        var root = trace.Single(span => span.Parent.Length == 0);
        var chain = new List<(string Service, string Id, string Parent, ulong Kind, string Tags)> { root };
        while (trace.SingleOrDefault(span => span.Parent == chain[^1].Id) is { Id.Length: > 0 } child) chain.Add(child);
        Assert.Equal(5, chain.Count);
        Assert.Equal([2UL, 3, 2, 3, 2], chain.Select(span => span.Kind));
        Assert.Equal(["istio-ingressgateway.istio-system", "istio-ingressgateway.istio-system", "frontend.demo", "frontend.demo", "backend.demo"], chain.Select(span => span.Service));
        Assert.Contains("team=blue", root.Tags);
        Assert.Contains("istio.canonical_service=backend", chain[^1].Tags);
        Assert.Contains("component=proxy", chain[^1].Tags);

        static bool IsWhole(List<(string Service, string Id, string Parent, ulong Kind, string Tags)> spans) => spans.Count == 5 && spans.Count(span => span.Parent.Length == 0) == 1;
    }

    /// <summary>Bytes through the gateway's TCP listener. Its configuration may change meanwhile, and a connection be cut: the next call makes another.</summary>
    private async Task CallOverTcpAsync(HttpClient client)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri(demo.TcpIngress), demo.Mesh.Patience);
        }
        catch (HttpRequestException e)
        {
            lastTcpTrouble = e.Message;
        }
    }

    private string lastTcpTrouble = "";

    private string Scrapes()
    {
        var jobs = new StringBuilder();
        Add("istiod", $"127.0.0.1:{demo.MonitoringPort}", "/metrics");
        foreach (var (pod, host) in new[] { ("istio-ingressgateway", 10), ("frontend-v1", 11), ("backend-v1", 12), ("backend-v2", 13) }) Add(pod, $"127.77.0.{host}:15020", "/stats/prometheus");
        return jobs.ToString();

        void Add(string app, string target, string path) => jobs.Append(CultureInfo.InvariantCulture, $$"""
            - job_name: {{app}}
              metrics_path: {{path}}
              static_configs:
              - targets: ["{{target}}"]
                labels: {app: {{app}}, pod: {{app}}-0}

            """);
    }

    private int _changes;

    private string Change() => $$$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: frontend, namespace: demo, annotations: {change: "{{{++_changes}}}"}}
        spec:
          host: frontend
          trafficPolicy: {connectionPool: {http: {maxRetries: {{{100 + _changes}}} } } }
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: change, namespace: demo}
        spec: {ports: [{name: http, port: {{{7000 + _changes % 100}}} }]}
        """;

    private static string Filled(string query) => query
        .Replace("$svc", "backend.demo.svc.cluster.local", StringComparison.Ordinal).Replace("$tcp", "frontend-tcp.demo.svc.cluster.local", StringComparison.Ordinal)
        .Replace("$wl", "frontend-v1", StringComparison.Ordinal).Replace("$ns", "demo", StringComparison.Ordinal).Replace("$i", "8s", StringComparison.Ordinal);

    private static async Task PicturesAsync(Browser browser, string name)
    {
        if (Environment.GetEnvironmentVariable("MESH_SCREENSHOTS") is not { Length: > 0 } folder) return;
        foreach (var (width, isDark) in new[] { (1280, false), (1280, true), (420, false) })
            await File.WriteAllBytesAsync(Path.Combine(folder, $"{name}-{width}-{(isDark ? "dark" : "light")}.png"), await browser.ScreenshotAsync(width, isDark, default));
    }

    /// <summary>The spans of one export, by the numbers of the OTLP definition.</summary>
    private static IEnumerable<(string Trace, (string Service, string Id, string Parent, ulong Kind, string Tags) Span)> Spans(byte[] framed)
    {
        foreach (var resource in Each(framed[5..], 1))
        {
            var service = Tags(Each(resource, 1)[0], 1).First(tag => tag.StartsWith("service.name=", StringComparison.Ordinal))["service.name=".Length..];
            foreach (var span in Each(resource, 2).SelectMany(scope => Each(scope, 2)))
                yield return (Hex(span, 1), (service, Hex(span, 2), Hex(span, 4), Number(span, 6), string.Join(' ', Tags(span, 9))));
        }
    }

    private static List<byte[]> Each(byte[] bytes, int field)
    {
        var found = new List<byte[]>();
        var reader = new FieldReader(bytes);
        while (reader.Next())
            if (reader.Field == field) found.Add(reader.Content.ToArray());
        return found;
    }

    private static string Hex(byte[] bytes, int field) => Each(bytes, field) is [var id] ? Convert.ToHexStringLower(id) : "";

    private static ulong Number(byte[] bytes, int field)
    {
        var reader = new FieldReader(bytes);
        while (reader.Next())
            if (reader.Field == field) return reader.Value;
        return 0;
    }

    private static List<string> Tags(byte[] bytes, int field) =>
        [.. Each(bytes, field).Select(pair => $"{Encoding.UTF8.GetString(Each(pair, 1)[0])}={(Each(Each(pair, 2)[0], 1) is [var text] ? Encoding.UTF8.GetString(text) : "")}")];
}
