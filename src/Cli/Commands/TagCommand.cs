using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Cli.Output;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl tag</c>: stable names for revisions, so that namespaces need not be labelled anew at each upgrade.</summary>
internal static class TagCommand
{
    private const string TagLabel = "istio.io/tag";

    private static readonly Flag Revision = Flag.Text("revision", "the revision that the tag stands for", 'r');

    public static Command Command { get; } = new("tag", "Command group used to interact with revision tags")
    {
        Commands =
        [
            new("set", "Create or modify revision tags")
            {
                Arguments = "<revision-tag>",
                Example = "meshctl tag set prod --revision 1-30-0",
                Flags = [Revision, Flag.Switch("overwrite", "move a tag that stands for another revision"), Flag.Switch("skip-confirmation", "do not ask", 'y'), Flag.Text("webhook-name", "taken for compatibility") with { Hidden = true }],
                Run = SetAsync,
            },
            new("generate", "Generate configuration for a revision tag to stdout")
            {
                Arguments = "<revision-tag>",
                Flags = [Revision, Flag.Switch("overwrite", "taken for compatibility") with { Hidden = true }],
                Run = (invocation, _) => Task.FromResult(Generate(invocation)),
            },
            new("list", "List existing revision tags") { Aliases = ["show"], Run = ListAsync },
            new("remove", "Remove Istio control plane revision tag")
            {
                Aliases = ["delete"],
                Arguments = "<revision-tag>",
                Flags = [Flag.Switch("skip-confirmation", "do not ask", 'y')],
                Run = RemoveAsync,
            },
        ],
    };

    /// <summary>The webhook that answers to the tag and calls the revision's Service.</summary>
    internal static JsonObject Webhook(string tag, string revision, string space)
    {
        var service = revision == "default" ? "istiod" : $"istiod-{revision}";
        var webhooks = WebhookSelectors.For([tag], isDefault: tag == "default", enableNamespacesByDefault: false).Select(selector => new JsonObject
        {
            ["name"] = selector.Name,
            ["admissionReviewVersions"] = new JsonArray("v1"),
            ["clientConfig"] = new JsonObject { ["service"] = new JsonObject { ["name"] = service, ["namespace"] = space, ["path"] = "/inject", ["port"] = 443 } },
            ["failurePolicy"] = "Fail",
            ["sideEffects"] = "None",
            ["reinvocationPolicy"] = "Never",
            ["namespaceSelector"] = selector.Namespaces.ToJson(),
            ["objectSelector"] = selector.Pods.ToJson(),
            ["rules"] = new JsonArray(new JsonObject { ["operations"] = new JsonArray("CREATE"), ["apiGroups"] = new JsonArray(""), ["apiVersions"] = new JsonArray("v1"), ["resources"] = new JsonArray("pods") }),
        });
        return new()
        {
            ["apiVersion"] = "admissionregistration.k8s.io/v1",
            ["kind"] = "MutatingWebhookConfiguration",
            ["metadata"] = new JsonObject
            {
                ["name"] = $"istio-revision-tag-{tag}{(space == "istio-system" ? "" : "-" + space)}",
                ["labels"] = new JsonObject
                {
                    [TagLabel] = tag, [Manifest.RevisionLabel] = revision, ["app"] = "sidecar-injector", [Manifest.ComponentLabel] = "Pilot", [Manifest.OwnerLabel] = "unknown",
                },
            },
            ["webhooks"] = new JsonArray([.. webhooks]),
        };
    }

    /// <summary>Whoever has the tag "default" also judges what names no revision.</summary>
    internal static JsonObject? Validator(string tag, string revision, string space)
    {
        if (tag != "default") return null;

        var values = Overlay.Of(Chart.DefaultValues("base"), new JsonObject { ["defaultRevision"] = revision, ["global"] = new JsonObject { ["istioNamespace"] = space } });
        var validator = Chart.Render("base", values, space).Single(one => one["kind"].Text() == "ValidatingWebhookConfiguration");
        validator.MapAt("metadata").MapAt("labels")[TagLabel] = tag;
        return validator;
    }

