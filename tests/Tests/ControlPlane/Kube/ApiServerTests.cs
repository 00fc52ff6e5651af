using System.Text.Json.Nodes;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Tests.Cli;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>
/// What the mesh relies on of an API server. These run against the double; with MESH_KUBECONFIG they run against a real one, and keep the double honest.
/// </summary>
public sealed class ApiServerTests : IAsyncLifetime
{
    private static readonly string? Real = Environment.GetEnvironmentVariable("MESH_KUBECONFIG");
    private static readonly KubeKind Rule = new("networking.istio.io", "v1", "destinationrules", "DestinationRule", true);
    private readonly string space = $"mesh-{Guid.NewGuid():n}"[..20];
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-api-").FullName;
    private readonly CancellationTokenSource stop = new(TimeSpan.FromSeconds(60));
    private FakeCluster? cluster;
    private string kubeconfig = "";
    private KubeApi api = null!;

    public async ValueTask InitializeAsync()
    {
        if (Real is null)
        {
            cluster = await FakeCluster.StartAsync();
            kubeconfig = cluster.WriteKubeconfig(Path.Combine(folder, "config"));
        }
        else kubeconfig = Real;
        api = KubeApi.Connect(kubeconfig);
        Fine(await api.CreateAsync(KubeKinds.Namespace, null, Json($"{{apiVersion: v1, kind: Namespace, metadata: {{name: {space}}}}}"), stop.Token));
    }

