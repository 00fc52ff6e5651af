using System.Text;
using System.Text.Json;
using Mesh.Kube;
using Microsoft.AspNetCore.Http;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>An API server that answers wrongly in every way it can: what was heard before stays, and what comes after is heard.</summary>
public sealed class ApiFaultTests : IAsyncLifetime
{
    private const string Gone = """{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}""";
    private static readonly KubeWatchTimes Quick = new() { BackoffMin = TimeSpan.FromMilliseconds(10), BackoffMax = TimeSpan.FromMilliseconds(40), AbsentRetry = TimeSpan.FromMilliseconds(20), Silence = TimeSpan.FromSeconds(20) };

    private readonly CancellationTokenSource stop = new(TimeSpan.FromSeconds(60));
    private readonly Store store = new();
    private FakeCluster cluster = null!;
    private Task running = Task.CompletedTask;

    public async ValueTask InitializeAsync()
    {
        cluster = await FakeCluster.StartAsync();
        Map("a");
        Map("b");
        var watch = new KubeWatch(cluster.Api, KubeKinds.ConfigMap, store, TimeProvider.System, new Random(1), Quick);
        running = watch.RunAsync(stop.Token);
        await watch.Synced.WaitAsync(stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await cluster.DisposeAsync();
        await running;
        stop.Dispose();
    }

    [Theory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(409)]
    [InlineData(410)]
    [InlineData(422)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task A_status_takes_nothing_away(int status) =>
        await AfterwardsAsync(context => SayAsync(context, status, $$"""{"kind":"Status","code":{{status}},"message":"told to fail"}"""));

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("<html>a proxy's page</html>")]
    [InlineData("""{"kind":"ConfigMapList","metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a"}}""")]
    [InlineData("""{"kind":"ConfigMapList","metadata":{"resourceVersion":"9"},"items":{"a":1}}""")]
    [InlineData("""{"kind":"Status","status":"Success"}""")]
    public async Task An_answer_that_is_no_list_takes_nothing_away(string body) => await AfterwardsAsync(async context =>
    {
        // The watch is refused as too old, so that the list is asked for again.
        return context.Request.Query["watch"] == "true" ? await SayAsync(context, 410, "{}") : await SayAsync(context, 200, body);
    });

    [Theory]
    [InlineData("""{"type":"ADDED","object":{"metadata":{"name":"x","namesp""")] // cut, then the end
    [InlineData("garbage\n")]
    [InlineData("{}\n")]
    [InlineData("[1]\n")]
    [InlineData("""{"type":"MODIFIED"}""" + "\n")]
    [InlineData("""{"type":7,"object":{}}""" + "\n")]
    [InlineData("""{"type":"DELETED","object":null}""" + "\n")]
    [InlineData("""{"type":"DELETED","object":{"metadata":{"namespace":"default"}}}""" + "\n")]
    [InlineData("""{"type":"DELETED","object":{"metadata":{"name":"never-seen","namespace":"default","resourceVersion":"1"}}}""" + "\n")]
    [InlineData("""{"type":"MODIFIED","object":{"metadata":"text"}}""" + "\n")]
    [InlineData("""{"type":"ERROR","object":{"kind":"Status","code":500,"message":"m"}}""" + "\n")]
    [InlineData(Gone + "\n")]
    [InlineData("")]
    public async Task A_watch_that_says_nonsense_or_ends_takes_nothing_away(string text) => await AfterwardsAsync(async context =>
    {
        if (context.Request.Query["watch"] != "true") return false;
        await SayAsync(context, 200, text);
        return true;
    });

    [Fact]
    public async Task An_event_that_never_ends_is_given_up() => await AfterwardsAsync(async context =>
    {
        if (context.Request.Query["watch"] != "true") return false;

        var part = Encoding.ASCII.GetBytes(new string('x', 1 << 20));
        try
        {
            for (var i = 0; i < 64 && !context.RequestAborted.IsCancellationRequested; i++) await context.Response.Body.WriteAsync(part, context.RequestAborted);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Given up, as it should be.
        }
        return true;
    });

    [Fact]
    public async Task Events_told_twice_leave_the_newest_in_force()
    {
        Map("a", "2");
        await store.Until(() => store.Value("a") == "2");
        cluster.EndWatches();
        Map("a", "3");
        await store.Until(() => store.Value("a") == "3");

        Assert.Equal(2, store.Count);
    }

    [Fact]
    public async Task A_list_that_is_really_empty_is_believed()
    {
        cluster.Delete(KubeKinds.ConfigMap, "default", "a");
        cluster.Delete(KubeKinds.ConfigMap, "default", "b");
        cluster.Forget();

        await store.Until(() => store.Count == 0);
    }

    [Fact]
    public async Task Odd_objects_of_a_list_are_passed_over_and_the_others_taken()
    {
        var said = false;
        cluster.Instead = async context =>
        {
            if (said || !context.Request.Path.Value!.EndsWith("/configmaps", StringComparison.Ordinal)) return false;
            if (context.Request.Query["watch"] == "true") return await SayAsync(context, 410, "{}");
            said = true;
            return await SayAsync(context, 200, """{"kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[null,7,{"metadata":{}},{"metadata":{"name":"c","namespace":"default","annotations":7},"data":null,"unknown":[1]}]}""");
        };
        cluster.EndWatches();

        await store.Until(() => store.Value("c") is not null);
    }

    [Fact]
    public async Task A_kind_is_gone_when_the_server_itself_says_that_it_does_not_have_it()
    {
        cluster.Instead = async context => context.Request.Path.Value switch
        {
            var path when path!.EndsWith("/configmaps", StringComparison.Ordinal) => await SayAsync(context, 404, """{"kind":"Status","code":404,"message":"the server could not find the requested resource"}"""),
            "/api/v1" => await SayAsync(context, 200, """{"kind":"APIResourceList","resources":[{"name":"pods","kind":"Pod"}]}"""),
            _ => false,
        };
        cluster.EndWatches();

        await store.Until(() => store.Count == 0);
    }

    /// <summary>Five wrong answers, then the truth again.</summary>
    private async Task AfterwardsAsync(Func<HttpContext, Task<bool>> answer)
    {
        var wrong = 0;
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.Instead = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith("/configmaps", StringComparison.Ordinal)) return false;
            if (!await answer(context)) return false;
            if (Interlocked.Increment(ref wrong) == 5) enough.TrySetResult();
            return true;
        };
        cluster.EndWatches();
        await enough.Task.WaitAsync(stop.Token);
        Assert.Equal(2, store.LeastSeen);