    private static Outcome Generate(Invocation invocation)
    {
        if (Wanted(invocation, out var tag, out var revision) is { } problem) return problem;
        var space = invocation.Text("istioNamespace");
        invocation.Out.Write(Injector.YamlText.Write(Webhook(tag, revision, space)));
        if (Validator(tag, revision, space) is { } validator) invocation.Out.Write("---\n" + Injector.YamlText.Write(validator));
        return Outcome.Fine;
    }

    private static async Task<Outcome> SetAsync(Invocation invocation, CancellationToken cancel)
    {
        if (Wanted(invocation, out var tag, out var revision) is { } problem) return problem;
        if (ClusterAccess.Open(invocation, out var none) is not { } cluster) return none;

        using var api = cluster;
        var space = invocation.Text("istioNamespace");
        var planes = await api.ListAsync(KubeKinds.MutatingWebhook, null, "labelSelector=" + Uri.EscapeDataString($"{Manifest.RevisionLabel}={revision}"), cancel);
        if (!planes.IsFine) return Outcome.Failed(planes.ToString());
        if (!planes.Body.At("items").Objects().Any(one => one.At("metadata", "labels", TagLabel) is null))
            return Outcome.Failed($"cannot modify tag \"{tag}\": cannot find MutatingWebhookConfiguration with revision \"{revision}\"\nInstall it first: meshctl install --revision {revision}");

        var wanted = Webhook(tag, revision, space);
        var name = wanted.At("metadata", "name").Text()!;
        var before = await api.GetAsync(KubeKinds.MutatingWebhook, null, name, cancel);
        if (before.IsFine && before.Body.At("metadata", "labels", Manifest.RevisionLabel).Text() is { } other && other != revision && !invocation.Is("overwrite"))
            return Outcome.Failed($"revision tag \"{tag}\" already exists (it stands for {other}), and --overwrite is false");
        if (tag == "default" && revision != "default" && await DeactivateAsync(api, space, cancel) is { } stuck) return Outcome.Failed(stuck);
        wanted["webhooks"] = new JsonArray([.. wanted["webhooks"].Objects().Select(webhook =>
        {
            var copy = (JsonObject)webhook.DeepClone();
            if (planes.Body.At("items").Objects().SelectMany(one => one["webhooks"].Objects()).Select(one => one.At("clientConfig", "caBundle").Text()).FirstOrDefault(bundle => bundle is not null) is { } bundle)
                ((JsonObject)copy["clientConfig"]!)["caBundle"] = bundle;
            return copy;
        })]);
        var answer = await api.ApplyAsync(KubeKinds.MutatingWebhook, null, name, wanted, KubeApi.FieldManager, dryRun: false, cancel);
        if (answer.IsFine && revision != "default" && Validator(tag, revision, space) is { } validator)
            answer = await api.ApplyAsync(KubeKinds.ValidatingWebhook, null, validator.At("metadata", "name").Text()!, validator, KubeApi.FieldManager, dryRun: false, cancel);
        if (!answer.IsFine) return Outcome.Failed($"the tag cannot be set: {answer}");

        await invocation.Out.WriteLineAsync($"Revision tag \"{tag}\" created, referencing control plane revision \"{revision}\". To enable injection using this\nrevision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev={tag}'");
        return Outcome.Fine;
    }

    /// <summary>
    /// What asks for istio-injection=enabled belongs to the tag now: the default revision's own webhook answers to nothing any more, or pods would be injected
    /// twice. `meshctl install` makes it answer again.
    /// </summary>
    /// <returns>Null when done.</returns>
    private static async Task<string?> DeactivateAsync(KubeApi api, string space, CancellationToken cancel)
    {
        var name = $"istio-sidecar-injector{(space == "istio-system" ? "" : "-" + space)}";
        var own = await api.GetAsync(KubeKinds.MutatingWebhook, null, name, cancel);
        if (own.IsAbsent) return null;
        if (!own.IsFine) return $"{name} cannot be read: {own}";

        var webhooks = new JsonArray([.. own.Body.At("webhooks").Objects().Select(webhook =>
        {
            var copy = webhook.Copy();
            foreach (var selector in (string[])["namespaceSelector", "objectSelector"])
                copy[selector] = new JsonObject { ["matchLabels"] = new JsonObject { [InjectionReasons.Never] = "never-match" } };
            return copy;
        })]);
        var answer = await api.MergeAsync(KubeKinds.MutatingWebhook, null, name, new JsonObject { ["webhooks"] = webhooks }, cancel);
        return answer.IsFine ? null : $"{name} cannot be changed: {answer}";
    }

