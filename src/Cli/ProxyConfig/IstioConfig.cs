using System.Text.Json.Nodes;

namespace Mesh.Cli.ProxyConfig;

/// <summary>The resource that a route or cluster came from, as the control plane notes it: filter_metadata.istio.config.</summary>
internal static class IstioConfig
{
    private const string Prefix = "/apis/networking.istio.io/";

    /// <returns>name.namespace; empty when the control plane made it by itself; <c>&lt;unknown&gt;</c> when it came from another API.</returns>
    public static string NameOf(JsonNode? node)
    {
        if (node.Get("metadata", "filter_metadata", "istio", "config") is not JsonValue note) return "";

        var path = note.ToString();
        if (!path.StartsWith(Prefix, StringComparison.Ordinal)) return "<unknown>";
        return path.Split('/') is [_, _, _, _, _, var space, _, var name] ? $"{name}.{space}" : "";
    }
}
