using System.Collections.Immutable;

namespace Mesh.Injector;

/// <summary>One entry of a MutatingWebhookConfiguration: which namespaces and which pods make the API server call us.</summary>
public sealed record WebhookSelector(string Name, LabelSelector Namespaces, LabelSelector Pods)
{
    public bool Selects(IReadOnlyDictionary<string, string> namespaceLabels, IReadOnlyDictionary<string, string> podLabels) =>
        Namespaces.Matches(namespaceLabels) && Pods.Matches(podLabels);
}

/// <summary>Who is asked about which pod. A table, because two webhooks must never both select one pod.</summary>
public static class WebhookSelectors
{
    private const string Suffix = ".sidecar-injector.istio.io";
    private const string Injection = "istio-injection";
    private const string Revision = "istio.io/rev";
    private const string PodInjection = "sidecar.istio.io/inject";

    /// <summary>Namespaces that the cluster itself runs in; they are never injected.</summary>
    public static ImmutableArray<string> IgnoredNamespaces { get; } = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

    /// <summary>A revision answers to its name; the default revision (or the tag "default") also to the labels without a name.</summary>
    /// <param name="revisionLabels">What <c>istio.io/rev</c> may say to mean this control plane.</param>
    public static ImmutableArray<WebhookSelector> For(ImmutableArray<string> revisionLabels, bool isDefault, bool enableNamespacesByDefault)
    {
        ImmutableArray<WebhookSelector> selectors =
        [
            //                                       namespace                                                   pod
            new("rev.namespace" + Suffix, Select(In(Revision, revisionLabels), Absent(Injection)),              Select(NotIn(PodInjection, "false"))),
            new("rev.object" + Suffix,    Select(Absent(Revision), Absent(Injection)),                          Select(NotIn(PodInjection, "false"), In(Revision, revisionLabels))),
        ];
        if (!isDefault) return selectors;

        selectors = selectors.AddRange(
            new WebhookSelector("namespace" + Suffix, Select(In(Injection, ["enabled"])),                        Select(NotIn(PodInjection, "false"))),
            new WebhookSelector("object" + Suffix,    Select(Absent(Injection), Absent(Revision)),               Select(In(PodInjection, ["true"]), Absent(Revision))));
        if (!enableNamespacesByDefault) return selectors;

        return selectors.Add(new("auto" + Suffix,
            Select(Absent(Injection), Absent(Revision), NotIn("kubernetes.io/metadata.name", [.. IgnoredNamespaces])),
            Select(Absent(PodInjection), Absent(Revision))));
    }

    private static LabelSelector Select(params ImmutableArray<LabelRequirement> requirements) => new(requirements);
    private static LabelRequirement In(string key, ImmutableArray<string> values) => new(key, "In", values);
    private static LabelRequirement NotIn(string key, params ImmutableArray<string> values) => new(key, "NotIn", values);
    private static LabelRequirement Absent(string key) => new(key, "DoesNotExist", []);
}