    private static async Task<Outcome> ListAsync(Invocation invocation, CancellationToken cancel)
    {
        if (ClusterAccess.Open(invocation, out var none) is not { } cluster) return none;
        using var api = cluster;
        var tags = await api.ListAsync(KubeKinds.MutatingWebhook, null, "labelSelector=" + Uri.EscapeDataString(TagLabel), cancel);
        var namespaces = await api.ListAsync(KubeKinds.Namespace, null, "", cancel);
        if (!tags.IsFine || !namespaces.IsFine) return Outcome.Failed($"{(tags.IsFine ? namespaces : tags)}");
        if (!tags.Body.At("items").Objects().Any())
        {
            await invocation.Out.WriteLineAsync("No Istio revision tag MutatingWebhookConfigurations to list");
            return Outcome.Fine;
        }

        var table = new Table().Add("TAG", "REVISION", "NAMESPACES");
        foreach (var one in tags.Body.At("items").Objects().OrderBy(one => one.At("metadata", "labels", TagLabel).Text(), StringComparer.Ordinal))
        {
            var tag = one.At("metadata", "labels", TagLabel).Text()!;
            table.Add(tag, one.At("metadata", "labels", Manifest.RevisionLabel).Text() ?? "", string.Join(',', Users(namespaces.Body.At("items").Objects(), tag)));
        }
        table.Write(invocation.Out);
        return Outcome.Fine;
    }

    private static async Task<Outcome> RemoveAsync(Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Arguments is not [var tag]) return Outcome.Failed("must provide a tag for removal");
        if (ClusterAccess.Open(invocation, out var none) is not { } cluster) return none;
        using var api = cluster;
        var name = Webhook(tag, "default", invocation.Text("istioNamespace")).At("metadata", "name").Text()!;
        var namespaces = await api.ListAsync(KubeKinds.Namespace, null, "", cancel);
        var users = Users(namespaces.Body.At("items").Objects(), tag).ToList();
        if (users.Count > 0 && !invocation.Is("skip-confirmation")
            && !Confirmation.Ask(invocation, $"Caution, found {users.Count} namespace(s) still injected by tag \"{tag}\": {string.Join(", ", users)}. Proceed? (y/N) "))
            return Outcome.Failed("cancelled; nothing was changed");

        var answer = await api.DeleteAsync(KubeKinds.MutatingWebhook, null, name, cancel);
        if (answer.IsAbsent) return Outcome.Failed($"cannot remove tag \"{tag}\": cannot find MutatingWebhookConfiguration for tag \"{tag}\"");
        if (answer.IsFine && Validator(tag, "default", invocation.Text("istioNamespace")) is { } validator)
        {
            var second = await api.DeleteAsync(KubeKinds.ValidatingWebhook, null, validator.At("metadata", "name").Text()!, cancel);
            if (!second.IsAbsent) answer = second;
        }
        if (!answer.IsFine) return Outcome.Failed($"the tag cannot be removed: {answer}");
        await invocation.Out.WriteLineAsync($"Revision tag {tag} removed");
        return Outcome.Fine;
    }

    private static IEnumerable<string> Users(IEnumerable<JsonObject> namespaces, string tag) => namespaces
        .Where(one => one.At("metadata", "labels", Manifest.RevisionLabel).Text() == tag || tag == "default" && one.At("metadata", "labels", "istio-injection").Text() == "enabled")
        .Select(one => one.At("metadata", "name").Text()!).Order(StringComparer.Ordinal);

    private static Outcome? Wanted(Invocation invocation, out string tag, out string revision)
    {
        tag = invocation.Arguments.Count > 0 ? invocation.Arguments[0] : "";
        revision = invocation.Text("revision");
        if (invocation.Arguments.Count != 1) return Outcome.Failed("must provide a tag for modification");
        if (revision.Length == 0) return Outcome.Failed("must set '--revision' flag: which revision is the tag to stand for?");
        return tag == revision && tag != "default" ? Outcome.Failed($"a tag cannot have the name of the revision it stands for ({revision})") : null;
    }
}
