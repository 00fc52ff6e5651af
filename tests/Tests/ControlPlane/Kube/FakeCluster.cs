using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using System.Collections.Concurrent;
using System.Net;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Yaml;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>
/// An API server for tests, over HTTP: lists with pages, watches with bookmarks, 410 after forgetting, writes with conflicts, server-side apply,
/// definitions of kinds, token reviews and admission. It can be told to fail.
/// </summary>
internal sealed class FakeCluster : IAsyncDisposable
{
    private readonly WebApplication app;
    private readonly Lock guard = new();
    private readonly SortedDictionary<string, JsonObject> objects = new(StringComparer.Ordinal); // collection/namespace/name
    private readonly List<(long Version, string Collection, string Type, JsonObject Object)> log = [];
    private readonly ConcurrentDictionary<string, JsonObject> applied = []; // manager and object
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource stirred = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenSource watches = new();
    private long version = 1;
    private long forgotten;

    private FakeCluster(WebApplication app) => this.app = app;

    public KubeApi Api { get; private set; } = null!;
    public Uri Address => new(app.Urls.First());
    public Admission Admission { get; } = new();

    /// <summary>The cluster is Kubernetes 1.so many.</summary>
    public string Minor { get; set; } = "34";

    /// <summary>May who asks create everything?</summary>
    public bool IsAdmin { get; set; } = true;

    /// <summary>Tokens that are good, with who they belong to and what for.</summary>
    public ConcurrentDictionary<string, (string User, string Audience)> Tokens { get; } = [];

    /// <summary>All requests so far: method, path and query.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Says which requests are refused, and with which status.</summary>
    public Func<HttpRequest, int?> Fault { get; set; } = _ => null;

    /// <summary>Answers in the server's place; false leaves it to the server.</summary>
    public Func<HttpContext, Task<bool>> Instead { get; set; } = _ => Task.FromResult(false);

    public static async Task<FakeCluster> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var cluster = new FakeCluster(app);
        app.Run(cluster.ServeAsync);
        await app.StartAsync();
        cluster.Api = new(cluster.Address, new());
        foreach (var name in (string[])["default", "kube-system"]) cluster.Put($"{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
        return cluster;
    }

    /// <summary>Completes at the next write or request, whatever it is.</summary>
    public Task NextAsync()
    {
        lock (guard) return stirred.Task;
    }

    /// <summary>A kubeconfig that leads here; the caller owns the file.</summary>
    public string WriteKubeconfig(string path)
    {
        File.WriteAllText(path, $$$"""
            {apiVersion: v1, kind: Config, current-context: test, clusters: [{name: test, cluster: {server: '{{{Address}}}'}}],
             contexts: [{name: test, context: {cluster: test, user: test}}], users: [{name: test, user: {}}]}
            """);
        return path;
    }

    public void Put(string yaml)
    {
        foreach (var node in YamlReader.Read(yaml, "", out _))
            if (YamlJson.Of(node) is JsonObject item) Put(item);
    }

    public JsonObject Put(JsonObject item)
    {
        var kind = KubeKinds.Find(item["apiVersion"].Text()!, item["kind"].Text()!);
        var plural = kind?.Plural ?? Definition(item["apiVersion"].Text()!, item["kind"].Text()!)!.At("spec", "names", "plural").Text()!;
        var collection = Collection(item["apiVersion"].Text()!, plural);
        return Store(collection, Key(collection, item.At("metadata", "namespace").Text() ?? "", item.At("metadata", "name").Text()!), item.Copy(), always: true);
    }

    public JsonObject? Get(KubeKind kind, string inNamespace, string name)
    {
        lock (guard) return objects.GetValueOrDefault(Key(Collection(kind.ApiVersion, kind.Plural), inNamespace, name))?.Copy();
    }

    public void Delete(KubeKind kind, string inNamespace, string name)
    {
        var collection = Collection(kind.ApiVersion, kind.Plural);
        Remove(collection, Key(collection, inNamespace, name));
    }

    public IReadOnlyList<JsonObject> All(KubeKind kind) => All(Collection(kind.ApiVersion, kind.Plural));

    /// <summary>Everything there is, as "Kind namespace/name".</summary>
    public IReadOnlyList<string> Everything()
    {
        lock (guard) return [.. objects.Values.Select(o => $"{o["kind"].Text()} {o.At("metadata", "namespace").Text()}/{o.At("metadata", "name").Text()}")];
    }

