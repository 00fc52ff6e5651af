using System.Text.Json;
using Mesh.Kube;
using Mesh.Model.Schema;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>A watch against a server that pages, forgets, refuses and falls silent: what was known is never lost, what comes is heard once.</summary>
public sealed class KubeWatchTests : IAsyncLifetime
{
    private static readonly KubeWatchTimes Quick = new() { BackoffMin = TimeSpan.FromMilliseconds(20), BackoffMax = TimeSpan.FromMilliseconds(60), AbsentRetry = TimeSpan.FromMilliseconds(50) };
    private readonly CancellationTokenSource stop = new(TimeSpan.FromSeconds(60));
    private readonly Heard heard = new();
    private FakeCluster cluster = null!;
    private Task running = Task.CompletedTask;

    public async ValueTask InitializeAsync() => cluster = await FakeCluster.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await cluster.DisposeAsync();
        await running;
        stop.Dispose();
    }

    [Fact]
    public async Task A_long_list_comes_in_pages_and_is_heard_as_one()
    {
        for (var i = 0; i < 1_201; i++) Map($"m{i}", "x");
        await Watch(KubeKinds.ConfigMap);

        Assert.Equal(["replaced 1201"], heard.Events);
        Assert.Equal(3, cluster.Requests.Count(r => r.StartsWith("GET /api/v1/configmaps?limit", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Changes_are_heard_in_their_order()
    {
        Map("a", "1");
        await Watch(KubeKinds.ConfigMap);
        Map("a", "2");
        Map("b", "1");
        cluster.Delete(KubeKinds.ConfigMap, "default", "a");

        await heard.Until("deleted a");
        Assert.Equal(["replaced 1", "changed a=2", "changed b=1", "deleted a"], heard.Events);
    }

    [Fact]
    public async Task A_cut_connection_goes_on_where_it_was()
    {
        Map("a", "1");
        await Watch(KubeKinds.ConfigMap);
        Map("b", "1");
        await heard.Until("changed b=1");
        cluster.EndWatches();
        Map("c", "1");

        await heard.Until("changed c=1");
        Assert.Equal(["replaced 1", "changed b=1", "changed c=1"], heard.Events.Where(e => !e.StartsWith("trouble", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_forgotten_version_means_to_list_again()
    {
        Map("a", "1");
        Map("b", "1");
        await Watch(KubeKinds.ConfigMap);
        cluster.Fault = request => request.Query["watch"] == "true" ? 503 : null;
        cluster.EndWatches();
        cluster.Delete(KubeKinds.ConfigMap, "default", "a");
        cluster.Forget();
        cluster.Fault = _ => null;

        await heard.Until("replaced 1");
        Map("c", "1");
        await heard.Until("changed c=1");
    }

    [Fact]
    public async Task A_server_in_trouble_changes_nothing_and_is_asked_ever_more_slowly()
    {
        Map("a", "1");
        await Watch(KubeKinds.ConfigMap);
        cluster.Fault = _ => 500;
        cluster.EndWatches();
        await heard.Until("trouble watching configmaps: 500 told to fail");

        Assert.DoesNotContain("replaced 0", heard.Events);
        cluster.Fault = _ => null;
        Map("b", "1");
        await heard.Until("changed b=1");
    }

    [Fact]
    public async Task A_kind_the_cluster_does_not_have_is_waited_for()
    {
        var kind = new KubeKind("networking.istio.io", "v1", "gateways", "Gateway", true);
        await Watch(kind);
        Assert.Equal(["replaced 0"], heard.Events);

        Definition();
        cluster.Put("{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: default}}");
        await heard.Until("replaced 1", "changed g=");
    }

    [Fact]
    public async Task Silence_beyond_the_bookmarks_means_that_the_connection_is_dead()
    {
        Map("a", "1");
        await Watch(KubeKinds.ConfigMap, Quick with { Silence = TimeSpan.FromMilliseconds(200) });

        await heard.Until("trouble watching configmaps: nothing was heard for 0 s; connecting again");
        Map("b", "1");
        await heard.Until("changed b=1");
        Assert.Single(heard.Events, "replaced 1");
    }

    private void Map(string name, string value) => cluster.Put($"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}, data: {{v: '{value}'}}}}");

    private void Definition() => cluster.Put(CrdManifest.Of(CrdManifest.Kinds.Single(k => k.Kind == "Gateway")));

    private async Task Watch(KubeKind kind, KubeWatchTimes? times = null)
    {
        var watch = new KubeWatch(cluster.Api, kind, heard, TimeProvider.System, new Random(1), times ?? Quick);
        running = watch.RunAsync(stop.Token);
        await watch.Synced.WaitAsync(stop.Token);
    }

    private sealed class Heard : IKubeSink
    {
        private readonly Lock guard = new();
        private readonly List<string> events = [];
        private TaskCompletionSource news = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IReadOnlyList<string> Events
        {
            get
            {
                lock (guard) return [.. events];
            }
        }

        public void Replace(IReadOnlyList<JsonElement> objects) => Add($"replaced {objects.Count}");
        public void Changed(JsonElement item) => Add($"changed {Name(item)}={(item.TryGetProperty("data", out var data) ? data.GetProperty("v").GetString() : "")}");
        public void Deleted(JsonElement item) => Add($"deleted {Name(item)}");
        public void Trouble(string sentence) => Add($"trouble {sentence}");

        public async Task Until(params string[] any)
        {
            try
            {
                while (true)
                {
                    Task next;
                    lock (guard) next = news.Task;
                    if (Events.Any(e => any.Contains(e))) return;
                    await next.WaitAsync(TimeSpan.FromSeconds(30));
                }
            }
            catch (TimeoutException)
            {
                Assert.Fail($"not heard: {string.Join(" or ", any)}; heard: {string.Join(", ", Events)}");
            }
        }

        private static string? Name(JsonElement item) => item.GetProperty("metadata").GetProperty("name").GetString();

        private void Add(string what)
        {
            lock (guard)
            {
                events.Add(what);
                var before = news;
                news = new(TaskCreationOptions.RunContinuationsAsynchronously);
                before.TrySetResult();
            }
        }
    }
}
