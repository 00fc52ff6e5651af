using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Schema;

namespace Mesh.Cli.Manifests;

internal enum CheckLevel { Fine, Warning, Failed }

/// <summary>One thing that was looked at.</summary>
/// <param name="Hint">What to do about it; empty when it is fine.</param>
internal sealed record Check(string Group, string Text, CheckLevel Level = CheckLevel.Fine, string Hint = "");

/// <summary>Which control plane is meant.</summary>
internal sealed record CheckScope(string Namespace, string Revision)
{
    public string Suffix => Revision == "default" ? "" : "-" + Revision;
}

/// <summary>The checks themselves, each once.</summary>
internal static class ClusterChecks
{
    private const int MinorMin = 28;
    private const string Api = "kubernetes-api", Rights = "rights", Definitions = "definitions", Plane = "control-plane", Hooks = "webhooks", Data = "data-plane";

    private static readonly KubeKind[] MustMake =
    [
        KubeKinds.Namespace, KubeKinds.CustomResourceDefinition, KubeKinds.ClusterRole, KubeKinds.ClusterRoleBinding, KubeKinds.MutatingWebhook, KubeKinds.ValidatingWebhook,
        KubeKinds.Role, KubeKinds.RoleBinding, KubeKinds.ConfigMap, KubeKinds.Deployment, KubeKinds.Service, KubeKinds.ServiceAccount,
    ];

    public static async IAsyncEnumerable<Check> BeforeAsync(KubeApi api, CheckScope scope, [EnumeratorCancellation] CancellationToken cancel)
    {
        var reached = await ReachedAsync(api, cancel);
        foreach (var check in reached) yield return check;
        if (reached.Any(check => check.Level == CheckLevel.Failed)) yield break;

        foreach (var kind in MustMake) yield return await MayMakeAsync(api, kind, scope.Namespace, cancel);

        var found = await api.ListAsync(KubeKinds.CustomResourceDefinition, null, "", cancel);
        foreach (var definition in found.Body.At("items").Objects())
        {
            var kind = CrdManifest.Kinds.FirstOrDefault(ours => CrdManifest.Name(ours) == definition.At("metadata", "name").Text());
            if (kind is null) continue;
            var served = definition.At("spec", "versions").Objects().Select(version => version["name"].Text()).ToList();
            var lost = served.Where(version => !kind.Versions.Contains(version)).ToList();
            if (lost.Count > 0) yield return new(Definitions, $"{CrdManifest.Name(kind)} is served as {string.Join(", ", served)}", CheckLevel.Warning, $"this mesh does not serve {string.Join(", ", lost)}: objects stored in it must be stored anew first");
        }
        var plane = await api.GetAsync(KubeKinds.Deployment, scope.Namespace, "istiod" + scope.Suffix, cancel);
        yield return plane.IsFine
            ? new(Plane, $"a control plane of revision {scope.Revision} is there already", CheckLevel.Warning, "meshctl install replaces it in place; give --revision to put another one beside it")
            : new(Plane, $"no control plane of revision {scope.Revision} is there yet");
    }

    public static async IAsyncEnumerable<Check> InstalledAsync(KubeApi api, CheckScope scope, [EnumeratorCancellation] CancellationToken cancel)
    {
        var reached = await ReachedAsync(api, cancel);
        foreach (var check in reached) yield return check;
        if (reached.Any(check => check.Level == CheckLevel.Failed)) yield break;

        var absent = new List<string>();
        foreach (var kind in CrdManifest.Kinds)
            if (!(await api.GetAsync(KubeKinds.CustomResourceDefinition, null, CrdManifest.Name(kind), cancel)).IsFine) absent.Add(CrdManifest.Name(kind));
        yield return absent.Count == 0 ? new(Definitions, $"all {CrdManifest.Kinds.Count()} kinds are served") : new(Definitions, $"{absent.Count} kinds are not served: {string.Join(", ", absent)}", CheckLevel.Failed, "meshctl install puts them in");

        var plane = await api.GetAsync(KubeKinds.Deployment, scope.Namespace, "istiod" + scope.Suffix, cancel);
        if (!plane.IsFine)
        {
            yield return new(Plane, $"there is no control plane of revision {scope.Revision} in namespace {scope.Namespace}", CheckLevel.Failed, "meshctl install; or name the right one with -i NAMESPACE and --revision NAME");
            yield break;
        }
        yield return Installer.IsReady(plane.Body!) ? new(Plane, $"istiod{scope.Suffix} is available")
            : new(Plane, $"istiod{scope.Suffix} is not available", CheckLevel.Failed, $"kubectl -n {scope.Namespace} describe deployment istiod{scope.Suffix}\nProxies keep their last configuration; new pods cannot start.");
        foreach (var name in (string[])["istio", "istio-sidecar-injector"])
            yield return (await api.GetAsync(KubeKinds.ConfigMap, scope.Namespace, name + scope.Suffix, cancel)).IsFine ? new(Plane, $"ConfigMap {name}{scope.Suffix} is there")
                : new(Plane, $"ConfigMap {name}{scope.Suffix} is missing", CheckLevel.Failed, "meshctl install puts it back");

        var root = (await api.GetAsync(KubeKinds.ConfigMap, scope.Namespace, "istio-ca-root-cert", cancel)).Body.At("data", "root-cert.pem").Text();
        yield return root is null ? new(Plane, "the mesh's root certificate has not been given out", CheckLevel.Failed, $"the leader of istiod writes it: kubectl -n {scope.Namespace} logs deploy/istiod{scope.Suffix}") : new(Plane, "the mesh's root certificate is given out");
        await foreach (var check in WebhooksAsync(api, scope, root ?? "", cancel)) yield return check;
        await foreach (var check in ProxiesAsync(api, scope, root ?? "", cancel)) yield return check;
    }

