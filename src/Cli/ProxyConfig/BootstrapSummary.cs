using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

/// <summary>The versions that a proxy tells of itself; what it does not tell is left out.</summary>
internal static class BootstrapSummary
{
    public static Table Of(ConfigDump dump)
    {
        var node = dump.Bootstrap.Get("bootstrap", "node");
        var table = new Table();
        if (node.Text("metadata", "ISTIO_VERSION") is { Length: > 0 } istio) table.Add("Istio Version:", istio);
        if (node.Text("metadata", "ISTIO_PROXY_SHA") is { Length: > 0 } sha) table.Add("Istio Proxy Version:", sha.Split(':') is [_, var hash, ..] ? hash : sha);
        return table.Add("Envoy Version:", UserAgent(node.Get("user_agent_build_version")));
    }

    private static string UserAgent(JsonNode? build)
    {
        var (version, details) = (build.Get("version"), build.Get("metadata"));
        var text = $"{version.Number("major_number")}.{version.Number("minor_number")}.{version.Number("patch")}";
        if (details.Get("build.label") is { } label) text += $"-{label}";
        return text + string.Concat(((string[])["revision.status", "build.type", "ssl.version"]).Where(part => details.Get(part) is not null).Select(part => $"/{details.Text(part)}"));
    }
}
