using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>A pod may come twice (another webhook changed it): what we put in the first time must not count as the user's.</summary>
internal static class Reinjection
{
    /// <summary>The pod as its user meant it: our containers taken out, the user's own parts of them put back.</summary>
    public static JsonObject BeforeInjection(JsonObject pod, long statusPort)
    {
        var before = pod.Copy();
        var spec = (JsonObject)before["spec"]!;
        if (InjectionStatus.Of(pod) is { } status)
        {
            Remove(spec["containers"], status.Containers);
            Remove(spec["initContainers"], status.InitContainers);
            var annotations = (JsonObject)before["metadata"]!["annotations"]!;
            annotations.Remove(InjectionStatus.Annotation);
            if (PrometheusMerge.PortOf(annotations) == $"{statusPort}") PrometheusMerge.RemoveFrom(annotations);
        }

        var overrides = UserContainers.SavedIn(pod);
        PutBack(spec, "containers", overrides.At("containers"));
        PutBack(spec, "initContainers", overrides.At("initContainers"));
        return before;
    }

    private static void Remove(JsonNode? containers, IEnumerable<string> names)
    {
        if (containers is not JsonArray list) return;
        foreach (var name in names)
            foreach (var container in list.Objects().Where(container => container["name"].Text() == name).ToList())
                list.Remove(container);
    }

    private static void PutBack(JsonObject spec, string key, JsonNode? containers)
    {
        foreach (var container in containers.Objects())
            if (spec[key].Named(container["name"].Text() ?? "") is null) spec.ListAt(key).AddNode(container.Copy());
    }
}
