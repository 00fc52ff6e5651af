using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Manifests;

/// <summary>Puts objects into a cluster and takes them out again. Server-side apply: what we do not name stays as others set it.</summary>
internal sealed class Installer(KubeApi api, TimeProvider time, Action<string> progress)
{
    private const int Tries = 6;
    private const int EndingTries = 240;

    /// <summary>All kinds that an installation may consist of, in the order in which they are taken away.</summary>
    public static readonly IReadOnlyList<KubeKind> Kinds =
    [
        KubeKinds.MutatingWebhook, KubeKinds.ValidatingWebhook, KubeKinds.HorizontalPodAutoscaler, KubeKinds.PodDisruptionBudget, KubeKinds.NetworkPolicy, KubeKinds.Deployment, KubeKinds.DaemonSet,
        KubeKinds.Service, KubeKinds.RoleBinding, KubeKinds.Role, KubeKinds.ClusterRoleBinding, KubeKinds.ClusterRole, KubeKinds.ConfigMap, KubeKinds.ServiceAccount,
    ];

    /// <returns>Null, or the first object that was refused and why.</returns>
    public async Task<string?> ApplyAsync(IReadOnlyList<JsonObject> objects, bool dryRun, CancellationToken cancel)
    {
        var absent = new HashSet<string>();
        foreach (var item in objects)
        {
            // Only a namespace that is there can be asked what it thinks of an object.
            if (dryRun && item.At("metadata", "namespace").Text() is { Length: > 0 } space && (absent.Contains(space) || (await api.GetAsync(KubeKinds.Namespace, null, space, cancel)).IsAbsent))
            {
                absent.Add(space);
                continue;
            }
            if (await ApplyOneAsync(item, dryRun, cancel) is { } refusal) return refusal;
            // What comes next may be of this very kind.
            if (!dryRun && item["kind"].Text() == "CustomResourceDefinition" && await EstablishedAsync(item, cancel) is { } late) return late;
        }
        return null;
    }

    public async Task<string?> NamespaceAsync(string name, CancellationToken cancel)
    {
        var existing = await api.GetAsync(KubeKinds.Namespace, null, name, cancel);
        // One that is ending takes no objects: after an uninstall it is there for some seconds more.
        for (var attempt = 0; existing.Body.At("metadata", "deletionTimestamp") is not null; attempt++)
        {
            if (attempt == EndingTries) return $"namespace {name} has been ending for {EndingTries / 2} s and takes no objects; see `kubectl get namespace {name} -o yaml` for what holds it";
            progress($"waiting for the former namespace {name} to end");
            await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancel);
            existing = await api.GetAsync(KubeKinds.Namespace, null, name, cancel);
        }
        if (existing.IsFine) return null;
        if (!existing.IsAbsent) return $"namespace {name}: {existing}";

