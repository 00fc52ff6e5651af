using System.Text.Json.Nodes;
using Mesh.Cli.Output;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Schema;

namespace Mesh.Cli.Reporting;

/// <summary>Which pods a report looks into: all of the mesh's, or those that are asked for and not left out.</summary>
internal sealed record ReportScope(string ControlPlaneNamespace, IReadOnlyList<string> Include, IReadOnlyList<string> Exclude, int ProxiesMax, TimeSpan Since)
{
    /// <summary>namespace/pod, where either may end in *; a namespace alone means all of its pods.</summary>
    public bool Wants(string space, string pod) => (Include.Count == 0 || Include.Any(one => Fits(one, space, pod))) && !Exclude.Any(one => Fits(one, space, pod));

    private static bool Fits(string pattern, string space, string pod)
    {
        var slash = pattern.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? Like(pattern, space) : Like(pattern[..slash], space) && Like(pattern[(slash + 1)..], pod);
    }

    private static bool Like(string pattern, string name) => pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : pattern == name;
}

/// <summary>What a report takes from a cluster. Each piece stands alone: one that cannot be had is noted, and the next is asked for.</summary>
internal sealed class ClusterReport(KubeApi api, ReportScope scope, ReportArchive archive, Action<string> progress)
{
    private const int PageItems = 500;
    private const int ObjectsMax = 5_000;
    private const int LogBytesMax = 2 << 20;

    private static readonly KubeKind[] Everywhere = [KubeKinds.Namespace, KubeKinds.Node, KubeKinds.CustomResourceDefinition, KubeKinds.MutatingWebhook, KubeKinds.ValidatingWebhook];
    private static readonly KubeKind Event = new("", "v1", "events", "Event", true);

    private static readonly KubeKind[] InMesh =
        [KubeKinds.Pod, KubeKinds.Service, KubeKinds.EndpointSlice, KubeKinds.Deployment, KubeKinds.DaemonSet, KubeKinds.HorizontalPodAutoscaler, KubeKinds.PodDisruptionBudget, Event];

    /// <param name="ask">A page of a pod's port, through the API server: the admin pages of proxies and the debug pages of istiod.</param>
    public async Task CollectAsync(Func<string, string, int, string, CancellationToken, Task<string>> ask, CancellationToken cancel)
    {
        progress("version");
        var version = await api.SendAsync(HttpMethod.Get, "/version", null, null, cancel);
        if (version.IsFine) archive.Add("cluster/version.json", JsonText.Of(version.Body, indent: 2));
        else archive.Miss("cluster/version.json", version.ToString());

        foreach (var kind in Everywhere) await ListAsync(kind, null, $"cluster/{kind.Plural}.yaml", cancel);
        foreach (var kind in Catalogue.Kinds)
            await ListAsync(new(kind.Group, kind.StorageVersion, kind.Plural, kind.Kind, !kind.IsClusterWide), null, $"config/{kind.Plural}.{kind.Group}.yaml", cancel);

        var pods = await ListAsync(KubeKinds.Pod, null, null, cancel);
        var meshed = pods.Where(IsMeshed).ToList();
        foreach (var space in meshed.Select(SpaceOf).Append(scope.ControlPlaneNamespace).Distinct().Order(StringComparer.Ordinal))
        {
            foreach (var kind in InMesh) await ListAsync(kind, space, $"namespaces/{space}/{kind.Plural}.yaml", cancel);
            if (space != scope.ControlPlaneNamespace) continue;
            foreach (var kind in (KubeKind[])[KubeKinds.ConfigMap, KubeKinds.Secret, KubeKinds.Lease]) await ListAsync(kind, space, $"namespaces/{space}/{kind.Plural}.yaml", cancel);
        }

        foreach (var pod in pods.Where(pod => SpaceOf(pod) == scope.ControlPlaneNamespace && pod.At("metadata", "labels", "app").Text() == "istiod")) await ControlPlaneAsync(pod, ask, cancel);
        var wanted = meshed.Where(pod => scope.Wants(SpaceOf(pod), NameOf(pod))).ToList();
        if (wanted.Count > scope.ProxiesMax) archive.Miss("proxies", $"{scope.ProxiesMax} of {wanted.Count}; --include and --exclude choose which");
        foreach (var pod in wanted.Take(scope.ProxiesMax))
        {
            if (archive.IsFull) break;
            await ProxyAsync(pod, ask, cancel);
        }
    }

    private async Task ControlPlaneAsync(JsonObject pod, Func<string, string, int, string, CancellationToken, Task<string>> ask, CancellationToken cancel)
    {
        var folder = $"istiod/{NameOf(pod)}";
        await LogAsync(pod, "discovery", $"{folder}/discovery.log", cancel);
        foreach (var (page, file) in ReportPages.ControlPlane) await PageAsync(pod, 15014, page, $"{folder}/{file}", ask, cancel);
    }

