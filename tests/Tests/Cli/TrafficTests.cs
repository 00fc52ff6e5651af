using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.Tests.Cli;

/// <summary>stat, edges, tap and top, with what a control plane answered before them.</summary>
public sealed class TrafficTests
{
    private const string Stat = """
        [{"name":"backend-v1","namespace":"demo","meshed":true,"requests":120,"rps":2.04,"success":0.9917,"p50Ms":3.2,"p95Ms":9.8,"p99Ms":24.4,"tcpOpen":3,"mtlsShare":1},
         {"name":"legacy","namespace":"","meshed":false,"requests":0,"rps":0,"tcpOpen":0}]
        """;

    private const string Edges = """
        [{"source":"frontend-v1","sourceNamespace":"demo","destination":"backend-v1","destinationNamespace":"demo","service":"backend","mtls":true,"sourceIdentity":"demo/frontend","destinationIdentity":"demo/backend"},
         {"source":"job","sourceNamespace":"batch","destination":"backend-v1","destinationNamespace":"demo","service":"backend","mtls":false,"sourceIdentity":"-","destinationIdentity":"demo/backend"}]
        """;

    private const string Records = """
        {"time":"2026-01-02T03:04:05.678Z","proxy":"frontend-v1","reporter":"source","sourceWorkload":"frontend-v1","destinationWorkload":"backend-v1","method":"GET","authority":"backend:8080","path":"/api","status":200,"latencyMs":3.2,"mtls":true,"route":"default","cluster":"outbound|8080||backend.demo.svc.cluster.local","endpoint":"10.0.0.7:8080","policy":"-","attempts":1,"flags":"-"}
        {"time":"2026-01-02T03:04:06.000Z","proxy":"backend-v1","reporter":"destination","sourceWorkload":"unknown","source":"10.0.0.9","destinationWorkload":"backend-v1","method":"POST","authority":"backend:8080","path":"/api","status":503,"latencyMs":1,"mtls":false,"policy":"demo/deny","attempts":2,"flags":"UH","flagsMeaning":"no healthy upstream"}

        """;

    [Fact]
    public async Task Stat_shows_a_row_a_workload_and_a_dash_where_nothing_was_measured()
    {
        var (exit, output, _) = await RunAsync("/api/stat", Stat, "stat", "deploy", "-n", "demo");

        Assert.Equal(0, exit);
        Assert.Equal(
            """
            NAME             MESHED  SUCCESS  RPS     LATENCY_P50  LATENCY_P95  LATENCY_P99  TCP_CONN  MTLS
            backend-v1.demo  yes     99.17%   2.0rps  3ms          10ms         24ms         3         100.00%
            legacy           no      -        0.0rps  -            -            -            0         -
            """, Trimmed(output));
    }

    [Fact]
    public async Task Edges_say_which_are_proved_and_which_are_not()
    {
        var (exit, output, error) = await RunAsync("/api/edges", Edges, "edges");

        Assert.Equal(0, exit);
        Assert.Equal(
            """
            SRC          DST         SRC_NS  DST_NS  SECURED                                                           IDENTITIES
            frontend-v1  backend-v1  demo    demo    √                                                                 demo/frontend -> demo/backend
            job          backend-v1  batch   demo    × no identity was proved: plain text, or the caller has no proxy  - -> demo/backend
            """, Trimmed(output));
        Assert.Equal("2 edges, 1 without mutual TLS -> meshctl describe svc NAME says which policy applies.", error.Trim());
    }

    [Fact]
    public async Task Tap_tells_of_a_request_in_one_line_and_asks_for_what_the_flags_say()
    {
        var asked = "";
        var (exit, output, _) = await RunAsync("/api/tap", Records, query => asked = query, "tap", "deploy/backend-v1.demo", "--from", "frontend-v1", "--method", "GET", "--path", "/api", "--authority", "backend:8080", "--status", "5xx");

        Assert.Equal(0, exit);
        Assert.Equal("?workload=backend-v1&namespace=demo&from=frontend-v1&method=GET&path=%2Fapi&authority=backend%3A8080&status=5xx", asked);
        Assert.Equal(
            """
            2026-01-02T03:04:05.678Z frontend-v1 out frontend-v1 -> backend-v1 GET backend:8080/api 200 3.2ms tls=mutual route=default cluster=outbound|8080||backend.demo.svc.cluster.local endpoint=10.0.0.7:8080
            2026-01-02T03:04:06.000Z backend-v1 in 10.0.0.9 -> backend-v1 POST backend:8080/api 503 1.0ms tls=no policy=demo/deny attempts=2 flag=UH (no healthy upstream)
            """, Trimmed(output));
    }

    [Fact]
    public async Task A_tap_that_saw_nothing_says_what_it_waited_for()
    {
        var (exit, output, error) = await RunAsync("/api/tap", "", "tap", "web", "--path", "/nowhere");

        Assert.Equal((0, ""), (exit, output));
        Assert.Equal("no request matched yet: web --path /nowhere -> meshctl edges -t 15m says who called whom", error.Trim());
    }

    [Fact]
    public async Task A_tap_shows_no_more_a_second_than_it_was_told_and_says_how_many_it_left_out()
    {
        var (_, output, error) = await RunAsync("/api/tap", string.Concat(Enumerable.Repeat(Records.TrimEnd() + "\n", 10)), "tap", "--max-rps", "3", "-o", "json");

        Assert.InRange(output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, 3, 19);
        Assert.Contains("requests more than 3 a second were left out", error);
    }

    [Theory]
    [InlineData("600")]
    [InlineData("5x")]
    [InlineData("ok")]
    public async Task A_status_that_is_none_is_refused(string status)
    {
        var (exit, _, error) = await InProcessCli.RunAsync(["tap", "--status", status]);

        Assert.Equal(64, exit);
        Assert.Contains("must be a status (503) or a class (5xx)", error);
    }

    [Fact]
    public async Task Top_counts_by_path()
    {
        var (exit, output, _) = await RunAsync("/api/tap", string.Concat(Enumerable.Repeat(Records.TrimEnd() + "\n", 3)), "top", "--seconds", "60");

        Assert.Equal(0, exit);
        Assert.Equal(
            """
            Source       Destination  Method  Path  Count  Best   Worst  Last   Success Rate
            frontend-v1  backend-v1   GET     /api  3      3.2ms  3.2ms  3.2ms  100.00%
            unknown      backend-v1   POST    /api  3      1.0ms  1.0ms  1.0ms  0.00%
            """, Trimmed(output));
    }

    private static Task<(int Exit, string Out, string Error)> RunAsync(string path, string answer, params string[] arguments) => RunAsync(path, answer, _ => { }, arguments);

    private static async Task<(int Exit, string Out, string Error)> RunAsync(string path, string answer, Action<string> asked, params string[] arguments)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        app.MapGet(path, (HttpContext context) =>
        {
            asked(context.Request.QueryString.Value ?? "");
            return Results.Text(answer, "application/json");
        });
        await app.StartAsync();
        return await InProcessCli.RunAsync([.. arguments, "--control-plane", new Uri(app.Urls.Single()).Authority]);
    }

    private static string Trimmed(string table) => string.Join('\n', table.TrimEnd().Split('\n').Select(line => line.TrimEnd()));
}