    private static async Task<IReadOnlyList<Check>> ReachedAsync(KubeApi api, CancellationToken cancel)
    {
        var answer = await api.SendAsync(HttpMethod.Get, "/version", null, null, cancel);
        if (!answer.IsFine) return [new(Api, "the API server cannot be asked", CheckLevel.Failed, answer.ToString())];

        var minor = (answer.Body.At("minor").Text() ?? "").TrimEnd('+');
        return int.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < MinorMin
            ? [new(Api, $"{api.Server.Authority} answers"), new(Api, $"Kubernetes {answer.Body.At("gitVersion").Text()} is older than 1.{MinorMin}", CheckLevel.Failed, "upgrade the cluster first")]
            : [new(Api, $"{api.Server.Authority} answers: Kubernetes {answer.Body.At("gitVersion").Text()}")];
    }

    private static async Task<Check> MayMakeAsync(KubeApi api, KubeKind kind, string space, CancellationToken cancel)
    {
        var attributes = new JsonObject { ["verb"] = "create", ["group"] = kind.Group, ["resource"] = kind.Plural };
        if (kind.IsNamespaced) attributes["namespace"] = space;
        var answer = await api.SendAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", new JsonObject
        {
            ["apiVersion"] = "authorization.k8s.io/v1",
            ["kind"] = "SelfSubjectAccessReview",
            ["spec"] = new JsonObject { ["resourceAttributes"] = attributes },
        }, "application/json", cancel);
        return !answer.IsFine ? new(Rights, $"the cluster does not say whether you may create {kind.Plural}", CheckLevel.Warning, answer.ToString())
            : answer.Body.At("status", "allowed").IsTrue() ? new(Rights, $"you may create {kind.Plural}")
            : new(Rights, $"you may not create {kind.Plural}", CheckLevel.Failed, "installing needs the role cluster-admin");
    }

    private static async IAsyncEnumerable<Check> WebhooksAsync(KubeApi api, CheckScope scope, string root, [EnumeratorCancellation] CancellationToken cancel)
    {
        var bundle = Convert.ToBase64String(Encoding.UTF8.GetBytes(root));
        foreach (var kind in (KubeKind[])[KubeKinds.MutatingWebhook, KubeKinds.ValidatingWebhook])
        {
            var answer = await api.ListAsync(kind, null, "labelSelector=" + Uri.EscapeDataString($"istio.io/rev={scope.Revision}"), cancel);
            var any = false;
            foreach (var configuration in answer.Body.At("items").Objects())
            {
                any = true;
                var name = configuration.At("metadata", "name").Text();
                var bad = configuration["webhooks"].Objects().Where(webhook => webhook.At("clientConfig", "service") is not null && webhook.At("clientConfig", "caBundle").Text() != bundle).Select(webhook => webhook["name"].Text()).ToList();
                yield return bad.Count == 0 ? new(Hooks, $"{name} trusts the mesh's root") : new(Hooks, $"{name}: {string.Join(", ", bad)} do not trust the mesh's root", CheckLevel.Failed, "the leader of istiod puts it in within ten seconds; if not, its log says why");
            }
            if (!any) yield return new(Hooks, $"there is no {kind.Kind} of revision {scope.Revision}", CheckLevel.Failed, "meshctl install puts it back");
        }
    }

    private static async IAsyncEnumerable<Check> ProxiesAsync(KubeApi api, CheckScope scope, string root, [EnumeratorCancellation] CancellationToken cancel)
    {
        var isDefault = scope.Revision == "default";
        var all = await api.ListAsync(KubeKinds.Namespace, null, "", cancel);
        foreach (var space in all.Body.At("items").Objects())
        {
            var labels = space.At("metadata", "labels").Strings();
            if (labels.GetValueOrDefault("istio.io/rev") != scope.Revision && !(isDefault && labels.GetValueOrDefault("istio-injection") == "enabled")) continue;

            var name = space.At("metadata", "name").Text()!;
            if ((await api.GetAsync(KubeKinds.ConfigMap, name, "istio-ca-root-cert", cancel)).Body.At("data", "root-cert.pem").Text() != root)
                yield return new(Data, $"namespace {name} does not have the mesh's root", CheckLevel.Failed, "its pods cannot start until istiod has written ConfigMap istio-ca-root-cert");
            var pods = (await api.ListAsync(KubeKinds.Pod, name, "", cancel)).Body.At("items").Objects().ToList();
            var bare = pods.Where(pod => pod.At("metadata", "annotations", InjectionStatus.Annotation) is null && pod.At("metadata", "labels", "sidecar.istio.io/inject").Text() != "false" && !pod.At("spec", "hostNetwork").IsTrue())
                .Select(pod => pod.At("metadata", "name").Text()).ToList();
            yield return bare.Count == 0 ? new(Data, $"namespace {name}: all {pods.Count} pods have their proxy")
                : new(Data, $"namespace {name}: {bare.Count} of {pods.Count} pods have no proxy: {string.Join(", ", bare.Take(5))}{(bare.Count > 5 ? ", …" : "")}", CheckLevel.Warning, $"they started before the namespace was labelled: kubectl -n {name} rollout restart deployment");
        }
    }
}