    private async Task ProxyAsync(JsonObject pod, Func<string, string, int, string, CancellationToken, Task<string>> ask, CancellationToken cancel)
    {
        var folder = $"proxies/{SpaceOf(pod)}/{NameOf(pod)}";
        progress(folder);
        await LogAsync(pod, "istio-proxy", $"{folder}/istio-proxy.log", cancel);
        if (pod.At("spec", "initContainers").Named("istio-init") is not null) await LogAsync(pod, "istio-init", $"{folder}/istio-init.log", cancel);
        foreach (var (page, file) in ReportPages.Proxy) await PageAsync(pod, 15000, page, $"{folder}/{file}", ask, cancel);
    }

    private async Task PageAsync(JsonObject pod, int port, string page, string file, Func<string, string, int, string, CancellationToken, Task<string>> ask, CancellationToken cancel)
    {
        try
        {
            archive.Add(file, await ask(SpaceOf(pod), NameOf(pod), port, page, cancel));
        }
        catch (ReportGapException e)
        {
            archive.Miss(file, e.Message);
        }
    }

    private async Task LogAsync(JsonObject pod, string container, string file, CancellationToken cancel)
    {
        var path = $"{KubeKinds.Pod.Path(SpaceOf(pod), NameOf(pod))}/log?container={container}&limitBytes={LogBytesMax}&sinceSeconds={(long)scope.Since.TotalSeconds}";
        var (text, problem) = await api.TextAsync(path, cancel);
        if (text is not null) archive.Add(file, text);
        else archive.Miss(file, problem!);
    }

    /// <param name="file">Null: only to look at.</param>
    private async Task<List<JsonObject>> ListAsync(KubeKind kind, string? space, string? file, CancellationToken cancel)
    {
        if (file is not null) progress(file);
        var found = new List<JsonObject>();
        var next = "";
        do
        {
            var answer = await api.ListAsync(kind, space, $"limit={PageItems}{(next.Length > 0 ? "&continue=" + Uri.EscapeDataString(next) : "")}", cancel);
            if (answer.IsAbsent) return found; // this cluster does not have the kind
            if (!answer.IsFine)
            {
                archive.Miss(file ?? kind.ToString(), answer.ToString());
                return found;
            }
            foreach (var item in answer.Body.At("items").Objects().ToList())
            {
                item["apiVersion"] = kind.ApiVersion;
                item["kind"] = kind.Kind;
                found.Add(item.Copy());
            }
            next = answer.Body.At("metadata", "continue").Text() ?? "";
        }
        while (next.Length > 0 && found.Count < ObjectsMax);

        if (next.Length > 0) archive.Miss(file ?? kind.ToString(), $"only the first {found.Count} objects");
        // Definitions are long and all alike: their names and versions tell enough.
        var kept = kind == KubeKinds.CustomResourceDefinition ? found.Select(Outline) : found.Select(Redaction.Of);
        if (file is not null && found.Count > 0) archive.Add(file, string.Join("---\n", kept.Select(Output.YamlText.Of)));
        return found;
    }

    private static JsonObject Outline(JsonObject definition) => new()
    {
        ["name"] = NameOf(definition),
        ["versions"] = new JsonArray([.. definition.At("spec", "versions").Objects().Select(version => (JsonNode?)version["name"].Text())]),
        ["conditions"] = definition.At("status", "conditions")?.DeepClone(),
    };

    private static bool IsMeshed(JsonObject pod) => pod.At("spec", "containers").Named("istio-proxy") is not null || pod.At("spec", "initContainers").Named("istio-proxy") is not null;

    private static string SpaceOf(JsonObject item) => item.At("metadata", "namespace").Text() ?? "";

    private static string NameOf(JsonObject item) => item.At("metadata", "name").Text() ?? "";
}

/// <summary>One page could not be had; the message says why.</summary>
internal sealed class ReportGapException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>The pages worth having of each program, and the files they become.</summary>
internal static class ReportPages
{
    public static readonly IReadOnlyList<(string Page, string File)> ControlPlane =
    [
        ("version", "version.json"), ("debug/syncz", "syncz.json"), ("debug/connections", "connections.json"), ("debug/refused", "refused.json"),
        ("debug/registryz", "registryz.json"), ("debug/endpointz", "endpointz.json"), ("debug/configz", "configz.json"), ("metrics", "metrics.txt"),
    ];

    public static readonly IReadOnlyList<(string Page, string File)> Proxy =
        [("server_info", "server_info.json"), ("config_dump", "config_dump.json"), ("clusters", "clusters.txt"), ("listeners", "listeners.txt"), ("certs", "certs.json"), ("stats/prometheus", "stats.txt")];
}
