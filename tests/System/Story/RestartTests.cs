using System.Net;

namespace Mesh.SystemTests.Story;

/// <summary>Processes end and begin again: pods that are replaced, sidecars that crash, a control plane that is not there.</summary>
[Collection("demo")]
public sealed class RestartTests : IAsyncLifetime
{
    private const string Native = "{sidecar.istio.io/nativeSidecar: 'true', proxy.istio.io/config: '{terminationDrainDuration: 2s}'}";
    private const string Classic = "{proxy.istio.io/config: '{terminationDrainDuration: 2s}'}";
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(90);

    private StoryRig story = null!;

    public async ValueTask InitializeAsync() => story = await StoryRig.StartAsync("meshroll0", "10.79.1.1", "03-canary");

    public async ValueTask DisposeAsync()
    {
        if (story is not null) await story.DisposeAsync();
    }

    [Fact]
    public async Task All_pods_are_replaced_one_after_another_and_no_request_fails()
    {
        var caller = await story.StartPodAsync("caller", "v1", 10, Classic);
        var frontends = await Task.WhenAll(story.StartPodAsync("frontend", "v1", 11, Native), story.StartPodAsync("frontend", "v1", 12, Native));
        var backends = await Task.WhenAll(story.StartPodAsync("backend", "v1", 13, Classic), story.StartPodAsync("backend", "v1", 14, Classic));
        await Task.WhenAll([caller.ReadyAsync(), .. frontends.Concat(backends).Select(pod => pod.ReadyAsync())]);
        story.Slice("frontend", frontends);
        story.Slice("backend", backends);
        using var client = caller.Client();
        await UntilAnsweredAsync(client);

        using var over = new CancellationTokenSource();
        var load = Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => LoadAsync(client, over.Token))));
        await RollAsync("frontend", frontends, 21, Native);
        await RollAsync("backend", backends, 23, Classic);
        await over.CancelAsync();
        var results = await load;

        Assert.Equal([], results.SelectMany(result => result.Failed));
        Assert.InRange(results.Sum(result => result.Asked), 200, int.MaxValue);
    }

    [Theory]
    [InlineData(Classic)]
    [InlineData(Native)]
    public async Task A_job_is_over_when_its_application_is(string annotations)
    {
        var pod = await story.StartPodAsync("once", "v1", 30, annotations);
        await pod.ReadyAsync();
        Assert.Equal(0, await pod.StopAsync("app", Grace));

        // A native sidecar is told by the kubelet; in the classic way the application says it itself before it ends.
        if (annotations == Native)
        {
            Assert.Equal(0, await pod.StopAsync("istio-proxy", Grace));
            return;
        }
        using var inside = pod.Client();
        using var answer = await inside.PostAsync(new Uri("http://127.0.0.1:15020/quitquitquit"), null);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(0, await pod.EndAsync("istio-proxy", Grace));
    }

    [Fact]
    public async Task Without_a_control_plane_a_sidecar_goes_on_with_what_it_knew_or_says_why_it_waits()
    {
        var caller = await story.StartPodAsync("caller", "v1", 10);
        var backend = await story.StartPodAsync("backend", "v1", 13);
        await Task.WhenAll(caller.ReadyAsync(), backend.ReadyAsync());
        story.Slice("backend", backend);
        using var client = caller.Client();
        await UntilAnsweredAsync(client, StoryRig.BackendUrl, "backend:8080");
        await UntilAsync("both keep their configuration, the caller with the backend's address", () => Task.FromResult(
            ((RunningPod[])[caller, backend]).All(pod => File.Exists(Kept(pod)) && File.Exists(KeptKeys(pod))) && File.ReadAllText(Kept(caller)).Contains(backend.Address, StringComparison.Ordinal)));
        Assert.DoesNotContain("PRIVATE KEY", File.ReadAllText(Kept(caller)));

        await story.StopPlaneAsync();
        story.Kubelet.Restart(caller, "istio-proxy");
        story.Kubelet.Restart(backend, "istio-proxy");
        await Task.WhenAll(caller.ReadyAsync(), backend.ReadyAsync());
        Assert.Contains("no control plane answers: going on with", caller.Log("istio-proxy"));
        await UntilAnsweredAsync(client, StoryRig.BackendUrl, "backend:8080");
        using var outside = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => outside.GetStringAsync(new Uri($"http://{backend.Address}:8080/"))); // still STRICT
        Assert.Contains("mesh_kept_configuration_in_use 1", await MetricsAsync(outside, caller));

        // The same, as in a new pod: nothing is there to go on with.
        File.Delete(Kept(backend));
        story.Kubelet.Restart(backend, "istio-proxy");
        await UntilAsync("the waiting proxy says why", async () =>
            await backend.ReadinessAsync() is (503, var body) && body.Contains("no configuration to go on with: none was accepted before in this pod", StringComparison.Ordinal));
        Assert.Contains("there is no configuration to go on with", backend.Log("istio-proxy"));

        await story.StartPlaneAsync();
        await backend.ReadyAsync();
        await UntilAsync("the control plane's word counts again", async () => (await MetricsAsync(outside, caller)).Contains("mesh_kept_configuration_in_use 0", StringComparison.Ordinal));
        await UntilAnsweredAsync(client, StoryRig.BackendUrl, "backend:8080");
    }

    private string Kept(RunningPod pod) => Path.Combine(story.Kubelet.VolumeOf(pod, "istio-data"), "last-configuration.pb");
    private string KeptKeys(RunningPod pod) => Path.Combine(story.Kubelet.VolumeOf(pod, "istio-envoy"), "last-secrets.pb");

    private static Task<string> MetricsAsync(HttpClient outside, RunningPod pod) => outside.GetStringAsync(new Uri($"http://{pod.Address}:15020/stats/prometheus"));

    /// <summary>As a Deployment does it with maxUnavailable 0: the new pod is ready before the old one is told to end.</summary>
    private async Task RollAsync(string app, RunningPod[] pods, int firstAddress, string annotations)
    {
        var standing = pods.ToList();
        var endings = new List<Task>();
        for (var i = 0; i < pods.Length; i++)
        {
            var next = await story.StartPodAsync(app, "v1", firstAddress + i, annotations);
            await next.ReadyAsync();
            standing.Add(next);
            standing.Remove(pods[i]);
            story.Slice(app, [.. standing]);
            endings.Add(EndAsync(pods[i], annotations == Native));
        }
        await Task.WhenAll(endings);
    }

    /// <summary>
    /// The endpoint goes and the containers are told at the same moment, in the kubelet's order: classic, all at once, the application after its preStop
    /// sleep; native, the sidecar's preStop drains at once, the application ends, then the sidecar is told.
    /// </summary>
    private static async Task EndAsync(RunningPod pod, bool native)
    {
        if (native)
        {
            using var inside = pod.Client();
            using (await inside.PostAsync(new Uri("http://127.0.0.1:15020/drain"), null)) await SleepAsync(pod);
            await pod.StopAsync("app", Grace);
            Assert.Equal(0, await pod.StopAsync("istio-proxy", Grace));
            return;
        }
        var proxy = pod.StopAsync("istio-proxy", Grace);
        await SleepAsync(pod);
        await pod.StopAsync("app", Grace);
        Assert.Equal(0, await proxy);
    }

    /// <summary>The application's own preStop: a program that takes its time, in the pod.</summary>
    private static Task SleepAsync(RunningPod pod) => Task.Run(() => pod.Network.Tool("sleep 2"));

    private static Task UntilAnsweredAsync(HttpClient client, string url = StoryRig.FrontendUrl, string host = "frontend:8080") =>
        UntilAsync($"{host} answers", async () => await CallAsync(client, url, host) is null);

    private static async Task UntilAsync(string what, Func<Task<bool>> isSo)
    {
        using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var tries = 0; tries < 600; tries++)
        {
            if (await isSo()) return;
            await again.WaitForNextTickAsync();
        }
        Assert.Fail($"never: {what}");
    }

    private static async Task<(int Asked, IReadOnlyList<string> Failed)> LoadAsync(HttpClient client, CancellationToken over)
    {
        var (asked, failed) = (0, new List<string>());
        for (; !over.IsCancellationRequested; asked++)
            if (await CallAsync(client, StoryRig.FrontendUrl, "frontend:8080") is { } failure) failed.Add(failure);
        return (asked, failed);
    }

    /// <returns>Null when it was answered with 200.</returns>
    private static async Task<string?> CallAsync(HttpClient client, string url, string host)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { Host = host } };
            using var answer = await client.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            return answer.StatusCode == HttpStatusCode.OK ? null : $"{(int)answer.StatusCode} {text}";
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return e.Message;
        }
    }
}