        var made = await api.CreateAsync(KubeKinds.Namespace, null, new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Namespace",
            ["metadata"] = new JsonObject { ["name"] = name, ["labels"] = new JsonObject { [Manifest.ManagedLabel] = "Reconcile" } },
        }, cancel);
        return made.IsFine || made.IsConflict ? null : $"namespace {name} cannot be made: {made}";
    }

    /// <summary>Waits until every Deployment among the objects has its replicas.</summary>
    /// <returns>Null, or what is still not ready and what its pods say.</returns>
    public async Task<string?> ReadyAsync(IReadOnlyList<JsonObject> objects, TimeSpan timeout, CancellationToken cancel)
    {
        var waiting = objects.Where(item => item["kind"].Text() == "Deployment").Select(item => (Space: item.At("metadata", "namespace").Text()!, Name: item.At("metadata", "name").Text()!)).ToList();
        var started = time.GetTimestamp();
        while (waiting.Count > 0)
        {
            for (var i = waiting.Count - 1; i >= 0; i--)
            {
                var answer = await api.GetAsync(KubeKinds.Deployment, waiting[i].Space, waiting[i].Name, cancel);
                if (answer.Body is { } deployment && IsReady(deployment)) waiting.RemoveAt(i);
            }
            if (waiting.Count == 0) return null;
            if (time.GetElapsedTime(started) > timeout)
                return $"not ready after {timeout.TotalSeconds:0} s: {string.Join(", ", waiting.Select(one => $"Deployment {one.Space}/{one.Name}"))}; see `kubectl -n {waiting[0].Space} describe pods`";
            progress($"waiting for {string.Join(", ", waiting.Select(one => one.Name))}");
            await Task.Delay(TimeSpan.FromMilliseconds(500), time, cancel);
        }
        return null;
    }

    /// <summary>What an earlier installation of this revision left that the wanted one does not have.</summary>
    public async Task<(IReadOnlyList<(KubeKind Kind, JsonObject Object)> Objects, string? Problem)> LeftoversAsync(string revision, IEnumerable<JsonObject> wanted, CancellationToken cancel)
    {
        var keep = wanted.Select(Key).ToHashSet();
        var (found, problem) = await OwnedAsync($"{Manifest.OwnerLabel}=unknown,{Manifest.RevisionLabel}={revision}", Kinds, cancel);
        return ([.. found.Where(one => !keep.Contains(Key(one.Object)) && one.Object.At("metadata", "labels", "istio.io/tag") is null)], problem);
    }

    public async Task<(IReadOnlyList<(KubeKind Kind, JsonObject Object)> Objects, string? Problem)> OwnedAsync(string selector, IEnumerable<KubeKind> kinds, CancellationToken cancel)
    {
        var found = new List<(KubeKind, JsonObject)>();
        foreach (var kind in kinds)
        {
            var answer = await api.ListAsync(kind, null, "labelSelector=" + Uri.EscapeDataString(selector), cancel);
            if (answer.IsAbsent) continue;
            if (!answer.IsFine) return (found, $"listing {kind}: {answer}");
            foreach (var item in answer.Body.At("items").Objects())
            {
                item["kind"] ??= kind.Kind;
                item["apiVersion"] ??= kind.ApiVersion;
                found.Add((kind, item));
            }
        }
        return (found, null);
    }

    /// <returns>Null, or the first object that would not go and why. One that is gone already is fine.</returns>
    public async Task<string?> RemoveAsync(IEnumerable<(KubeKind Kind, JsonObject Object)> objects, CancellationToken cancel)
    {
        foreach (var (kind, item) in objects)
        {
            var (space, name) = (item.At("metadata", "namespace").Text(), item.At("metadata", "name").Text()!);
            var answer = await api.DeleteAsync(kind, space, name, cancel);
            if (!answer.IsFine && !answer.IsAbsent) return $"{Shown(item)} cannot be removed: {answer}";
            progress($"removed {Shown(item)}");
        }
        return null;
    }

    public static string Shown(JsonObject item)
    {
        var space = item.At("metadata", "namespace").Text();
        return $"{item["kind"].Text()} {(string.IsNullOrEmpty(space) ? "" : space + "/")}{item.At("metadata", "name").Text()}";
    }

    private async Task<string?> ApplyOneAsync(JsonObject item, bool dryRun, CancellationToken cancel)
    {
        var answer = new KubeAnswer(0, null, "not asked");
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            if (await api.FindKindAsync(item["apiVersion"].Text() ?? "", item["kind"].Text() ?? "", cancel) is not { } kind)
                return $"{Shown(item)}: the cluster does not know {item["apiVersion"].Text()} {item["kind"].Text()}";

            progress($"{(dryRun ? "trying" : "applying")} {Shown(item)}");
            answer = await api.ApplyAsync(kind, item.At("metadata", "namespace").Text(), item.At("metadata", "name").Text()!, item, KubeApi.FieldManager, dryRun, cancel);
            if (answer.IsFine) return null;
            if (!answer.IsPassing && !answer.IsConflict) break;
            await Task.Delay(TimeSpan.FromMilliseconds(250 << attempt), time, cancel);
        }
        return $"{Shown(item)} was refused: {answer}{(answer.Status == 403 ? "\nYour user may not do this; ask for the role cluster-admin." : "")}";
    }

    private async Task<string?> EstablishedAsync(JsonObject definition, CancellationToken cancel)
    {
        var name = definition.At("metadata", "name").Text()!;
        for (var attempt = 0; attempt < 100; attempt++)
        {
            var answer = await api.GetAsync(KubeKinds.CustomResourceDefinition, null, name, cancel);
            if (answer.Body.At("status", "conditions").Objects().Any(condition => condition["type"].Text() == "Established" && condition["status"].Text() == "True")) return null;
            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancel);
        }
        return $"CustomResourceDefinition {name} was taken, but the cluster does not serve it after 10 s";
    }

    public static bool IsReady(JsonObject deployment)
    {
        var wanted = deployment.At("spec", "replicas").Integer() ?? 1;
        var status = deployment.At("status");
        return (status.At("observedGeneration").Integer() ?? 0) >= (deployment.At("metadata", "generation").Integer() ?? 0)
            && (status.At("updatedReplicas").Integer() ?? 0) >= wanted && (status.At("availableReplicas").Integer() ?? 0) >= wanted;
    }

    private static (string?, string?, string?) Key(JsonObject item) => (item["kind"].Text(), item.At("metadata", "namespace").Text(), item.At("metadata", "name").Text());
}
