using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;

namespace Mesh.ControlPlane.Kube;

/// <summary>Writes an object's status where it differs from what stands there.</summary>
internal sealed class StatusWriter(KubeApi api, ILogger log)
{
    /// <summary>What was last found to stand in the cluster, so that an unchanged status costs no request.</summary>
    private readonly Dictionary<ResourceKey, (string Version, JsonObject Status)> standing = [];

    /// <param name="status">What should stand there, given what does.</param>
    public async Task WriteAsync(ResourceMeta meta, Func<JsonNode?, JsonObject> status, CancellationToken cancel)
    {
        if (standing.TryGetValue(meta.Key, out var known) && known.Version == meta.ResourceVersion && JsonNode.DeepEquals(status(known.Status), known.Status)) return;
        if (await api.FindKindAsync($"{meta.Group}/{meta.Version}", meta.Kind, cancel) is not { } kind) return;

        var there = await api.GetAsync(kind, meta.Namespace, meta.Name, cancel);
        if (there.Body is not { } item || !there.IsFine) return; // gone meanwhile; the next World knows
        // A newer version of it is judged when the World has it.
        if (item.At("metadata", "generation").Integer() is { } generation && generation > meta.Generation && meta.Generation > 0) return;

        var wanted = status(item["status"]);
        if (!JsonNode.DeepEquals(wanted, item["status"]))
        {
            var patch = new JsonObject { ["metadata"] = new JsonObject { ["resourceVersion"] = item.At("metadata", "resourceVersion").Text() }, ["status"] = wanted.DeepClone() };
            there = await api.MergeAsync(kind, meta.Namespace, meta.Name, patch, cancel, "/status");
            if (!there.IsFine)
            {
                if (!there.IsConflict && !there.IsAbsent) log.LogWarning("the status of {Kind} {Namespace}/{Name} cannot be written: {Answer}", meta.Kind, meta.Namespace, meta.Name, there);
                return;
            }
        }
        standing[meta.Key] = (there.Body.At("metadata", "resourceVersion").Text() ?? "", wanted);
    }

    /// <summary>Of objects that are gone nothing is kept.</summary>
    public void Forget(Predicate<ResourceKey> isGone)
    {
        foreach (var gone in standing.Keys.Where(key => isGone(key)).ToList()) standing.Remove(gone);
    }
}
