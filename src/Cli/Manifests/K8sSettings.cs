using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Cli.Manifests;

/// <summary>What an IstioOperator says under a component's <c>k8s</c>, laid over the objects that the charts made.</summary>
internal static class K8sSettings
{
    private static readonly HashSet<string> Fields =
    [
        "affinity", "env", "hpaSpec", "imagePullPolicy", "nodeSelector", "overlays", "podAnnotations", "podDisruptionBudget", "priorityClassName", "readinessProbe", "replicaCount",
        "resources", "securityContext", "service", "serviceAnnotations", "strategy", "tolerations", "volumeMounts", "volumes",
    ];

    /// <summary>Of the pod's spec, under the same name.</summary>
    private static readonly string[] OfPod = ["affinity", "nodeSelector", "tolerations", "priorityClassName", "securityContext"];
    private static readonly string[] OfContainer = ["resources", "imagePullPolicy", "readinessProbe"];

    /// <returns>Null, or the field that nobody knows.</returns>
    public static string? Problem(JsonObject k8s) => k8s.FirstOrDefault(field => !Fields.Contains(field.Key)).Key;

    /// <summary>What the charts must know before they are rendered: how many replicas decides over a disruption budget, ports over more than the Service.</summary>
    public static JsonObject Values(JsonObject? k8s)
    {
        var values = new JsonObject();
        Take("autoscaleMin", k8s.At("hpaSpec", "minReplicas"));
        Take("autoscaleMax", k8s.At("hpaSpec", "maxReplicas"));
        Take("replicaCount", k8s.At("replicaCount"));
        Take("ports", k8s.At("service", "ports"));
        return values;

        void Take(string name, JsonNode? value)
        {
            if (value is not null) values[name] = value.DeepClone();
        }
    }

    /// <exception cref="FormatException">A path of an overlay leads nowhere; names it.</exception>
    public static void Apply(JsonObject? k8s, IReadOnlyList<JsonObject> objects)
    {
        if (k8s is null) return;
        foreach (var item in objects)
        {
            switch (item["kind"].Text())
            {
                case "Deployment": Deployment(item, k8s, hasScaler: objects.Any(other => other["kind"].Text() == "HorizontalPodAutoscaler")); break;
                case "HorizontalPodAutoscaler" when k8s["hpaSpec"] is JsonObject scaler: Overlay.Onto(item.MapAt("spec"), scaler); break;
                case "PodDisruptionBudget" when k8s["podDisruptionBudget"] is JsonObject budget: Budget(item.MapAt("spec"), budget); break;
                case "Service":
                    if (k8s["service"] is JsonObject service) Overlay.Onto(item.MapAt("spec"), service);
                    if (k8s["serviceAnnotations"] is JsonObject notes) Overlay.Onto(item.MapAt("metadata").MapAt("annotations"), notes);
                    break;
            }
        }
        foreach (var overlay in k8s["overlays"].Objects())
        {
            var target = objects.FirstOrDefault(item => item["kind"].Text() == overlay["kind"].Text() && item.At("metadata", "name").Text() == overlay["name"].Text())
                ?? throw new FormatException($"k8s.overlays: there is no {overlay["kind"].Text()} {overlay["name"].Text()} in this component");
            foreach (var patch in overlay["patches"].Objects()) Patch(target, patch["path"].Text() ?? "", patch["value"]);
        }
    }

    private static void Deployment(JsonObject item, JsonObject k8s, bool hasScaler)
    {
        var spec = item.MapAt("spec");
        // A scaler and a fixed number would contradict each other; the scaler stays, as in Istio.
        if (k8s["replicaCount"] is { } count && !hasScaler) spec["replicas"] = count.DeepClone();
        if (k8s["strategy"] is { } strategy) spec["strategy"] = strategy.DeepClone();
        var template = spec.MapAt("template");
        if (k8s["podAnnotations"] is JsonObject notes) Overlay.Onto(template.MapAt("metadata").MapAt("annotations"), notes);
        var pod = template.MapAt("spec");
        Lay(k8s, OfPod, pod);
        if (pod["containers"].Objects().FirstOrDefault() is not { } container) return;

        Lay(k8s, OfContainer, container);
        ByName(container.ListAt("env"), k8s["env"]);
        ByName(pod.ListAt("volumes"), k8s["volumes"]);
        foreach (var mount in k8s["volumeMounts"].Objects()) container.ListAt("volumeMounts").Add((JsonNode)mount.DeepClone());
        foreach (var (map, key) in ((JsonObject, string)[])[(container, "env"), (pod, "volumes")])
            if (map[key] is JsonArray { Count: 0 }) map.Remove(key);
    }

