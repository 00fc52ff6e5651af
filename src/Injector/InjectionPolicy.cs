using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Is this pod to be injected at all? The API server's selectors have already said yes; these rules are ours.</summary>
public static class InjectionPolicy
{
    public const string InjectLabel = "sidecar.istio.io/inject";

    /// <returns>Null when the pod is to be injected, else the reason why not.</returns>
    public static string? SkipReason(JsonObject pod, string podNamespace, InjectorSettings settings)
    {
        // With the host's network our redirection would change the node itself.
        if (pod.At("spec", "hostNetwork").IsTrue()) return "the pod uses the host's network";
        if (WebhookSelectors.IgnoredNamespaces.Contains(podNamespace)) return $"namespace {podNamespace} belongs to the cluster";

        var labels = pod.At("metadata", "labels").Strings();
        var annotations = pod.At("metadata", "annotations").Strings();
        // The label is the newer API: where both are set it wins, even with a value that means nothing.
        var wish = labels.TryGetValue(InjectLabel, out var label) ? label : annotations.GetValueOrDefault(InjectLabel);
        var byPolicy = settings.Policy is "enabled" or "disabled";

        return (wish, byPolicy) switch
        {
            (_, false) => $"injection policy \"{settings.Policy}\" is neither enabled nor disabled",
            ("true", _) => null,
            ("false", _) => $"{InjectLabel} is \"false\"",
            _ when Selected(settings.NeverInject, labels) => "a neverInjectSelector matches the pod",
            _ when Selected(settings.AlwaysInject, labels) => null,
            _ => settings.Policy == "enabled" ? null : "injection is disabled by default",
        };
    }

    // An empty selector selects nothing here: it would inject, or refuse, every pod of the cluster by a slip.
    private static bool Selected(IEnumerable<LabelSelector> selectors, IReadOnlyDictionary<string, string> labels) =>
        selectors.Any(selector => !selector.IsEmpty && selector.Matches(labels));
}
