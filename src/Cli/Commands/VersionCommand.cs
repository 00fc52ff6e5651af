using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl version</c>: of this program, of the control planes, of the proxies.</summary>
internal static class VersionCommand
{
    /// <summary>The build's own version, as it stands in Directory.Build.props.</summary>
    public static string Client { get; } = typeof(VersionCommand).Assembly.GetName().Version?.ToString(3) ?? "unknown";

    public static Command Command { get; } = new("version", "Prints out build version information")
    {
        Flags =
        [
            Flag.Switch("remote", "ask the cluster too", on: true),
            Flag.Switch("short", "only the version numbers", 's', on: true),
            Flag.Text("output", "json or yaml", 'o') with { Check = text => text is "" or "json" or "yaml" ? null : "--output must be 'yaml' or 'json'" },
            Flag.Text("revision", "control plane revision", 'r'),
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var about = new JsonObject { ["version"] = Client, ["revision"] = "unknown", ["golang_version"] = $"dotnet {Environment.Version}", ["status"] = "Clean", ["tag"] = Client };
        var (planes, proxies, problem) = invocation.Is("remote") ? await RemoteAsync(invocation, cancel) : ([], [], "");
        var whole = new JsonObject { ["clientVersion"] = about };
        if (planes.Count > 0) whole["meshVersion"] = new JsonArray([.. planes.Select(plane => new JsonObject { ["Component"] = plane.Name, ["Info"] = new JsonObject { ["version"] = plane.Version } })]);
        if (proxies.Count > 0) whole["dataPlaneVersion"] = new JsonArray([.. proxies.Select(proxy => new JsonObject { ["ID"] = proxy.Name, ["IstioVersion"] = proxy.Version })]);

        switch (invocation.Text("output"))
        {
            case "json":
                await invocation.Out.WriteLineAsync(Indented(whole));
                break;
            case "yaml":
                await invocation.Out.WriteLineAsync(YamlText.Write(whole));
                break;
            default:
                if (problem.Length > 0) await invocation.Out.WriteLineAsync(problem);
                await invocation.Out.WriteLineAsync(invocation.Is("short") ? $"client version: {Client}"
                    : $"client version: version.BuildInfo{{Version:\"{Client}\", GitRevision:\"unknown\", GolangVersion:\"dotnet {Environment.Version}\", BuildStatus:\"Clean\", GitTag:\"{Client}\"}}");
                if (planes.Count > 0) await invocation.Out.WriteLineAsync($"control plane version: {string.Join(", ", planes.Select(plane => plane.Version).Distinct())}");
                if (planes.Count > 0) await invocation.Out.WriteLineAsync(proxies.Count == 0 ? "data plane version: none"
                    : "data plane version: " + string.Join(", ", proxies.GroupBy(proxy => proxy.Version).Select(group => $"{group.Key} ({group.Count()} {(group.Count() == 1 ? "proxy" : "proxies")})")));
                break;
        }
        return Outcome.Fine;
    }

    private static async Task<(List<(string Name, string Version)> Planes, List<(string Name, string Version)> Proxies, string Problem)> RemoteAsync(Invocation invocation, CancellationToken cancel)
    {
        using var api = ClusterAccess.Open(invocation, out var none);
        if (api is null) return ([], [], none.Error!.Split('\n')[0]);

        var space = invocation.Text("istioNamespace");
        var selector = "app=istiod" + (invocation.Text("revision") is { Length: > 0 } revision ? $",istio.io/rev={revision}" : "");
        var pods = await api.ListAsync(KubeKinds.Pod, space, "labelSelector=" + Uri.EscapeDataString(selector), cancel);
        if (!pods.IsFine) return ([], [], $"the cluster cannot be asked: {pods}");
        var planes = pods.Body.At("items").Objects().Select(pod => (pod.At("metadata", "name").Text()!, TagOf(pod, "discovery"))).ToList();
        if (planes.Count == 0) return ([], [], $"Istio is not present in the cluster: no running Istio pods in namespace \"{space}\"");

        var all = await api.ListAsync(KubeKinds.Pod, null, "", cancel);
        var proxies = all.Body.At("items").Objects()
            .Where(pod => pod.At("metadata", "annotations", InjectionStatus.Annotation) is not null)
            .Select(pod => ($"{pod.At("metadata", "name").Text()}.{pod.At("metadata", "namespace").Text()}", TagOf(pod, "istio-proxy"))).ToList();
        return (planes, proxies, "");
    }

    private static string TagOf(JsonObject pod, string container)
    {
        var image = pod.At("spec", "containers").Objects().Concat(pod.At("spec", "initContainers").Objects())
            .FirstOrDefault(one => one["name"].Text() == container)?["image"].Text() ?? "";
        var colon = image.LastIndexOf(':');
        return colon > image.LastIndexOf('/') ? image[(colon + 1)..] : "unknown";
    }

    private static string Indented(JsonNode node)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true })) node.WriteTo(writer);
        return System.Text.Encoding.UTF8.GetString(buffer.ToArray());
    }
}