    public async ValueTask DisposeAsync()
    {
        await api.DeleteAsync(KubeKinds.Namespace, null, space, default);
        api.Dispose();
        if (cluster is not null) await cluster.DisposeAsync();
        stop.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_is_there_is_not_made_twice_and_nothing_is_made_in_no_namespace()
    {
        Fine(await CreateAsync("a"));

        Assert.Equal(409, (await CreateAsync("a")).Status);
        Assert.Equal(404, (await api.CreateAsync(KubeKinds.ConfigMap, "mesh-nowhere", Map("a"), stop.Token)).Status);
        Assert.Equal(404, (await api.GetAsync(KubeKinds.ConfigMap, space, "b", stop.Token)).Status);
        Assert.Equal(404, (await api.DeleteAsync(KubeKinds.ConfigMap, space, "b", stop.Token)).Status);
    }

    [Fact]
    public async Task A_name_is_made_from_its_beginning()
    {
        var made = await api.CreateAsync(KubeKinds.ConfigMap, space, Json("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: web-}}"), stop.Token);

        Fine(made);
        Assert.Matches("^web-.{5}", made.Body.At("metadata", "name").Text());
    }

    [Fact]
    public async Task Pages_of_a_list_go_on_where_the_last_ended()
    {
        for (var i = 0; i < 5; i++) Fine(await CreateAsync($"m{i}", "page"));
        var names = new List<string?>();
        var next = "";
        do
        {
            var page = await api.ListAsync(KubeKinds.ConfigMap, space, $"limit=2&labelSelector=set%3Dpage{(next.Length > 0 ? "&continue=" + Uri.EscapeDataString(next) : "")}", stop.Token);
            Fine(page);
            Assert.True(page.Body.At("items").Objects().Count() <= 2);
            names.AddRange(page.Body.At("items").Objects().Select(item => item.At("metadata", "name").Text()));
            next = page.Body.At("metadata", "continue").Text() ?? "";
        }
        while (next.Length > 0);

        Assert.Equal(["m0", "m1", "m2", "m3", "m4"], names);
    }

    [Fact]
    public async Task A_list_is_chosen_by_labels_and_by_fields()
    {
        Fine(await CreateAsync("a", "one"));
        Fine(await CreateAsync("b", "two"));

        Assert.Equal(["a"], await NamesAsync("labelSelector=set%3Done"));
        Assert.Equal(["b"], await NamesAsync("labelSelector=set%21%3Done%2Cset"));
        Assert.Equal(["b"], await NamesAsync("fieldSelector=metadata.name%3Db"));
    }

    [Fact]
    public async Task An_old_version_replaces_nothing()
    {
        var first = (await CreateAsync("a")).Body!;
        var second = first.Copy();
        second["data"] = new JsonObject { ["v"] = "2" };
        Fine(await api.ReplaceAsync(KubeKinds.ConfigMap, space, "a", second, stop.Token));

        Assert.Equal(409, (await api.ReplaceAsync(KubeKinds.ConfigMap, space, "a", first, stop.Token)).Status);
    }

    [Fact]
    public async Task Applying_the_same_again_is_no_change_and_what_others_wrote_stays()
    {
        var applied = await ApplyAsync("{v: '1', w: '1'}");
        Fine(applied);
        var again = await ApplyAsync("{v: '1', w: '1'}");
        Assert.Equal(applied.Body.At("metadata", "resourceVersion").Text(), again.Body.At("metadata", "resourceVersion").Text());

        Fine(await api.MergeAsync(KubeKinds.ConfigMap, space, "applied", Json("{data: {theirs: x}}"), stop.Token));
        var less = await ApplyAsync("{v: '2'}");
        Assert.Equal("""{"theirs":"x","v":"2"}""", Sorted(less.Body.At("data")));
    }

    [Fact]
    public async Task A_dry_run_changes_nothing()
    {
        Fine(await api.ApplyAsync(KubeKinds.ConfigMap, space, "dry", Map("dry"), KubeApi.FieldManager, dryRun: true, stop.Token));

        Assert.True((await api.GetAsync(KubeKinds.ConfigMap, space, "dry", stop.Token)).IsAbsent);
    }

    [Fact]
    public async Task A_watch_goes_on_from_the_list_and_tells_all_in_order()
    {
        Fine(await CreateAsync("before", "watch"));
        var list = await api.ListAsync(KubeKinds.ConfigMap, space, "labelSelector=set%3Dwatch", stop.Token);
        Fine(await CreateAsync("a", "watch"));
        Fine(await api.MergeAsync(KubeKinds.ConfigMap, space, "a", Json("{data: {v: '2'}}"), stop.Token));
        Fine(await CreateAsync("other", "else"));
        Fine(await api.DeleteAsync(KubeKinds.ConfigMap, space, "a", stop.Token));

        var heard = new List<string>();
        var path = $"{KubeKinds.ConfigMap.ListPath(space)}?watch=true&allowWatchBookmarks=true&timeoutSeconds=30&labelSelector=set%3Dwatch&resourceVersion={list.Body.At("metadata", "resourceVersion").Text()}";
        await foreach (var one in api.WatchAsync(path, TimeSpan.FromSeconds(30), TimeProvider.System, stop.Token))
            using (one)
            {
                var item = (JsonObject)JsonNode.Parse(one.RootElement.GetProperty("object").GetRawText())!;
                var type = one.RootElement.GetProperty("type").GetString()!;
                if (type != "BOOKMARK") heard.Add($"{type} {item.At("metadata", "name").Text()} {item.At("data", "v").Text()}");
                if (type == "DELETED") break;
            }

        Assert.Equal(["ADDED a 1", "MODIFIED a 2", "DELETED a 2"], heard);
    }

    [Fact]
    public async Task A_token_that_nobody_gave_belongs_to_nobody()
    {
        var answer = await api.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/tokenreviews", Json("{apiVersion: authentication.k8s.io/v1, kind: TokenReview, spec: {token: nonsense, audiences: [istio-ca]}}"), "application/json", stop.Token);

        Assert.Equal(201, answer.Status);
        Assert.False(answer.Body.At("status", "authenticated").IsTrue());
        Assert.Contains("invalid bearer token", answer.Body.At("status", "error").Text());
    }

    [Fact]
    public async Task Leases_are_taken_by_one()
    {
        var lease = Json($"{{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {{name: l, namespace: {space}}}, spec: {{holderIdentity: a, leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z'}}}}");
        var made = await api.CreateAsync(KubeKinds.Lease, space, lease, stop.Token);
        Fine(made);

        Assert.Equal(409, (await api.CreateAsync(KubeKinds.Lease, space, lease, stop.Token)).Status);
        ((JsonObject)made.Body!["spec"]!)["holderIdentity"] = "b";
        Fine(await api.ReplaceAsync(KubeKinds.Lease, space, "l", made.Body, stop.Token));
        Assert.Equal(409, (await api.ReplaceAsync(KubeKinds.Lease, space, "l", made.Body, stop.Token)).Status);
    }

    [Fact]
    public async Task An_installation_serves_our_kinds_keeps_status_apart_and_goes_without_a_trace()
    {
        // A real cluster runs nothing here: no waiting for what does not start.
        var before = await EverythingAsync();
        await Meshctl("install", "-y", "--set", "profile=demo", "--wait=false");
        Assert.NotNull(await api.FindKindAsync("networking.istio.io/v1", "DestinationRule", stop.Token));
        var wanted = Manifest.InOrder(Manifest.Render(InstallSpec.Read([], ["profile=demo"], null, false, out _)!)).Count;
        // Where the control plane starts, it adds what it keeps itself.
        Assert.InRange((await EverythingAsync()).Except(before).Count(), wanted + 1, wanted + 4);

        // The validating webhook is not bound yet: nobody answers, and nobody is waited for.
        var rule = await api.CreateAsync(Rule, space, Json("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d}, spec: {host: h}, status: {observedGeneration: 9}}"), stop.Token);
        Fine(rule);
        Assert.Null(rule.Body.At("status", "observedGeneration"));
        var status = await api.MergeAsync(Rule, space, "d", Json("{spec: {host: changed}, status: {observedGeneration: 1}}"), stop.Token, "/status");
        Fine(status);
        Assert.Equal(("h", 1), (status.Body.At("spec", "host").Text(), status.Body.At("status", "observedGeneration").Integer()));

        await Meshctl("uninstall", "--purge", "-y");
        await GoneAsync(before);
    }

    private async Task GoneAsync(IReadOnlyList<string> before)
    {
        // Namespaces and the objects of a definition end in their own time.
        IReadOnlyList<string> left = [];
        for (var tries = 0; tries < 300 && (left = [.. (await EverythingAsync()).Except(before)]).Count > 0; tries++) stop.Token.ThrowIfCancellationRequested();
        Assert.Empty(left);
    }

    private async Task<IReadOnlyList<string>> EverythingAsync()
    {
        var all = new List<string>();
        foreach (var kind in Installer.Kinds.Append(KubeKinds.Namespace).Append(KubeKinds.CustomResourceDefinition).Append(KubeKinds.Secret).Append(KubeKinds.Lease))
        {
            var list = await api.ListAsync(kind, null, "", stop.Token);
            Fine(list);
            // What Kubernetes itself puts into every namespace is not ours, nor what other tests do meanwhile.
            all.AddRange(list.Body.At("items").Objects().Select(item => $"{kind} {item.At("metadata", "namespace").Text()}/{item.At("metadata", "name").Text()}")
                .Where(name => (name.Contains("istio", StringComparison.Ordinal) || name.EndsWith(".mesh.local", StringComparison.Ordinal)) && !name.EndsWith(".crt", StringComparison.Ordinal) && !name.EndsWith("/default", StringComparison.Ordinal) && !name.EndsWith("/kube-root-ca", StringComparison.Ordinal)));
        }
        return all;
    }

    private async Task<List<string>> NamesAsync(string query) =>
        [.. (await api.ListAsync(KubeKinds.ConfigMap, space, query, stop.Token)).Body.At("items").Objects().Select(item => item.At("metadata", "name").Text()!).Where(name => !name.EndsWith(".crt", StringComparison.Ordinal))];

    private Task<KubeAnswer> CreateAsync(string name, string set = "") => api.CreateAsync(KubeKinds.ConfigMap, space, Map(name, set), stop.Token);

    private Task<KubeAnswer> ApplyAsync(string data) => api.ApplyAsync(
        KubeKinds.ConfigMap, space, "applied", Json($"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: applied, namespace: {space}}}, data: {data}}}"), KubeApi.FieldManager, dryRun: false, stop.Token);

    private async Task Meshctl(params string[] words)
    {
        var (exit, _, error) = await ManifestTests.Run([.. words, "--kubeconfig", kubeconfig]);
        Assert.True(exit == 0, error);
    }

    private static JsonObject Map(string name, string set = "") => Json($"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{set: '{set}'}}}}, data: {{v: '1'}}}}");

    private static JsonObject Json(string yaml) => (JsonObject)Mesh.Model.Yaml.YamlJson.Read(yaml)!;

    private static string Sorted(JsonNode? map) => new JsonObject(((JsonObject)map!).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))).ToJsonString();

    private static void Fine(KubeAnswer answer) => Assert.True(answer.IsFine, answer.ToString());
}
