using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Cli.Output;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl x injector list</c>: namespaces with the revision that injects them and the revisions of their pods; webhooks with the image they put in.</summary>
internal static class InjectorList
{
    private static readonly HashSet<string> NeverInjected = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

    public static Command Command { get; } = new("injector", "List sidecar injector and sidecar versions")
    {
        Commands = [new("list", "List sidecar injector and sidecar versions") { Example = "meshctl x injector list", Run = RunAsync }],
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        if (ClusterAccess.Open(invocation, out var problem) is not { } cluster) return problem;

        using var api = cluster;
        var plane = invocation.Text("istioNamespace");
        var only = invocation.Text("namespace");
        var answers = new List<KubeAnswer>
        {
            await api.ListAsync(KubeKinds.Namespace, null, "", cancel),
            await api.ListAsync(KubeKinds.MutatingWebhook, null, "labelSelector=app%3Dsidecar-injector", cancel),
            await api.ListAsync(KubeKinds.Pod, null, "", cancel),
            await api.ListAsync(KubeKinds.ConfigMap, null, "labelSelector=" + Uri.EscapeDataString(Manifest.RevisionLabel), cancel),
        };
        if (answers.FirstOrDefault(answer => !answer.IsFine) is { } refused) return Outcome.Failed(refused.ToString());

        var items = answers.Select(answer => answer.Body.At("items").Objects().OrderBy(item => item.At("metadata", "name").Text(), StringComparer.Ordinal).ToList()).ToList();
        var spaces = items[0].Where(space => Name(space) is { } name && !NeverInjected.Contains(name) && name != plane && space.At("metadata", "labels", "istio.io/dataplane-mode").Text() != "ambient").ToList();
        if (only.Length > 0 && spaces.Any(space => Name(space) == only)) spaces.RemoveAll(space => Name(space) != only);
        Namespaces(invocation.Out, spaces, items[1], items[2]);
        await invocation.Out.WriteLineAsync();
        Hooks(invocation.Out, spaces, items[1], Images(items[3]));
        return Outcome.Fine;
    }

    private static void Namespaces(TextWriter to, IReadOnlyList<JsonObject> spaces, IReadOnlyList<JsonObject> hooks, IReadOnlyList<JsonObject> pods)
    {
        var table = new Table().Add("NAMESPACE", "ISTIO-REVISION", "POD-REVISIONS");
        foreach (var space in spaces)
        {
            var revision = RevisionOf(space, hooks);
            var groups = pods.Where(pod => pod.At("metadata", "namespace").Text() == Name(space)).GroupBy(PodRevision).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
            if (groups.Count == 0 && revision.Length > 0) table.Add(Name(space), revision, "<no pods>");
            foreach (var group in groups)
            {
                var disabled = group.Count(IsOptedOut);
                var stale = group.Key == revision ? 0 : group.Count() - disabled;
                table.Add(Name(space), revision, $"{(group.Key.Length > 0 ? group.Key : "<non-Istio>")}: {group.Count()}{(disabled > 0 ? $" (injection disabled: {disabled})" : "")}{(stale > 0 ? $" NEEDS RESTART: {stale}" : "")}");
            }
        }
        if (table.RowCount == 1) to.WriteLine("No Istio injected namespaces present.");
        else table.Write(to);
    }

    private static void Hooks(TextWriter to, IReadOnlyList<JsonObject> spaces, IReadOnlyList<JsonObject> hooks, IReadOnlyDictionary<string, string> images)
    {
        if (hooks.Count == 0)
        {
            to.WriteLine("No Istio injection hooks present.");
            return;
        }
        var table = new Table().Add("NAMESPACES", "INJECTOR-HOOK", "ISTIO-REVISION", "SIDECAR-IMAGE");
        foreach (var hook in hooks)
        {
            var revision = hook.At("metadata", "labels", Manifest.RevisionLabel).Text() ?? "";
            var byNamespace = hook["webhooks"].Objects().Where(webhook => webhook["name"].Text() is "rev.namespace.sidecar-injector.istio.io" or "namespace.sidecar-injector.istio.io").ToList();
            var matching = spaces.Where(space => byNamespace.Any(webhook => Selects(webhook, space))).Select(Name).DefaultIfEmpty("DOES NOT AUTOINJECT");
            foreach (var name in matching) table.Add(name, Name(hook), revision, images.GetValueOrDefault(revision, ""));
        }
        table.Write(to);
    }

    /// <summary>Of the webhook that asks for its pods; a label that no webhook answers to is told as missing.</summary>
    private static string RevisionOf(JsonObject space, IReadOnlyList<JsonObject> hooks)
    {
        var labels = space.At("metadata", "labels").Strings();
        // Webhooks that choose by the pod select nearly every namespace: they say nothing of this one.
        var hook = hooks.FirstOrDefault(hook => hook["webhooks"].Objects().Any(webhook => webhook["name"].Text()?.Contains("object.", StringComparison.Ordinal) != true && Selects(webhook, space)));
        if (hook is not null) return hook.At("metadata", "labels", Manifest.RevisionLabel).Text() ?? "";
        if (labels.TryGetValue(Manifest.RevisionLabel, out var wanted)) return $"MISSING/{wanted}";
        return labels.TryGetValue("istio-injection", out var wish) && wish != "disabled" ? "MISSING/istio-injection" : "";
    }

    private static bool Selects(JsonObject webhook, JsonObject space) => LabelSelector.Parse(webhook["namespaceSelector"])?.Matches(space.At("metadata", "labels").Strings()) == true;

    private static string PodRevision(JsonObject pod) => InjectionStatus.Of(pod)?.Revision ?? pod.At("metadata", "annotations", Manifest.RevisionLabel).Text() ?? "";

    private static bool IsOptedOut(JsonObject pod) =>
        (pod.At("metadata", "labels", "sidecar.istio.io/inject").Text() ?? pod.At("metadata", "annotations", "sidecar.istio.io/inject").Text() ?? "").Equals("false", StringComparison.OrdinalIgnoreCase);

    private static Dictionary<string, string> Images(IEnumerable<JsonObject> maps)
    {
        var images = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var map in maps)
        {
            if (map.At("data", "values").Text() is not { } text || YamlJson.Read(text).At("global") is not { } global || map.At("metadata", "labels", Manifest.RevisionLabel).Text() is not { } revision) continue;
            var image = global.At("proxy", "image").Text() ?? "proxyv2";
            images[revision] = image.Contains('/', StringComparison.Ordinal) ? image : $"{global.At("hub").Text()}/{image}:{global.At("tag").Text()}";
        }
        return images;
    }

    private static string Name(JsonObject item) => item.At("metadata", "name").Text() ?? "";
}
