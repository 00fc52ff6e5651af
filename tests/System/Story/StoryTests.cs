using System.Globalization;
using System.Net;

namespace Mesh.SystemTests.Story;

/// <summary>
/// Install the demo profile, label a namespace, start frontend and two backends, demand mutual TLS, split 80/20: with the injected pods running, their
/// redirection written by their init containers, and real requests.
/// </summary>
[Collection("demo")]
public sealed class StoryTests : IAsyncLifetime
{
    private StoryRig story = null!;

    public async ValueTask InitializeAsync() => story = await StoryRig.StartAsync("meshstory0", "10.79.0.1");

    public async ValueTask DisposeAsync()
    {
        if (story is not null) await story.DisposeAsync();
    }

    [Fact]
    public async Task Injected_pods_split_80_to_20_under_mutual_tls_with_their_metrics_and_roll_without_a_failed_request()
    {
        var frontend = await story.StartPodAsync("frontend", "v1", 11);
        var first = await story.StartPodAsync("backend", "v1", 12);
        var second = await story.StartPodAsync("backend", "v2", 13);
        await Task.WhenAll(frontend.ReadyAsync(), first.ReadyAsync(), second.ReadyAsync());
        story.Slice("frontend", frontend);
        story.Slice("backend", first, second);
        using var inside = frontend.Client();
        await UntilAsync(inside, answers => answers is ["v1", ..] or ["v2", ..]);

        // The application itself, through its own sidecar, and the kubelet's rewritten probe.
        using var own = await inside.GetAsync(new Uri("http://127.0.0.1:8080/"));
        Assert.Matches("^frontend v1 -> backend v[12]\n$", await own.Content.ReadAsStringAsync() + (own.IsSuccessStatusCode ? "" : frontend.Log("istio-proxy") + first.Log("istio-proxy")));
        using var outside = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        Assert.Equal(HttpStatusCode.OK, (await outside.GetAsync(new Uri($"http://{first.Address}:15020/app-health/app/livez"))).StatusCode);

        // STRICT: plain text from outside the mesh is closed.
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => outside.GetStringAsync(new Uri($"http://{first.Address}:8080/")));

        // 600 requests: the standard deviation of v2's share is 1.6 points, so these bounds are six of them.
        var answers = await CallAsync(inside, 600);
        Assert.Equal(600, answers.Count(answer => answer is "v1" or "v2"));
        Assert.InRange(answers.Count(answer => answer == "v2") / 6.0, 10, 30);

        await MetricsAsync(outside, frontend, first, second);

        // v1 is replaced while requests go on: the new pod is there before the old one is told to end.
        using var over = new CancellationTokenSource();
        var load = Task.Run(() => LoadAsync(inside, over.Token));
        var next = await story.StartPodAsync("backend", "v1", 14);
        await next.ReadyAsync();
        story.Slice("backend", first, next, second);
        await UntilAsync(inside, _ => next.Log("istio-proxy").Contains("inbound|8080||", StringComparison.Ordinal));
        story.Slice("backend", next, second);
        await first.StopAsync("istio-proxy", TimeSpan.FromSeconds(20));
        await CallAsync(inside, 100);
        await over.CancelAsync();
        var (asked, failed) = await load;

        Assert.True(asked > 100, $"only {asked} requests were made meanwhile");
        Assert.Equal([], failed);
    }

    private static async Task MetricsAsync(HttpClient outside, RunningPod frontend, RunningPod first, RunningPod second)
    {
        // The two backends together have counted as many as the caller, each under mutual TLS and from the caller's identity.
        var received = new List<string>();
        foreach (var pod in (RunningPod[])[first, second])
            received.AddRange((await outside.GetStringAsync(new Uri($"http://{pod.Address}:15020/stats/prometheus"))).Split('\n').Where(line => line.StartsWith("istio_requests_total{", StringComparison.Ordinal) && line.Contains("reporter=\"destination\"", StringComparison.Ordinal) && line.Contains("source_workload=\"frontend", StringComparison.Ordinal)));
        Assert.All(received, line =>
        {
            Assert.Contains("connection_security_policy=\"mutual_tls\"", line);
            Assert.Contains("source_principal=\"spiffe://cluster.local/ns/demo/sa/frontend\"", line);
            Assert.Contains("destination_service=\"backend.demo.svc.cluster.local\"", line);
        });
        var sent = (await outside.GetStringAsync(new Uri($"http://{frontend.Address}:15020/stats/prometheus"))).Split('\n');
        var counted = sent.Where(line => line.StartsWith("istio_requests_total{", StringComparison.Ordinal) && line.Contains("reporter=\"source\"", StringComparison.Ordinal)).Sum(Value);
        Assert.InRange(received.Sum(Value), 600, counted);
        foreach (var family in (string[])["istio_request_duration_milliseconds_bucket", "istio_request_bytes_sum", "istio_response_bytes_sum", "istio_build"])
            Assert.Contains(sent, line => line.StartsWith(family + "{", StringComparison.Ordinal));
    }

    private static async Task UntilAsync(HttpClient client, Func<IReadOnlyList<string>, bool> isSo)
    {
        for (var tries = 0; tries < 2_000; tries++)
            if (isSo(await CallAsync(client, 1))) return;
        Assert.Fail("never so, in 2,000 requests");
    }

    /// <returns>The version that answered each request, or its failure.</returns>
    private static async Task<IReadOnlyList<string>> CallAsync(HttpClient client, int count)
    {
        var answers = new List<string>();
        for (var i = 0; i < count; i++) answers.Add(await CallOnceAsync(client));
        return answers;
    }

    private static async Task<(int Asked, IReadOnlyList<string> Failed)> LoadAsync(HttpClient client, CancellationToken over)
    {
        var (asked, failed) = (0, new List<string>());
        for (; !over.IsCancellationRequested; asked++)
            if (await CallOnceAsync(client) is not ("v1" or "v2") and var failure) failed.Add(failure);
        return (asked, failed);
    }

    private static async Task<string> CallOnceAsync(HttpClient client)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, StoryRig.BackendUrl) { Headers = { Host = "backend:8080" } };
            using var answer = await client.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            return answer.StatusCode == HttpStatusCode.OK ? text.Trim()["backend ".Length..] : $"{(int)answer.StatusCode} {text}";
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return e.Message;
        }
    }

    private static double Value(string line) => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
}
