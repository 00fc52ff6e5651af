using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Cli.Manifests;

/// <param name="Reason">One sentence: the label that decides.</param>
internal sealed record InjectionReason(string Webhook, string Revision, bool Injects, string Reason);

/// <summary>What the API server will do with a pod, told from the webhooks' selectors. The first webhook of a configuration that decides gives the reason.</summary>
internal static class InjectionReasons
{
    /// <summary>A selector by this label is meant to match nothing.</summary>
    public const string Never = "istio.io/deactivated";

    public static IReadOnlyList<InjectionReason> Of(IEnumerable<JsonObject> configurations, IReadOnlyDictionary<string, string> pod, IReadOnlyDictionary<string, string> space) =>
    [
        .. configurations.Where(one => one["webhooks"].Objects().Any(webhook => webhook["name"].Text()?.EndsWith("istio.io", StringComparison.Ordinal) == true))
            .Select(one => Of(one, pod, space)).OrderBy(one => one.Webhook, StringComparer.Ordinal),
    ];

    private static InjectionReason Of(JsonObject configuration, IReadOnlyDictionary<string, string> pod, IReadOnlyDictionary<string, string> space)
    {
        var webhooks = configuration["webhooks"].Objects().Select(webhook => (Space: LabelSelector.Parse(webhook["namespaceSelector"]), Pod: LabelSelector.Parse(webhook["objectSelector"]))).ToList();
        var (injects, reason) = webhooks.Select(webhook => Decide(webhook.Space, webhook.Pod, pod, space)).FirstOrDefault(answer => answer.Reason is not null);
        return new(configuration.At("metadata", "name").Text() ?? "", configuration.At("metadata", "labels", Manifest.RevisionLabel).Text() ?? "", injects, reason ?? NoMatch(webhooks));
    }

    private static (bool Injects, string? Reason) Decide(LabelSelector? spaceSelector, LabelSelector? podSelector, IReadOnlyDictionary<string, string> pod, IReadOnlyDictionary<string, string> space)
    {
        var (spaceMatches, podMatches) = (spaceSelector?.Matches(space) == true, podSelector?.Matches(pod) == true);
        if (spaceMatches && podMatches)
        {
            var (bySpace, byPod) = (Decisive(spaceSelector!, space), Decisive(podSelector!, pod));
            var everywhere = bySpace?.Contains("kubernetes.io/metadata.name", StringComparison.Ordinal) == true ? " (Automatic injection is enabled in all namespaces)." : "";
            return (bySpace, byPod) switch
            {
                (not null, not null) => (true, $"Namespace label {bySpace} matches, and pod label {byPod} matches"),
                (not null, null) => (true, $"Namespace label {bySpace} matches{everywhere}"),
                (null, not null) => (true, $"Pod label {byPod} matches"),
                _ => (false, null),
            };
        }
        if (spaceMatches && podSelector is not null)
        {
            var against = podSelector.Requirements.FirstOrDefault(one => one.Operator is "DoesNotExist" or "NotIn" && pod.TryGetValue(one.Key, out var value) && (one.Operator == "DoesNotExist" || one.Values.Contains(value)));
            return against is null ? (false, null) : (false, $"Pod has {against.Key}={pod[against.Key]} label, preventing injection");
        }
        return podMatches && space.TryGetValue("istio-injection", out var wish) && wish != "enabled"
            ? (false, $"Namespace has istio-injection={wish} label, preventing injection") : (false, null);
    }

    /// <summary>The label that the selector looks at and that is there.</summary>
    private static string? Decisive(LabelSelector selector, IReadOnlyDictionary<string, string> labels) => selector.Requirements
        .Where(one => one.Operator is "In" or "NotIn" && labels.ContainsKey(one.Key)).Select(one => $"{one.Key}={labels[one.Key]}").FirstOrDefault();

    private static string NoMatch(List<(LabelSelector? Space, LabelSelector? Pod)> webhooks)
    {
        if (webhooks.Any(webhook => IsNever(webhook.Space) && IsNever(webhook.Pod))) return "The injection webhook is deactivated, and will never match labels.";

        return $"No matching namespace labels ({Asked(webhooks.Select(webhook => webhook.Space))}) or pod labels ({Asked(webhooks.Select(webhook => webhook.Pod))})";
    }

    private static bool IsNever(LabelSelector? selector) => selector?.Requirements.Any(one => one.Key == Never) == true;

    private static string Asked(IEnumerable<LabelSelector?> selectors) => string.Join(", ", selectors.OfType<LabelSelector>()
        .SelectMany(selector => selector.Requirements).Where(one => one.Operator == "In").SelectMany(one => one.Values.Select(value => $"{one.Key}={value}")));
}
