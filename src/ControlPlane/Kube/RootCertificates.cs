using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>The mesh's root certificate as ConfigMap istio-ca-root-cert in every namespace: what a new pod believes before it knows anybody.</summary>
internal sealed class RootCertificates(KubeApi api, CertificateAuthority authority, KubeOptions kube, TimeProvider time, ILogger<RootCertificates> log)
{
    public const string Name = "istio-ca-root-cert";
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);
    private static readonly string[] Unserved = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

    public async Task RunAsync(CancellationToken cancel)
    {
        var namespaces = new Names("");
        var maps = new Names("root-cert.pem");
        var random = new Random(kube.Replica.Length);
        var watches = Task.WhenAll(
            new KubeWatch(api, KubeKinds.Namespace, namespaces, time, random, kube.Times).RunAsync(cancel),
            new KubeWatch(api, KubeKinds.ConfigMap, maps, time, random, kube.Times, selector: "fieldSelector=metadata.name%3D" + Name).RunAsync(cancel));
        while (!cancel.IsCancellationRequested)
        {
            var news = Task.WhenAny(namespaces.NextAsync(), maps.NextAsync()); // before the look: what comes during it wakes again
            if (maps.IsHeard)
                foreach (var wanted in namespaces.All.Keys.Except(Unserved))
                    if (maps.All.GetValueOrDefault(wanted) != authority.RootsPem) await WriteAsync(wanted, cancel);
            await Task.WhenAny(news, Task.Delay(LookAgain, time, cancel));
        }
        await watches;
    }

    private async Task WriteAsync(string inNamespace, CancellationToken cancel)
    {
        var map = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "ConfigMap",
            ["metadata"] = new JsonObject { ["name"] = Name, ["namespace"] = inNamespace, ["labels"] = new JsonObject { ["istio.io/config"] = "true" } },
            ["data"] = new JsonObject { ["root-cert.pem"] = authority.RootsPem },
        };
        var answer = await api.CreateAsync(KubeKinds.ConfigMap, inNamespace, map, cancel);
        if (answer.IsConflict) answer = await api.ReplaceAsync(KubeKinds.ConfigMap, inNamespace, Name, map, cancel);
        // A namespace that is ending takes no more objects; it needs none either.
        if (!answer.IsFine && answer is not { Status: 403 or 404 }) log.LogWarning("ConfigMap {Namespace}/{Name} cannot be written: {Answer}", inNamespace, Name, answer);
    }

    /// <summary>The names of a kind, with one value of each (of a ConfigMap: the key; of a Namespace: nothing).</summary>
    private sealed class Names(string key) : IKubeSink
    {
        private volatile TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ConcurrentDictionary<string, string> All { get; } = new(StringComparer.Ordinal);
        public bool IsHeard { get; private set; }

        public Task NextAsync() => next.Task;

        public void Replace(IReadOnlyList<JsonElement> objects)
        {
            All.Clear();
            foreach (var item in objects) Take(item);
            IsHeard = true;
            Tell();
        }

        public void Changed(JsonElement item)
        {
            Take(item);
            Tell();
        }

        public void Deleted(JsonElement item)
        {
            All.TryRemove(NameOf(item), out _);
            Tell();
        }

        public void Trouble(string sentence)
        {
            // The source's own watch of the same kind says it.
        }

        private void Take(JsonElement item) =>
            All[NameOf(item)] = key.Length > 0 && item.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object && data.TryGetProperty(key, out var text) ? text.GetString() ?? "" : "";

        private string NameOf(JsonElement item)
        {
            var metadata = item.GetProperty("metadata");
            return (key.Length > 0 ? metadata.GetProperty("namespace") : metadata.GetProperty("name")).GetString()!;
        }

        private void Tell() => Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }
}