    private static void Lay(JsonObject from, IEnumerable<string> names, JsonObject onto)
    {
        foreach (var name in names)
        {
            if (from[name] is JsonObject map && onto[name] is JsonObject there) Overlay.Onto(there, map);
            else if (from[name] is { } value) onto[name] = value.DeepClone();
        }
    }

    private static void Budget(JsonObject spec, JsonObject budget)
    {
        // Only one of the two may stand.
        if (budget["maxUnavailable"] is not null) spec.Remove("minAvailable");
        Overlay.Onto(spec, budget);
    }

    private static void ByName(JsonArray list, JsonNode? added)
    {
        foreach (var item in added.Objects())
        {
            if (list.Named(item["name"].Text() ?? "") is { } same) list[list.IndexOf(same)] = item.DeepClone();
            else list.Add((JsonNode)item.DeepClone());
        }
    }

    /// <summary>Istio's paths: dots between names, [key:value] or [index] for an item of a list, [-1] to add one. No value removes.</summary>
    private static void Patch(JsonObject target, string path, JsonNode? value)
    {
        JsonNode at = target;
        var steps = Steps(path);
        for (var i = 0; i < steps.Count; i++)
        {
            var isLast = i == steps.Count - 1;
            switch (at)
            {
                case JsonObject map when isLast && value is null: map.Remove(steps[i]); break;
                case JsonObject map when isLast: map[steps[i]] = value!.DeepClone(); break;
                case JsonObject map: at = map[steps[i]] ??= steps[i + 1].StartsWith('[') ? new JsonArray() : new JsonObject(); break;
                case JsonArray list when isLast && steps[i] == "[-1]": list.Add(value?.DeepClone()); break;
                case JsonArray list:
                    var index = IndexOf(list, steps[i]);
                    if (index < 0) throw new FormatException($"k8s.overlays: path {path}: there is no {steps[i]}");
                    if (!isLast) at = list[index]!;
                    else if (value is null) list.RemoveAt(index);
                    else list[index] = value.DeepClone();
                    break;
                default: throw new FormatException($"k8s.overlays: path {path}: {steps[i]} is under no map or list");
            }
        }
    }

    private static int IndexOf(JsonArray list, string step)
    {
        var inside = step.Trim('[', ']');
        if (int.TryParse(inside, NumberStyles.None, CultureInfo.InvariantCulture, out var index)) return index < list.Count ? index : -1;

        var colon = inside.IndexOf(':', StringComparison.Ordinal);
        for (var i = 0; i < list.Count; i++)
            if (colon > 0 ? list[i].At(inside[..colon]).Text() == inside[(colon + 1)..] : list[i].Text() == inside.TrimStart(':')) return i;
        return -1;
    }

    /// <summary>A dot within brackets, or after a backslash, divides nothing.</summary>
    private static List<string> Steps(string path)
    {
        var (steps, step, depth) = (new List<string>(), new System.Text.StringBuilder(), 0);
        for (var i = 0; i < path.Length; i++)
        {
            var c = path[i];
            if (c == '\\' && i + 1 < path.Length) step.Append(path[++i]);
            else if (c == '.' && depth == 0) Flush();
            else
            {
                if (c == '[' && depth++ == 0) Flush();
                step.Append(c);
                if (c == ']' && --depth == 0) Flush();
            }
        }
        Flush();
        return steps;

        void Flush()
        {
            if (step.Length > 0) steps.Add(step.ToString());
            step.Clear();
        }
    }
}
