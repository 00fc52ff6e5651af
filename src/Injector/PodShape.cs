using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Room 1: are the fields we will read of the kinds that Kubernetes says? After this, the other rooms need not ask.</summary>
internal static class PodShape
{
    private const int ContainersMax = 500; // Kubernetes itself stops far below; a bound keeps an odd request cheap

    /// <returns>Null when fine, else a sentence that names the field.</returns>
    public static string? Problem(JsonObject pod) =>
        Check(pod, "metadata", JsonValueKind.Object, "")
        ?? Check(pod, "spec", JsonValueKind.Object, "")
        ?? (pod["spec"] is null ? "spec is missing: a pod without containers cannot be injected" : null)
        ?? Metadata(pod["metadata"] as JsonObject ?? [])
        ?? Spec((JsonObject)pod["spec"]!);

    private static string? Metadata(JsonObject metadata) =>
        StringMap(metadata, "labels", "metadata.")
        ?? StringMap(metadata, "annotations", "metadata.")
        ?? Check(metadata, "name", JsonValueKind.String, "metadata.")
        ?? Check(metadata, "namespace", JsonValueKind.String, "metadata.")
        ?? Check(metadata, "generateName", JsonValueKind.String, "metadata.")
        ?? ListOfObjects(metadata, "ownerReferences", "metadata.", null);

    private static string? Spec(JsonObject spec) =>
        Check(spec, "hostNetwork", JsonValueKind.True, "spec.")
        ?? Check(spec, "securityContext", JsonValueKind.Object, "spec.")
        ?? Check(spec, "serviceAccountName", JsonValueKind.String, "spec.")
        ?? ListOfObjects(spec, "volumes", "spec.", item => Check(item.Map, "name", JsonValueKind.String, item.Path, required: true))
        ?? ListOfObjects(spec, "imagePullSecrets", "spec.", null)
        ?? ListOfObjects(spec, "containers", "spec.", Container)
        ?? ListOfObjects(spec, "initContainers", "spec.", Container);

    private static string? Container((JsonObject Map, string Path) container) =>
        Check(container.Map, "name", JsonValueKind.String, container.Path, required: true)
        ?? Check(container.Map, "image", JsonValueKind.String, container.Path)
        ?? Check(container.Map, "resources", JsonValueKind.Object, container.Path)
        ?? Check(container.Map, "lifecycle", JsonValueKind.Object, container.Path)
        ?? Check(container.Map, "args", JsonValueKind.Array, container.Path)
        ?? ListOfObjects(container.Map, "env", container.Path, item => Check(item.Map, "name", JsonValueKind.String, item.Path, required: true))
        ?? ListOfObjects(container.Map, "volumeMounts", container.Path, item => Check(item.Map, "mountPath", JsonValueKind.String, item.Path, required: true))
        ?? ListOfObjects(container.Map, "ports", container.Path, item => Check(item.Map, "containerPort", JsonValueKind.Number, item.Path, required: true))
        ?? SecurityContext(container.Map, container.Path)
        ?? Handler(container.Map, "readinessProbe", container.Path)
        ?? Handler(container.Map, "livenessProbe", container.Path)
        ?? Handler(container.Map, "startupProbe", container.Path)
        ?? (container.Map["lifecycle"] is JsonObject lifecycle
            ? Handler(lifecycle, "preStop", container.Path + "lifecycle.") ?? Handler(lifecycle, "postStart", container.Path + "lifecycle.") : null);

    private static string? SecurityContext(JsonObject container, string path) =>
        Check(container, "securityContext", JsonValueKind.Object, path)
        ?? (container["securityContext"] is JsonObject context
            ? Check(context, "runAsUser", JsonValueKind.Number, path + "securityContext.") ?? Check(context, "runAsGroup", JsonValueKind.Number, path + "securityContext.")
            : null);

    private static string? Handler(JsonObject container, string key, string path) =>
        Check(container, key, JsonValueKind.Object, path)
        ?? (container[key] is JsonObject handler
            ? Check(handler, "httpGet", JsonValueKind.Object, $"{path}{key}.")
              ?? Check(handler, "tcpSocket", JsonValueKind.Object, $"{path}{key}.")
              ?? Check(handler, "grpc", JsonValueKind.Object, $"{path}{key}.")
              ?? Check(handler, "timeoutSeconds", JsonValueKind.Number, $"{path}{key}.")
            : null);

    private static string? StringMap(JsonObject map, string key, string path)
    {
        if (Check(map, key, JsonValueKind.Object, path) is { } problem) return problem;
        if (map[key] is not JsonObject strings) return null;

        var odd = strings.FirstOrDefault(entry => entry.Value is not null && entry.Value.GetValueKind() != JsonValueKind.String);
        return odd.Value is null ? null : $"{path}{key}.{odd.Key} must be a string, not {Name(odd.Value.GetValueKind())} (quote it)";
    }

    private static string? ListOfObjects(JsonObject map, string key, string path, Func<(JsonObject Map, string Path), string?>? check)
    {
        if (Check(map, key, JsonValueKind.Array, path) is { } problem) return problem;
        if (map[key] is not JsonArray list) return null;
        if (list.Count > ContainersMax) return $"{path}{key} has {list.Count} items; at most {ContainersMax} are looked at";

        for (var i = 0; i < list.Count; i++)
        {
            if (list[i] is not JsonObject item) return $"{path}{key}[{i}] must be an object";
            if (check?.Invoke((item, $"{path}{key}[{i}].")) is { } inner) return inner;
        }
        return null;
    }

    private static string? Check(JsonObject map, string key, JsonValueKind wanted, string path, bool required = false)
    {
        if (map[key] is not { } value) return required ? $"{path}{key} is missing" : null;

        var kind = value.GetValueKind() == JsonValueKind.False ? JsonValueKind.True : value.GetValueKind();
        return kind == wanted ? null : $"{path}{key} must be {Name(wanted)}, not {Name(kind)}";
    }

    private static string Name(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        _ => "null",
    };
}
