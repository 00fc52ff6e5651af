using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Tests.Injector;

/// <summary>A pod as flat lines of path → value, so that two pods compare by meaning: names instead of positions where order does not matter.</summary>
internal static class PodShapes
{
    private static readonly HashSet<string> Proxies = ["istio-proxy", "istio-init", "istio-validation"];
    // What only serves the container's own program may differ from one mesh to another.
    private static readonly HashSet<string> Free = ["image", "args", "command", "imagePullPolicy"];
    private static readonly HashSet<string> RedirectOptions = ["-p", "-z", "-u", "-m", "-i", "-x", "-b", "-d", "-q", "-o", "-k", "-c"];

    public static SortedDictionary<string, string> Flat(JsonObject pod)
    {
        var spec = (JsonObject)pod["spec"]!.DeepClone();
        var order = new JsonObject();
        foreach (var key in (string[])["initContainers", "containers"])
        {
            order[key] = new JsonArray([.. spec[key].Objects().Select(container => container["name"]!.DeepClone())]);
            spec[key] = ByName(spec[key].Objects().Select(Container), "name");
        }
        spec["order"] = order;
        spec["volumes"] = ByName(spec["volumes"].Objects().Select(volume => Without(volume, field => field.Key == "emptyDir" && field.Value.IsEmpty())), "name");
        var annotations = new JsonObject();
        foreach (var (name, value) in pod.At("metadata", "annotations") as JsonObject ?? []) annotations[name] = Parsed(value);

        var lines = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Flatten(new JsonObject
        {
            ["labels"] = pod.At("metadata", "labels")?.DeepClone() ?? new JsonObject(),
            ["annotations"] = annotations,
            ["spec"] = spec,
        }, "", lines);
        return lines;
    }

    private static JsonObject Container(JsonObject container)
    {
        var shape = (JsonObject)container.DeepClone();
        var name = container["name"].Text()!;
        var args = container["args"].Texts().ToList();
        var redirect = new JsonObject();
        if (Proxies.Contains(name))
        {
            for (var i = 0; i + 1 < args.Count; i++)
                if (RedirectOptions.Contains(args[i])) redirect[args[i]] = args[i + 1];
            foreach (var free in Free) shape.Remove(free);
        }
        shape["env"] = ByName(container["env"].Objects().Select(Variable), "name");
        shape["volumeMounts"] = ByName(container["volumeMounts"].Objects().Select(mount => (JsonObject)mount.DeepClone()), "mountPath");
        shape["redirect"] = redirect;
        return Without(shape, field => field.Value is null or JsonObject { Count: 0 } or JsonArray { Count: 0 });
    }

    private static JsonObject Variable(JsonObject variable)
    {
        var shape = (JsonObject)variable.DeepClone();
        if (shape["value"] is { } value) shape["value"] = Parsed(value);
        return shape;
    }

    private static JsonObject ByName(IEnumerable<JsonObject> items, string key)
    {
        var map = new JsonObject();
        foreach (var item in items) map[item[key].Text()!] = item;
        return map;
    }

    private static JsonObject Without(JsonObject map, Func<KeyValuePair<string, JsonNode?>, bool> drop)
    {
        var kept = new JsonObject();
        foreach (var field in map)
            if (!drop(field)) kept[field.Key] = field.Value?.DeepClone();
        return kept;
    }

    private static JsonNode? Parsed(JsonNode? value) =>
        value.Text()?.TrimStart() is ['{' or '[', ..] ? JsonReading.TryParse(value.Text()) ?? value!.DeepClone() : value?.DeepClone();

    private static void Flatten(JsonNode? value, string path, SortedDictionary<string, string> lines)
    {
        if (value is JsonObject { Count: > 0 } map)
        {
            foreach (var (key, inner) in map)
                Flatten(inner, $"{path}/{key.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}", lines);
            return;
        }
        lines[path] = Text(value);
    }

    /// <summary>JSON with sorted keys: how a value is compared.</summary>
    public static string Text(JsonNode? value) => Sorted(value)?.ToJsonString() ?? "null";

    private static JsonNode? Sorted(JsonNode? value) => value switch
    {
        JsonObject map => new JsonObject(map.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => new KeyValuePair<string, JsonNode?>(field.Key, Sorted(field.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => value?.DeepClone(),
    };
}
