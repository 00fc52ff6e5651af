using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Proxy;

/// <summary>What the control plane is told about this pod, under the names Istio's agent uses.</summary>
internal static class NodeMetadata
{
    private const string Prefix = "ISTIO_META_", JsonPrefix = "ISTIO_METAJSON_";

    public static JsonObject Build(
        Bootstrap.Environment env, JsonObject proxyConfig, IReadOnlyList<KeyValuePair<string, string>> labels,
        IReadOnlyList<KeyValuePair<string, string>> annotations, string podName, string podNamespace, string instanceIp)
    {
        var metadata = new JsonObject();
        foreach (var (name, value) in env.All.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (name.StartsWith(Prefix, StringComparison.Ordinal)) metadata[name[Prefix.Length..]] = value;
            else if (name.StartsWith(JsonPrefix, StringComparison.Ordinal)) MergeJson(metadata, name, value);
        }

        metadata["NAME"] = podName;
        metadata["NAMESPACE"] = podNamespace;
        metadata["INSTANCE_IPS"] = env.Text("INSTANCE_IPS") ?? instanceIp;
        metadata["SERVICE_ACCOUNT"] = env.Text("SERVICE_ACCOUNT") ?? "default";
        metadata.TryAdd("CLUSTER_ID", "Kubernetes");
        metadata.TryAdd("MESH_ID", env.Text("TRUST_DOMAIN") ?? "cluster.local");
        metadata.TryAdd("ISTIO_VERSION", Bootstrap.Version);
        metadata.TryAdd("WORKLOAD_NAME", podName);
        metadata.TryAdd("ENVOY_STATUS_PORT", env.Port("ENVOY_STATUS_PORT") ?? 15021);
        metadata.TryAdd("ENVOY_PROMETHEUS_PORT", env.Port("ENVOY_PROMETHEUS_PORT") ?? 15090);
        metadata["PROXY_CONFIG"] = proxyConfig.DeepClone();
        // The mesh's own proxy says so: its control plane may then use what stock Envoys do not speak.
        metadata["MESH_PROXY"] = "true";
        metadata["VHDS"] = "true"; // takes virtual hosts one by one, which no stock Envoy under Istio does
        Pairs(metadata, "LABELS", labels);
        Pairs(metadata, "ANNOTATIONS", annotations.Where(pair => pair.Key.Contains("istio.io/", StringComparison.Ordinal)));
        if (metadata["LABELS"] is JsonObject known)
        {
            var app = known["app.kubernetes.io/name"] ?? known["app"];
            known.TryAdd("service.istio.io/canonical-name", (known["service.istio.io/canonical-name"] ?? app)?.ToString() ?? metadata["WORKLOAD_NAME"]!.ToString());
            known.TryAdd("service.istio.io/canonical-revision", (known["app.kubernetes.io/version"] ?? known["version"])?.ToString() ?? "latest");
        }
        return metadata;
    }

    private static void MergeJson(JsonObject metadata, string name, string value)
    {
        JsonObject? more;
        try
        {
            more = JsonNode.Parse(value) as JsonObject;
        }
        catch (JsonException e)
        {
            throw new BootstrapException($"{name}: not JSON ({e.Message})", e);
        }
        if (more is null) throw new BootstrapException($"{name}: expected a JSON object");

        // An object of labels or annotations is merged under its own name, as in Istio.
        if (name is JsonPrefix + "LABELS" or JsonPrefix + "ANNOTATIONS") metadata[name[JsonPrefix.Length..]] = more.DeepClone();
        else foreach (var (key, field) in more) metadata[key] = field?.DeepClone();
    }

    private static void Pairs(JsonObject metadata, string name, IEnumerable<KeyValuePair<string, string>> pairs)
    {
        var target = metadata[name] as JsonObject ?? [];
        foreach (var (key, value) in pairs) target[key] = value;
        metadata[name] = target.Parent is null ? target : metadata[name]!;
    }
}

/// <summary>The downward API's label and annotation files: one <c>key="quoted value"</c> a line.</summary>
internal static class PodFiles
{
    public static IReadOnlyList<KeyValuePair<string, string>> ReadPairs(string? text)
    {
        var pairs = new List<KeyValuePair<string, string>>();
        foreach (var line in (text ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0) continue;

            pairs.Add(new(line[..equals], Unquote(line[(equals + 1)..].Trim())));
        }
        return pairs;
    }

    public static string? Value(IReadOnlyList<KeyValuePair<string, string>> pairs, string key)
    {
        foreach (var pair in pairs) if (pair.Key == key) return pair.Value;
        return null;
    }

    private static string Unquote(string text)
    {
        if (text.Length < 2 || text[0] != '"' || text[^1] != '"') return text;

        try
        {
            return JsonNode.Parse(text)!.GetValue<string>();
        }
        catch (JsonException)
        {
            return text[1..^1];
        }
    }
}
