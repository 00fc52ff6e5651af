using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// What a new pod believes before it knows anybody, as ConfigMaps in every namespace: the mesh's roots in istio-ca-root-cert, and once there are revocation lists, these in istio-ca-crl.
/// </summary>
internal sealed class RootCertificates(KubeApi api, TrustBundle bundle, KubeOptions kube, TimeProvider time, ILogger<RootCertificates> log)
{
    public const string Name = "istio-ca-root-cert", ListsName = "istio-ca-crl";
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);
    private static readonly string[] Unserved = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

    public async Task RunAsync(CancellationToken cancel)
    {
        var namespaces = new Names("");
        var random = new Random(kube.Replica.Length);
        var changed = new Signal();
        Kept[] all = [new(Name, "root-cert.pem", () => bundle.BootstrapPem), new(ListsName, "ca-crl.pem", () => bundle.RevocationListsPem)];
        var watches = Task.WhenAll(all.Select(kept => Watch(KubeKinds.ConfigMap, kept.There, "fieldSelector=metadata.name%3D" + kept.Name)).Append(Watch(KubeKinds.Namespace, namespaces, "")));
        bundle.Changed += changed.Tell;
        try
        {
            while (!cancel.IsCancellationRequested)
            {
                // Before the look: what comes during it wakes again.
                var news = Task.WhenAny([namespaces.NextAsync(), changed.NextAsync(), .. all.Select(kept => kept.There.NextAsync())]);
                foreach (var kept in all) await TendAsync(kept, namespaces.All.Keys.Except(Unserved), cancel);
                await Task.WhenAny(news, Task.Delay(LookAgain, time, cancel));
            }
        }
        finally
        {
            bundle.Changed -= changed.Tell;
        }
        await watches;

        Task Watch(KubeKind kind, IKubeSink sink, string selector) => new KubeWatch(api, kind, sink, time, random, kube.Times, selector: selector).RunAsync(cancel);
    }

    private async Task TendAsync(Kept kept, IEnumerable<string> namespaces, CancellationToken cancel)
    {
        if (!kept.There.IsHeard) return;

        var text = kept.Text();
        foreach (var wanted in namespaces)
        {
            // Where nothing is to be said and nothing was, nothing is written.
            if (kept.There.All.TryGetValue(wanted, out var there) ? there != text : text.Length > 0) await WriteAsync(kept, wanted, text, cancel);
        }
    }

    private async Task WriteAsync(Kept kept, string inNamespace, string text, CancellationToken cancel)
    {
        var map = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "ConfigMap",
            ["metadata"] = new JsonObject { ["name"] = kept.Name, ["namespace"] = inNamespace, ["labels"] = new JsonObject { ["istio.io/config"] = "true" } },
            ["data"] = new JsonObject { [kept.Key] = text },
        };
        var answer = await api.CreateAsync(KubeKinds.ConfigMap, inNamespace, map, cancel);
        if (answer.IsConflict) answer = await api.ReplaceAsync(KubeKinds.ConfigMap, inNamespace, kept.Name, map, cancel);
        // A namespace that is ending takes no more objects; it needs none either.
        if (!answer.IsFine && answer is not { Status: 403 or 404 }) log.LogWarning("ConfigMap {Namespace}/{Name} cannot be written: {Answer}", inNamespace, kept.Name, answer);
    }

    /// <summary>One ConfigMap of every namespace, and what is in it there.</summary>
    private sealed record Kept(string Name, string Key, Func<string> Text)
    {
        public Names There { get; } = new(Key);
    }

    /// <summary>Completes what waits for the next change.</summary>
    private sealed class Signal
    {
        private volatile TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task NextAsync() => next.Task;

        public void Tell() => Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    /// <summary>The names of a kind, with one value of each (of a ConfigMap: the key; of a Namespace: nothing).</summary>
    private sealed class Names(string key) : IKubeSink
    {
        private readonly Signal signal = new();

        public ConcurrentDictionary<string, string> All { get; } = new(StringComparer.Ordinal);
        public bool IsHeard { get; private set; }

        public Task NextAsync() => signal.NextAsync();

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
            All[NameOf(item)] = key.Length > 0 && item.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object && data.TryGetProperty(key, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString()! : "";

        private string NameOf(JsonElement item)
        {
            var metadata = item.GetProperty("metadata");
            return (key.Length > 0 ? metadata.GetProperty("namespace") : metadata.GetProperty("name")).GetString()!;
        }

        private void Tell() => signal.Tell();
    }
}
