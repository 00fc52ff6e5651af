using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>What Istio expects of Services and Deployments that carry mesh traffic.</summary>
public static class Services
{
    private const string Requirements = "https://istio.io/v1.32/docs/ops/deployment/requirements/";
    private const string ProtocolSelection = "https://istio.io/v1.32/docs/ops/configuration/traffic-management/protocol-selection/";

    public static IEnumerable<Finding> PortProblems(Resource service)
    {
        if ((service.Spec as MapNode)?["ports"] is not ListNode ports) yield break;

        var shown = $"{service.Name}/{service.Namespace}/:";
        foreach (var port in ports.Items.OfType<MapNode>())
        {
            if (string.Equals(Text(port, "protocol"), "UDP", StringComparison.OrdinalIgnoreCase)) continue;

            if (Text(port, "appProtocol") is { } declared)
            {
                if (Protocols.Parse(declared) == Protocol.Unsupported)
                    yield return At($"service \"{shown}\" doesn't follow Istio protocol selection. This is not recommended, See {ProtocolSelection}", port);
            }
            else if (Text(port, "name") is not { } name)
            {
                yield return At($"service \"{shown}\" has an unnamed port. This is not recommended, See {Requirements}", port);
            }
            else if (Protocols.Parse(name.Split('-')[0]) == Protocol.Unsupported)
            {
                yield return At($"service \"{shown}\" port \"{name}\" does not follow the Istio naming convention. See {Requirements}", port);
            }
        }
    }

    /// <summary>Metrics need to know the application and its version; null when the pods say both.</summary>
    public static string? LabelAdvice(Resource deployment)
    {
        var labels = (((deployment.Spec as MapNode)?["template"] as MapNode)?["metadata"] as MapNode)?["labels"] as MapNode;
        var hasName = Has("service.istio.io/canonical-name") || Has("app.kubernetes.io/name") || Has("app");
        var hasRevision = Has("service.istio.io/canonical-revision") || Has("app.kubernetes.io/version") || Has("version");
        if (hasName && hasRevision) return null;

        var shown = string.Join(' ', (labels?.Fields ?? []).OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => $"\"{f.Key}\":\"{(f.Value as ScalarNode)?.Text}\""));
        return $"deployment \"{deployment.Name}/{deployment.Namespace}:\" may not provide Istio metrics and telemetry labels: map[{shown}]. See {Requirements}";

        bool Has(string label) => labels?[label] is not null;
    }

    private static string? Text(MapNode map, string name) => map[name] is ScalarNode { IsNull: false } scalar ? scalar.Text : null;
    private static Finding At(string message, Node node) => new(message, node.Origin, node.Path);
}
