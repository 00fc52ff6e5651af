using System.Text.Json.Nodes;

namespace Mesh.Cli.ProxyConfig;

internal static class BootstrapSummary
{
    public static string Of(ConfigDump dump)
    {
        var node = dump.Bootstrap.Get("bootstrap", "node");
        var build = node.Get("user_agent_build_version");
        var (version, details) = (build.Get("version"), build.Get("metadata"));
        var text = $"Istio Version: {node.Text("metadata", "ISTIO_VERSION")}\n";
        if (node.Text("metadata", "ISTIO_PROXY_SHA") is { Length: > 0 } sha) text += $"Istio Proxy Version: {sha}\n";
        return text + $"Envoy Version: {version.Number("major_number")}.{version.Number("minor_number")}.{version.Number("patch")}"
            + $"/{details.Text("revision.status")}/{details.Text("build.type")}/{details.Text("ssl.version")}\n";
    }
}
