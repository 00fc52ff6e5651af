using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>The ways an API server changes an object.</summary>
internal static class JsonPatches
{
    public static JsonObject Apply(JsonObject target, JsonArray operations)
    {
        var result = target.Copy();
        foreach (var operation in operations.Objects())
        {
            var path = operation["path"].Text()!.Split('/')[1..].Select(p => p.Replace("~1", "/").Replace("~0", "~")).ToList();
            JsonNode at = result;
            foreach (var key in path[..^1]) at = (at is JsonArray list ? list[int.Parse(key)] : at[key])!;
            var value = operation["value"]?.DeepClone();
            switch (operation["op"].Text(), at)
            {
                case ("add", JsonArray items): items.Insert(path[^1] == "-" ? items.Count : int.Parse(path[^1]), value); break;
                case ("replace", JsonArray items): items[int.Parse(path[^1])] = value; break;
                case ("remove", JsonArray items): items.RemoveAt(int.Parse(path[^1])); break;
                case ("remove", JsonObject map): map.Remove(path[^1]); break;
                case (_, JsonObject map): map[path[^1]] = value; break;
            }
        }
        return result;
    }

    /// <summary>What a manager applied before and does not any more goes; what others wrote beside it stays.</summary>
    public static JsonObject Without(JsonObject target, JsonObject former, JsonObject next)
    {
        var result = target.Copy();
        foreach (var (key, value) in former)
        {
            if (value is JsonObject inner && result[key] is JsonObject there)
            {
                result[key] = Without(there, inner, next[key] as JsonObject ?? []);
                if (next[key] is null && result[key] is JsonObject { Count: 0 }) result.Remove(key);
            }
            else if (!next.ContainsKey(key)) result.Remove(key);
        }
        return result;
    }

    /// <param name="isApply">As server-side apply: lists of named items keep what others set in them.</param>
    public static JsonObject Merge(JsonObject target, JsonObject patch, bool isApply)
    {
        var result = target.Copy();
        foreach (var (key, value) in patch)
        {
            if (value is null && !isApply) result.Remove(key);
            else if (value is JsonObject inner) result[key] = Merge(result[key] as JsonObject ?? [], inner, isApply);
            else if (isApply && value is JsonArray list && result[key] is JsonArray before && list.Count > 0 && list.All(i => i is JsonObject o && o["name"] is not null))
                result[key] = new JsonArray([.. list.Objects().Select(item => (JsonNode)Merge(before.Named(item["name"].Text()!) ?? [], item, isApply))]);
            else result[key] = value?.DeepClone();
        }
        return result;
    }
}
