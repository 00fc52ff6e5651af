using System.Text.Json.Nodes;

namespace Mesh.Cli.ProxyConfig;

/// <summary>The resource that a route or cluster came from, as the control plane notes it: filter_metadata.istio.config.</summary>
internal static class IstioConfig
{
    /// <returns>name.namespace; empty when the control plane made it by itself.</returns>
    public static string NameOf(JsonNode? node)
    {
        var path = node.Text("metadata", "filter_metadata", "istio", "config").Split('/');
        var at = Array.IndexOf(path, "namespaces");
        return at >= 0 && at + 3 < path.Length ? $"{path[at + 3]}.{path[at + 1]}" : "";
    }
}