    /// <summary>Forgets all versions before now: who watches from an older one must list again.</summary>
    public void Forget()
    {
        lock (guard)
        {
            log.Clear();
            forgotten = ++version;
        }
        EndWatches();
    }

    /// <summary>Cuts every watch off, as a restart of the server does.</summary>
    public void EndWatches()
    {
        var old = Interlocked.Exchange(ref watches, new());
        old.Cancel();
        old.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        EndWatches();
        Api.Dispose();
        await app.StopAsync(new CancellationTokenSource(TimeSpan.FromSeconds(1)).Token);
        await app.DisposeAsync();
        watches.Dispose();
    }

    private async Task ServeAsync(HttpContext context)
    {
        var request = context.Request;
        Requests.Enqueue($"{request.Method} {request.Path}{request.QueryString}");
        Stir();
        if (Fault(request) is { } status)
        {
            await SayAsync(context, status, "told to fail");
            return;
        }
        if (await Instead(context)) return;
        var parts = request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts is ["apis"])
        {
            await GroupsAsync(context);
            return;
        }
        var (group, rest) = parts is ["api", "v1", .. var core] ? ("v1", core) : parts is ["apis", var g, var v, .. var other] ? ($"{g}/{v}", other) : ("", parts);
        if (parts is ["version"])
        {
            await AnswerAsync(context, 200, new() { ["major"] = "1", ["minor"] = Minor, ["gitVersion"] = $"v1.{Minor}.0" });
            return;
        }
        if (rest is ["selfsubjectaccessreviews"])
        {
            await AnswerAsync(context, 201, new() { ["status"] = new JsonObject { ["allowed"] = IsAdmin } });
            return;
        }
        if (rest.Length == 0)
        {
            await DiscoverAsync(context, group);
            return;
        }
        if (rest is ["tokenreviews"])
        {
            await ReviewAsync(context);
            return;
        }
        var (space, path) = rest is ["namespaces", var n, _, ..] && rest.Length >= 3 && rest[2] is not ("status" or "finalize") ? (n, rest[2..]) : ("", rest);
        var collection = Collection(group, path[0]);
        if (!IsServed(group, path[0])) await SayAsync(context, 404, "the server could not find the requested resource");
        else if (path.Length > 1) await OneAsync(context, collection, group, path[0], space, Uri.UnescapeDataString(path[1]), path.Length > 2 ? path[2] : "");
        else if (request.Method == "POST") await CreateAsync(context, collection, space);
        else if (request.Query["watch"] == "true") await WatchAsync(context, collection, space);
        else await ListAsync(context, collection, space);
    }

    private async Task ListAsync(HttpContext context, string collection, string space)
    {
        var query = context.Request.Query;
        var (limit, after) = (int.Parse(query["limit"].FirstOrDefault() ?? "100000"), query["continue"].FirstOrDefault() ?? "");
        if (after.Length > 0 && long.Parse(after[..after.IndexOf(' ')]) < forgotten)
        {
            await SayAsync(context, 410, "The provided continue parameter is too old");
            return;
        }
        List<JsonObject> found;
        long now;
        lock (guard)
        {
            found = [.. objects.Where(o => o.Key.StartsWith(collection + "|", StringComparison.Ordinal) && (after.Length == 0 || string.CompareOrdinal(o.Key, after[(after.IndexOf(' ') + 1)..]) > 0)).Select(o => o.Value).Where(o => Selected(o, space, query))];
            now = version;
        }
        var page = found.Take(limit).ToList();
        var next = found.Count > page.Count ? $"{now} {KeyOf(collection, page[^1])}" : "";
        await AnswerAsync(context, 200, new() { ["kind"] = "List", ["metadata"] = new JsonObject { ["resourceVersion"] = $"{now}", ["continue"] = next }, ["items"] = new JsonArray([.. page.Select(Bare)]) });

        static JsonNode Bare(JsonObject item)
        {
            var copy = item.Copy();
            copy.Remove("kind"); // items of a list do not repeat it
            copy.Remove("apiVersion");
            return copy;
        }
    }

    private async Task WatchAsync(HttpContext context, string collection, string space)
    {
        var from = long.Parse(context.Request.Query["resourceVersion"].FirstOrDefault() ?? "0");
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, watches.Token);
        context.Response.ContentType = "application/json";
        if (from < forgotten)
        {
            await LineAsync("ERROR", new() { ["kind"] = "Status", ["code"] = 410, ["message"] = $"too old resource version: {from} ({forgotten})" });
            return;
        }
        await context.Response.Body.FlushAsync();
        try
        {
            while (true)
            {
                List<(long Version, string Collection, string Type, JsonObject Object)> news;
                Task wait;
                lock (guard)
                {
                    news = [.. log.Where(e => e.Version > from && e.Collection == collection && Selected(e.Object, space, context.Request.Query))];
                    wait = changed.Task;
                    if (log.Count > 0) from = Math.Max(from, log[^1].Version);
                }
                foreach (var one in news) await LineAsync(one.Type, one.Object.Copy());
                if (news.Count == 0 && from > 0) await LineAsync("BOOKMARK", new() { ["kind"] = "Bookmark", ["metadata"] = new JsonObject { ["resourceVersion"] = $"{from}" } });
                await wait.WaitAsync(end.Token);
            }
        }
        catch (OperationCanceledException)
        {
            if (!context.RequestAborted.IsCancellationRequested) context.Abort();
        }

        async Task LineAsync(string type, JsonObject item)
        {
            await context.Response.WriteAsync(new JsonObject { ["type"] = type, ["object"] = item }.ToJsonString() + "\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private async Task CreateAsync(HttpContext context, string collection, string space)
    {
        if (await BodyAsync(context) is not { } item) return;
        KeepStatus(item, null);
        var meta = item.MapAt("metadata");
        if (space.Length > 0) meta["namespace"] = space;
        if (meta["name"].Text() is null or "") meta["name"] = $"{meta["generateName"].Text()}{Interlocked.Increment(ref version):x5}";
        if (space.Length > 0 && Get(KubeKinds.Namespace, "", space) is null)
        {
            await SayAsync(context, 404, $"namespaces \"{space}\" not found");
            return;
        }
        var key = KeyOf(collection, item);
        lock (guard) if (objects.ContainsKey(key)) key = "";
        if (key.Length == 0) await SayAsync(context, 409, $"{meta["name"].Text()} already exists");
        else await WriteAsync(context, collection, key, item, 201);
    }

    private async Task OneAsync(HttpContext context, string collection, string group, string plural, string space, string name, string sub)
    {
        var key = Key(collection, space, name);
        JsonObject? before;
        lock (guard) before = objects.GetValueOrDefault(key)?.Copy();
        var type = context.Request.ContentType ?? "";
        if (before is null && !(context.Request.Method == "PATCH" && type.Contains("apply-patch", StringComparison.Ordinal)))
        {
            await SayAsync(context, 404, $"{plural} \"{name}\" not found");
            return;
        }
        switch (context.Request.Method)
        {
            case "GET" when sub == "log":
                await context.Response.WriteAsync($"log of {name} {context.Request.Query["container"]}\n");
                return;
            case "GET":
                await AnswerAsync(context, 200, before!);
                return;
            case "DELETE":
                Remove(collection, key);
                await AnswerAsync(context, 200, new() { ["kind"] = "Status", ["status"] = "Success" });
                return;
            case "PUT":
                if (await BodyAsync(context) is not { } next) return;
                if (next.At("metadata", "resourceVersion").Text() is { Length: > 0 } read && read != before.At("metadata", "resourceVersion").Text()) await SayAsync(context, 409, "the object has been modified");
                else
                {
                    if (sub != "status") KeepStatus(next, before);
                    await WriteAsync(context, collection, key, next, 200);
                }
                return;
            case "PATCH":
                if (await BodyAsync(context, list: type.Contains("json-patch", StringComparison.Ordinal)) is not { } patch) return;
                if (space.Length > 0 && before is null && Get(KubeKinds.Namespace, "", space) is null)
                {
                    await SayAsync(context, 404, $"namespaces \"{space}\" not found");
                    return;
                }
                var owner = $"{context.Request.Query["fieldManager"]} {sub} {key}";
                var isApply = type.Contains("apply", StringComparison.Ordinal);
                if (isApply)
                {
                    if (before is not null && applied.TryGetValue(owner, out var former)) before = JsonPatches.Without(before, former, patch);
                    if (context.Request.Query["dryRun"] != "All") applied[owner] = patch.Copy();
                }
                var result = patch["list"] is JsonArray operations ? JsonPatches.Apply(before!, operations) : JsonPatches.Merge(before ?? [], patch, isApply);
                if (sub is "status" or "approval" && before is not null)
                {
                    before["status"] = result["status"]?.DeepClone();
                    result = before;
                }
                else KeepStatus(result, before);
                await WriteAsync(context, collection, key, result, before is null ? 201 : 200);
                return;
        }
    }

    /// <summary>Who writes the object does not write its status: that has a door of its own.</summary>
    private static void KeepStatus(JsonObject item, JsonObject? before)
    {
        item.Remove("status");
        if (before?["status"] is { } status) item["status"] = status.DeepClone();
    }

    private async Task WriteAsync(HttpContext context, string collection, string key, JsonObject item, int status)
    {
        var plural = collection[(collection.LastIndexOf('/') + 1)..];
        var (admitted, refusal) = await Admission.AskAsync(this, plural, item, status == 201 ? "CREATE" : "UPDATE");
        if (refusal is not null)
        {
            await SayAsync(context, 400, refusal);
            return;
        }
        var isDry = context.Request.Query["dryRun"] == "All";
        await AnswerAsync(context, status, isDry ? admitted : Store(collection, key, admitted));
    }

    private JsonObject Store(string collection, string key, JsonObject item, bool always = false)
    {
        lock (guard)
        {
            var before = objects.GetValueOrDefault(key);
            var meta = item.MapAt("metadata");
            if (item["kind"].Text() == "CustomResourceDefinition") item["status"] = new JsonObject { ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Established", ["status"] = "True" }) };
            if (item["kind"].Text() == "Namespace") meta.MapAt("labels")["kubernetes.io/metadata.name"] = meta["name"].Text();
            if (item["kind"].Text() == "Deployment")
            {
                var replicas = item.At("spec", "replicas").Integer() ?? 1;
                (meta["generation"], item["status"]) = (1, new JsonObject { ["observedGeneration"] = 1, ["updatedReplicas"] = replicas, ["availableReplicas"] = replicas });
            }
            meta["uid"] = before?.At("metadata", "uid").Text() ?? Guid.NewGuid().ToString();
            if (before is not null && !always)
            {
                meta["resourceVersion"] = before.At("metadata", "resourceVersion").Text();
                if (JsonNode.DeepEquals(before, item)) return item; // no change, no event
            }
            meta["resourceVersion"] = $"{++version}";
            objects[key] = item;
            Tell(collection, before is null ? "ADDED" : "MODIFIED", item);
            return item.Copy();
        }
    }

    private void Remove(string collection, string key)
    {
        lock (guard)
        {
            if (!objects.Remove(key, out var gone)) return;
            gone = gone.Copy();
            gone.MapAt("metadata")["resourceVersion"] = $"{++version}";
            Tell(collection, "DELETED", gone);
            // With a definition go the objects of its kind, with a namespace those in it.
            var name = gone.At("metadata", "name").Text()!;
            var under = gone["kind"].Text() switch
            {
                "Namespace" => (Func<string, bool>)(other => other.Split('|')[1] == name),
                "CustomResourceDefinition" => other => other.StartsWith($"{gone.At("spec", "group").Text()}/{gone.At("spec", "names", "plural").Text()}|", StringComparison.Ordinal),
                _ => _ => false,
            };
            foreach (var other in objects.Keys.Where(under).ToList()) Remove(other[..other.IndexOf('|')], other);
        }
    }

    private void Tell(string collection, string type, JsonObject item)
    {
        log.Add((version, collection, type, item.Copy()));
        Stir();
        var before = changed;
        changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        before.TrySetResult();
    }

    private void Stir()
    {
        lock (guard)
        {
            var before = stirred;
            stirred = new(TaskCreationOptions.RunContinuationsAsynchronously);
            before.TrySetResult();
        }
    }

    private IReadOnlyList<JsonObject> All(string collection)
    {
        lock (guard) return [.. objects.Where(o => o.Key.StartsWith(collection + "|", StringComparison.Ordinal)).Select(o => o.Value.Copy())];
    }

    private JsonObject? Definition(string apiVersion, string kind) =>
        All(KubeKinds.CustomResourceDefinition).FirstOrDefault(d => d.At("spec", "group").Text() == apiVersion.Split('/')[0] && d.At("spec", "names", "kind").Text() == kind);

    private bool IsServed(string apiVersion, string plural)
    {
        if (apiVersion.Split('/')[0] is not { } group || !group.EndsWith(".istio.io", StringComparison.Ordinal) && group != "gateway.networking.k8s.io") return true;
        return All(KubeKinds.CustomResourceDefinition).Any(d => d.At("spec", "group").Text() == group && d.At("spec", "names", "plural").Text() == plural && d.At("spec", "versions").Objects().Any(v => v["name"].Text() == apiVersion.Split('/')[1]));
    }

    private Task GroupsAsync(HttpContext context)
    {
        var groups = All(KubeKinds.CustomResourceDefinition).GroupBy(d => d.At("spec", "group").Text()).Select(group => (JsonNode)new JsonObject
        {
            ["name"] = group.Key,
            ["versions"] = new JsonArray([.. group.SelectMany(d => d.At("spec", "versions").Objects()).Select(v => v["name"].Text()).Distinct().Select(v => (JsonNode)new JsonObject { ["version"] = v })]),
        });
        return AnswerAsync(context, 200, new() { ["kind"] = "APIGroupList", ["groups"] = new JsonArray([.. groups]) });
    }

    private Task DiscoverAsync(HttpContext context, string apiVersion)
    {
        var kinds = All(KubeKinds.CustomResourceDefinition).Where(d => d.At("spec", "group").Text() == apiVersion.Split('/')[0])
            .Select(d => (JsonNode)new JsonObject { ["name"] = d.At("spec", "names", "plural").Text(), ["kind"] = d.At("spec", "names", "kind").Text(), ["namespaced"] = d.At("spec", "scope").Text() == "Namespaced" });
        var common = KubeKinds.All.Where(k => k.ApiVersion == apiVersion).Select(k => (JsonNode)new JsonObject { ["name"] = k.Plural, ["kind"] = k.Kind, ["namespaced"] = k.IsNamespaced });
        return AnswerAsync(context, 200, new() { ["kind"] = "APIResourceList", ["resources"] = new JsonArray([.. kinds, .. common]) });
    }

    private async Task ReviewAsync(HttpContext context)
    {
        if (await BodyAsync(context) is not { } review) return;
        var known = Tokens.TryGetValue(review.At("spec", "token").Text() ?? "", out var owner) && review.At("spec", "audiences").Texts().Contains(owner.Audience);
        review["status"] = known
            ? new JsonObject { ["authenticated"] = true, ["audiences"] = new JsonArray(owner.Audience), ["user"] = new JsonObject { ["username"] = owner.User } }
            : new JsonObject { ["authenticated"] = false, ["error"] = "invalid bearer token" };
        await AnswerAsync(context, 201, review);
    }

    private static bool Selected(JsonObject item, string space, IQueryCollection query) =>
        (space.Length == 0 || item.At("metadata", "namespace").Text() == space)
        && Terms(query["labelSelector"].FirstOrDefault(), name => item.At("metadata", "labels", name).Text())
        && Terms(query["fieldSelector"].FirstOrDefault(), path => item.At(path.Split('.')).Text());

    private static bool Terms(string? selector, Func<string, string?> value) => (selector ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries).All(term =>
        term.Split("!=") is [var not, var unwanted] ? value(not) != unwanted : term.Split('=', StringSplitOptions.RemoveEmptyEntries) is [var name, var wanted] ? value(name) == wanted : value(term) is not null);

    private static async Task<JsonObject?> BodyAsync(HttpContext context, bool list = false)
    {
        var node = await JsonNode.ParseAsync(context.Request.Body);
        if (list) return new() { ["list"] = node };
        if (node is JsonObject item) return item;
        await SayAsync(context, 400, "the body is no object");
        return null;
    }

    private static Task SayAsync(HttpContext context, int status, string message) =>
        AnswerAsync(context, status, new() { ["kind"] = "Status", ["status"] = "Failure", ["message"] = message, ["code"] = status });

    private static Task AnswerAsync(HttpContext context, int status, JsonObject body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body.ToJsonString());
    }

    /// <summary>Versions of a group share their objects.</summary>
    private static string Collection(string apiVersion, string plural) => $"{(apiVersion.Contains('/') ? apiVersion.Split('/')[0] : "")}/{plural}";
    private static string Key(string collection, string space, string name) => $"{collection}|{space}|{name}";
    private static string KeyOf(string collection, JsonObject item) => Key(collection, item.At("metadata", "namespace").Text() ?? "", item.At("metadata", "name").Text()!);
}
