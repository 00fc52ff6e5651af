using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.Schema;
using Mesh.Model.World;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Describing;

/// <summary>What a description is made of: the mesh as the control plane would see it, and pods and services as they are written.</summary>
internal sealed record Picture(World World, IReadOnlyList<JsonObject> Pods, IReadOnlyList<JsonObject> Services)
{
    private const int PageItems = 500;
    private const int PagesMax = 200;

    public MeshConfig Mesh => World.Mesh;

    public JsonObject? Pod(string space, string name) => Find(Pods, space, name);

    public JsonObject? Service(string space, string name) => Find(Services, space, name);

    /// <summary>The pod of a workload that is named by its Deployment, StatefulSet or DaemonSet.</summary>
    public JsonObject? PodOf(string space, string workload) => Pods.FirstOrDefault(pod =>
        SpaceOf(pod) == space && pod.At("metadata", "name").Text()!.StartsWith(workload + "-", StringComparison.Ordinal) && pod.At("status", "phase").Text() is null or "Running");

    public static string SpaceOf(JsonObject item) => item.At("metadata", "namespace").Text() is { Length: > 0 } space ? space : "default";

    /// <returns>No picture, and why the cluster cannot be read.</returns>
    public static async Task<(Picture? Picture, string? Problem)> OfClusterAsync(KubeApi api, string controlPlaneNamespace, string revision, CancellationToken cancel)
    {
        var name = revision is "" or "default" ? "istio" : $"istio-{revision}";
        var map = await api.GetAsync(KubeKinds.ConfigMap, controlPlaneNamespace, name, cancel);
        if (!map.IsFine && !map.IsAbsent) return (null, $"ConfigMap {controlPlaneNamespace}/{name}: {map}");

        var objects = new List<JsonObject>();
        foreach (var kind in (KubeKind[])[KubeKinds.Namespace, KubeKinds.Pod, KubeKinds.Service, .. Catalogue.Kinds.Select(kind => new KubeKind(kind.Group, kind.StorageVersion, kind.Plural, kind.Kind, !kind.IsClusterWide))])
            if (await ListAsync(api, kind, objects, cancel) is { } problem) return (null, problem);
        return (Of(objects, map.Body.At("data", "mesh").Text()), null);
    }

    /// <returns>No picture, and which file cannot be read.</returns>
    public static (Picture? Picture, string? Problem) OfFiles(IEnumerable<string> paths, string? meshConfig)
    {
        var objects = new List<JsonObject>();
        foreach (var path in paths)
        {
            if (!File.Exists(path) && !Directory.Exists(path)) return (null, $"stat {path}: no such file or directory");
            var files = Directory.Exists(path) ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(f => Path.GetExtension(f) is ".yaml" or ".yml" or ".json").Order(StringComparer.Ordinal) : (IEnumerable<string>)[path];
            foreach (var file in files)
            {
                foreach (var node in YamlReader.Read(File.ReadAllText(file), file, out var error))
                    if (YamlJson.Of(node) is JsonObject item) objects.Add(item);
                    else if (error is not null) return (null, $"{error.Origin}: {error.Message}");
            }
        }
        return (Of(objects, meshConfig), null);
    }

    internal static Picture Of(IReadOnlyList<JsonObject> objects, string? meshConfig)
    {
        var builder = new WorldBuilder(meshConfig is null ? null : MeshConfig.Parse(meshConfig, "", out _));
        // What cannot be read is not in force either; validation says why.
        foreach (var item in objects)
            if (ResourceReader.Read(JsonNodes.Read(System.Text.Encoding.UTF8.GetBytes(item.ToJsonString())), out _) is { } resource) builder.Apply(resource);
        return new(builder.Build(), [.. Only(objects, "Pod"), .. objects.Where(IsLocalProcess).Select(PodFor)], Only(objects, "Service"));
    }

    private static bool IsLocalProcess(JsonObject item) =>
        item["kind"].Text() == "WorkloadEntry" && item.At("spec", "address").Text() is { } address && address.StartsWith("127.", StringComparison.Ordinal);

    /// <summary>A process of this machine, which a WorkloadEntry stands for, is described as the pod it would be.</summary>
    private static JsonObject PodFor(JsonObject entry) => new()
    {
        ["metadata"] = new JsonObject
        {
            ["name"] = entry.At("metadata", "name")?.DeepClone(),
            ["namespace"] = SpaceOf(entry),
            ["labels"] = entry.At("spec", "labels")?.DeepClone(),
            ["annotations"] = new JsonObject { ["istio.io/rev"] = "default" },
        },
        ["spec"] = new JsonObject
        {
            ["serviceAccountName"] = entry.At("spec", "serviceAccount")?.DeepClone(),
            ["containers"] = new JsonArray(
                new JsonObject { ["name"] = "process", ["ports"] = new JsonArray([.. ((entry.At("spec", "ports") as JsonObject) ?? []).Select(port => new JsonObject { ["containerPort"] = port.Value?.DeepClone() })]) },
                new JsonObject { ["name"] = "istio-proxy" }),
        },
        ["status"] = new JsonObject { ["phase"] = "Running", ["podIP"] = entry.At("spec", "address")?.DeepClone() },
    };

    private static IReadOnlyList<JsonObject> Only(IReadOnlyList<JsonObject> objects, string kind) =>
        [.. objects.Where(item => item["kind"].Text() == kind && item["apiVersion"].Text() == "v1" && item.At("metadata", "name").Text() is not null)];

    private static JsonObject? Find(IReadOnlyList<JsonObject> all, string space, string name) =>
        all.FirstOrDefault(item => item.At("metadata", "name").Text() == name && SpaceOf(item) == space);

    private static async Task<string?> ListAsync(KubeApi api, KubeKind kind, List<JsonObject> into, CancellationToken cancel)
    {
        var next = "";
        for (var page = 0; page < PagesMax; page++)
        {
            var answer = await api.ListAsync(kind, null, $"limit={PageItems}{(next.Length > 0 ? "&continue=" + Uri.EscapeDataString(next) : "")}", cancel);
            if (answer.IsAbsent) return null; // a cluster need not have every kind
            if (!answer.IsFine) return $"listing {kind}: {answer}";
            foreach (var item in answer.Body.At("items").Objects().ToList())
            {
                item["apiVersion"] = kind.ApiVersion;
                item["kind"] = kind.Kind;
                into.Add(item.Copy());
            }
            next = answer.Body.At("metadata", "continue").Text() ?? "";
            if (next.Length == 0) return null;
        }
        return $"{kind}: more than {PageItems * PagesMax} objects";
    }
}
