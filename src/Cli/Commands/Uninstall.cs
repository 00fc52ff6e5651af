using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Cli.Output;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Schema;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl uninstall</c>: one revision, or (--purge) everything, so that nothing of the mesh is left.</summary>
internal static class Uninstall
{
    private static readonly KubeKind GatewayClass = new("gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", false);

    private const int NamesMax = 30;

    public static Command Command { get; } = new("uninstall", "Uninstall Istio from a cluster")
    {
        Example = "meshctl uninstall --revision canary\nmeshctl uninstall --purge -y",
        Flags =
        [
            Flag.Switch("purge", "remove every revision, the CRDs with all resources of these kinds, the mesh's authority and its root certificates"),
            Flag.Text("revision", "the revision to remove", 'r'),
            Flag.Many("filename", "file of the IstioOperator whose revision to remove", 'f'),
            Flag.Switch("skip-confirmation", "do not ask", 'y'),
            Flag.Switch("dry-run", "say what would be removed"),
            Flag.Switch("force", "proceed even where proxies are still connected") with { Hidden = true },
            Flag.Many("set", "taken for compatibility", 's') with { Hidden = true },
            Flag.Text("manifests", "taken for compatibility", 'd') with { Hidden = true },
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var purge = invocation.Is("purge");
        var revision = invocation.Text("revision");
        if (!purge && revision.Length == 0 && invocation.Many("filename").Count > 0)
        {
            if (ManifestCommand.Spec(invocation, out var bad) is not { } spec) return bad;
            revision = spec.IsDefaultRevision ? "default" : spec.Revision;
        }
        if (!purge && revision.Length == 0) return Outcome.Failed("at least one of the --revision, --filename or --purge flags must be set");
        if (ClusterAccess.Open(invocation, out var problem) is not { } cluster) return problem;

        using var api = cluster;
        using var lines = new ProgressLines(invocation.Terminal);
        var installer = new Installer(api, invocation.Terminal.Time, lines.Live);
        var selector = purge ? $"{Manifest.OwnerLabel}=unknown" : $"{Manifest.OwnerLabel}=unknown,{Manifest.RevisionLabel}={revision}";
        var (objects, trouble) = await installer.OwnedAsync(selector, Installer.Kinds, cancel);
        if (trouble is not null) return Outcome.Failed(trouble);

        var found = objects.ToList();
        if (!purge)
        {
            // Others still read what all revisions share.
            var (all, _) = await installer.OwnedAsync($"{Manifest.ComponentLabel}=Pilot", [KubeKinds.Deployment], cancel);
            if (all.Any(one => one.Object.At("metadata", "labels", Manifest.RevisionLabel).Text() != revision))
                found.RemoveAll(one => one.Object.At("metadata", "labels", Manifest.ComponentLabel).Text() == "Base");
        }
        else if (await SharedAsync(api, invocation.Text("istioNamespace"), found, cancel) is { } refused) return Outcome.Failed(refused);

        if (found.Count == 0)
        {
            lines.Kept(purge ? "Nothing of the mesh is in the cluster." : $"Nothing of revision {revision} is in the cluster.");
            return Outcome.Fine;
        }
        if (invocation.Is("dry-run"))
        {
            foreach (var (_, item) in found) lines.Kept($"would remove {Installer.Shown(item)}");
            return Outcome.Fine;
        }
        if (!purge && await ProxiesAsync(api, revision, cancel) is { Count: > 0 } proxies)
        {
            lines.Kept($"There are still {proxies.Count} proxies pointing to the control plane revision {revision}");
            foreach (var name in proxies.Take(NamesMax)) lines.Kept("  " + name);
            if (proxies.Count > NamesMax) lines.Kept($"  ... and {proxies.Count - NamesMax} more");
            lines.Kept("If you proceed with the uninstall, these proxies will become detached from any control plane: restart their pods under another revision first.");
        }
        if (!invocation.Is("skip-confirmation") && !Confirmation.Ask(invocation, Question(purge, revision, found.Count))) return Outcome.Failed("cancelled; nothing was changed");

        if (await installer.RemoveAsync(found, cancel) is { } stuck) return Outcome.Failed(stuck);
        if (purge && await AgainAsync(installer, api, invocation.Text("istioNamespace"), cancel) is { } late) return Outcome.Failed(late);
        lines.Kept($"{invocation.Terminal.Green("✔")} Uninstall complete ({found.Count} objects removed)");
        return Outcome.Fine;
    }

    /// <summary>Pods that this revision injected, as name.namespace.</summary>
    private static async Task<IReadOnlyList<string>> ProxiesAsync(KubeApi api, string revision, CancellationToken cancel)
    {
        var pods = await api.ListAsync(KubeKinds.Pod, null, "", cancel);
        return
        [
            .. pods.Body.At("items").Objects().Where(pod => InjectionStatus.Of(pod)?.Revision == revision)
                .Select(pod => $"{pod.At("metadata", "name").Text()}.{pod.At("metadata", "namespace").Text()}").Order(StringComparer.Ordinal),
        ];
    }

    private static string Question(bool purge, string revision, int count) => purge
        ? $"All of the mesh will be removed: {count} objects, the CRDs with every resource of their kinds, and the mesh's certificate authority. Proceed? (y/N) "
        : $"Revision {revision} will be removed: {count} objects. Its proxies keep their last configuration and get no new certificates. Proceed? (y/N) ";

    /// <summary>A control plane that was still ending may have written once more what it keeps; its rights are gone by now.</summary>
    private static async Task<string?> AgainAsync(Installer installer, KubeApi api, string space, CancellationToken cancel)
    {
        var written = new List<(KubeKind, JsonObject)>();
        if (await SharedAsync(api, space, written, cancel) is { } refused) return refused;
        written.RemoveAll(one => one.Item1 == KubeKinds.CustomResourceDefinition || one.Item1 == KubeKinds.Namespace);
        return await installer.RemoveAsync(written, cancel);
    }

    /// <summary>What no chart made: written by the control plane itself, or shared by all revisions.</summary>
    private static async Task<string?> SharedAsync(KubeApi api, string space, List<(KubeKind Kind, JsonObject Object)> found, CancellationToken cancel)
    {
        foreach (var (kind, inNamespace, query) in ((KubeKind, string?, string)[])
        [
            (KubeKinds.ConfigMap, null, "labelSelector=istio.io%2Fconfig%3Dtrue"),
            (KubeKinds.Secret, space, "fieldSelector=metadata.name%3Distio-ca-secret"),
            (KubeKinds.Lease, space, ""),
            (GatewayClass, null, ""),
            (KubeKinds.CustomResourceDefinition, null, ""),
            (KubeKinds.Namespace, null, $"labelSelector={Uri.EscapeDataString(Manifest.ManagedLabel)}%3DReconcile"),
        ])
        {
            var answer = await api.ListAsync(kind, inNamespace, query, cancel);
            if (answer.IsAbsent) continue;
            if (!answer.IsFine) return $"listing {kind}: {answer}";
            foreach (var item in answer.Body.At("items").Objects())
            {
                var name = item.At("metadata", "name").Text()!;
                if (kind == KubeKinds.Lease && !name.StartsWith("istio-leader", StringComparison.Ordinal)) continue;
                if (kind == GatewayClass && item.At("spec", "controllerName").Text() != "istio.io/gateway-controller") continue;
                if (kind == KubeKinds.CustomResourceDefinition && !CrdManifest.Kinds.Any(ours => CrdManifest.Name(ours) == name)) continue;
                item["kind"] ??= kind.Kind;
                found.Add((kind, item));
            }
        }
        return null;
    }
}
