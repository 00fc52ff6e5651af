using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>
/// Kubernetes' strategic merge of one object over another: maps merge by key, lists of named things by name, other lists are replaced whole.
/// A null removes; <c>$patch: delete</c> and <c>$patch: replace</c> do as they say.
/// </summary>
public static class StrategicMerge
{
    private const string Directive = "$patch";

    /// <summary>Which lists merge, and by which field of their items (the patchMergeKey of Kubernetes' types).</summary>
    private static readonly Dictionary<string, string> MergeKeys = new(StringComparer.Ordinal)
    {
        ["containers"] = "name", ["initContainers"] = "name", ["ephemeralContainers"] = "name",
        ["env"] = "name", ["ports"] = "containerPort", ["volumeMounts"] = "mountPath", ["volumeDevices"] = "devicePath",
        ["volumes"] = "name", ["imagePullSecrets"] = "name", ["hostAliases"] = "ip", ["topologySpreadConstraints"] = "topologyKey",
        ["resourceClaims"] = "name", ["secrets"] = "name", ["schedulingGates"] = "name", ["ownerReferences"] = "uid",
    };

    /// <summary>The result shares nothing with its inputs.</summary>
    public static JsonObject Merge(JsonObject original, JsonObject patch)
    {
        var merged = original.Copy();
        MergeInto(merged, patch);
        return merged;
    }

    private static void MergeInto(JsonObject target, JsonObject patch)
    {
        if (patch[Directive].Text() == "replace") target.Clear();
        foreach (var (key, value) in patch)
        {
            if (key == Directive) continue;
            switch (value)
            {
                case null:
                    target.Remove(key);
                    break;
                case JsonObject map when map[Directive].Text() == "delete":
                    target.Remove(key);
                    break;
                case JsonObject map when target[key] is JsonObject existing:
                    MergeInto(existing, map);
                    break;
                case JsonObject map:
                    MergeInto(target.MapAt(key), map);
                    break;
                case JsonArray list when MergeKeys.TryGetValue(key, out var mergeKey):
                    target[key] = MergeLists(target[key] as JsonArray ?? [], list, key == "ports" && IsOfService(list) ? "port" : mergeKey);
                    break;
                default:
                    target[key] = value.DeepClone();
                    break;
            }
        }
    }

    // A container's ports and a Service's have one name and two keys.
    private static bool IsOfService(JsonArray ports) => ports.Objects().Any() && ports.Objects().All(port => port["containerPort"] is null);

    private static JsonArray MergeLists(JsonArray original, JsonArray patch, string mergeKey)
    {
        var patchItems = patch.OfType<JsonObject>().ToList();
        if (patchItems.Any(item => item[mergeKey] is null && item[Directive].Text() == "replace"))
            return new([.. patchItems.Where(item => item[Directive] is null).Select(item => item.DeepClone())]);

        var deleted = patchItems.Where(item => item[Directive].Text() == "delete").Select(item => KeyOf(item, mergeKey)).ToHashSet();
        var patched = new List<JsonObject>();
        foreach (var item in patchItems.Where(item => item[Directive].Text() != "delete"))
        {
            var merged = original.Objects().FirstOrDefault(existing => KeyOf(existing, mergeKey) == KeyOf(item, mergeKey))?.Copy() ?? [];
            MergeInto(merged, item);
            patched.Add(merged);
        }

        var patchKeys = patched.Select(item => KeyOf(item, mergeKey)).ToHashSet();
        var untouched = original.Objects().Where(item => !patchKeys.Contains(KeyOf(item, mergeKey)) && !deleted.Contains(KeyOf(item, mergeKey)))
            .Select(item => item.Copy()).ToList();
        return new([.. InOrder(untouched, patched, original, mergeKey)]);
    }

    /// <summary>
    /// The patch's own order wins; an untouched item comes before a patched one only if it already did. A patch that brings nothing new
    /// moves nothing (Kubernetes would): so a second injection changes nothing.
    /// </summary>
    private static IEnumerable<JsonNode> InOrder(List<JsonObject> untouched, List<JsonObject> patched, JsonArray original, string mergeKey)
    {
        var order = original.Objects().Select(item => KeyOf(item, mergeKey)).ToList();
        if (patched.All(item => order.Contains(KeyOf(item, mergeKey))))
        {
            foreach (var item in untouched.Concat(patched).OrderBy(item => order.IndexOf(KeyOf(item, mergeKey)))) yield return item;
            yield break;
        }

        var (left, right) = (0, 0);
        while (left < untouched.Count || right < patched.Count)
        {
            if (right >= patched.Count) yield return untouched[left++];
            else if (left >= untouched.Count) yield return patched[right++];
            else
            {
                var patchedAt = order.IndexOf(KeyOf(patched[right], mergeKey));
                if (patchedAt >= 0 && order.IndexOf(KeyOf(untouched[left], mergeKey)) < patchedAt) yield return untouched[left++];
                else yield return patched[right++];
            }
        }
    }

    private static string? KeyOf(JsonObject item, string mergeKey) => item[mergeKey].Text();
}