        cluster.Instead = _ => Task.FromResult(false);
        Map("c");
        await store.Until(() => store.Value("c") is not null);
        Assert.False(running.IsCompleted);
        Assert.Equal(2, store.LeastSeen);
    }

    private static async Task<bool> SayAsync(HttpContext context, int status, string body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(body, context.RequestAborted);
        return true;
    }

    private void Map(string name, string value = "1") => cluster.Put($"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}, data: {{v: '{value}'}}}}");

    /// <summary>What is there, and the least there ever was since the first list.</summary>
    private sealed class Store : IKubeSink
    {
        private readonly Lock guard = new();
        private readonly Dictionary<string, string> values = [];
        private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool isFilled;

        public int LeastSeen { get; private set; } = int.MaxValue;

        public int Count
        {
            get
            {
                lock (guard) return values.Count;
            }
        }

        public string? Value(string name)
        {
            lock (guard) return values.GetValueOrDefault(name);
        }

        public void Replace(IReadOnlyList<JsonElement> objects) => Do(() =>
        {
            values.Clear();
            foreach (var item in objects) values[Name(item)] = ValueOf(item);
        });

        public void Changed(JsonElement item) => Do(() => values[Name(item)] = ValueOf(item));

        public void Deleted(JsonElement item) => Do(() => values.Remove(Name(item)));

        public void Trouble(string sentence) => Assert.NotEqual("", sentence);

        public async Task Until(Func<bool> isSo)
        {
            while (true)
            {
                Task next;
                lock (guard) next = changed.Task;
                if (isSo()) return;
                await next.WaitAsync(TimeSpan.FromSeconds(30));
            }
        }

        private void Do(Action action)
        {
            lock (guard)
            {
                action();
                isFilled |= values.Count >= 2;
                if (isFilled) LeastSeen = Math.Min(LeastSeen, values.Count);
                Interlocked.Exchange(ref changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
            }
        }

        private static string Name(JsonElement item) => item.GetProperty("metadata").GetProperty("name").GetString()!;
        private static string ValueOf(JsonElement item) => item.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object ? data.GetProperty("v").GetString()! : "";
    }
}
