using Mesh.Cli.Frame;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Kube;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl kube-inject -f FILE</c>: the injection, without the webhook.</summary>
internal static class KubeInject
{
    public static Command Command { get; } = new("kube-inject", "Inject the proxy into Kubernetes pod resources")
    {
        Example = "kubectl apply -f <(meshctl kube-inject -f deployment.yaml)",
        Flags =
        [
            Flag.Text("filename", "input file; - reads the standard input", 'f'),
            Flag.Text("output", "file to write instead of the standard output", 'o'),
            Flag.Text("injectConfigFile", "the injector's configuration (key config of its ConfigMap)"),
            Flag.Text("meshConfigFile", "MeshConfig (key mesh of the ConfigMap istio)"),
            Flag.Text("valuesFile", "the injector's values (key values of its ConfigMap)"),
            Flag.Text("revision", "control plane revision", 'r'),
            Flag.Text("injectConfigMapName", "ConfigMap of the injector", fallback: "istio-sidecar-injector") with { Hidden = true },
            Flag.Text("meshConfigMapName", "ConfigMap of the mesh", fallback: "istio") with { Hidden = true },
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var file = invocation.Text("filename");
        if (file.Length == 0) return Outcome.Failed("1 error occurred:\n\t* filename not specified (see --filename or -f)\n\n");
        if (file != "-" && !File.Exists(file)) return Outcome.Failed(Missing(file));

        using var api = ClusterAccess.Open(invocation, out _);
        var (settings, problem) = await SettingsAsync(invocation, api, cancel);
        if (settings is null) return problem;

        var text = file == "-" ? await invocation.Terminal.In.ReadToEndAsync(cancel) : await File.ReadAllTextAsync(file, cancel);
        var output = WorkloadInjection.Inject(text, settings, await KubeletsAsync(api, cancel), warning => invocation.Error.Write($"\n{warning}\n"), out var error);
        if (output is null) return Outcome.Failed(error);

        if (invocation.Text("output") is { Length: > 0 } to) await File.WriteAllTextAsync(to, output, cancel);
        else await invocation.Out.WriteAsync(output.AsMemory(), cancel);
        return Outcome.Fine;
    }

    private static async Task<(InjectorSettings? Settings, Outcome Problem)> SettingsAsync(Invocation invocation, KubeApi? api, CancellationToken cancel)
    {
        var revision = invocation.Text("revision");
        var (meshFile, configFile, valuesFile) = (invocation.Text("meshConfigFile"), invocation.Text("injectConfigFile"), invocation.Text("valuesFile"));
        if (meshFile.Length > 0 && !File.Exists(meshFile)) return (null, Outcome.Failed($"cannot read mesh config file {Missing(meshFile)}"));
        foreach (var path in (string[])[configFile, valuesFile])
            if (path.Length > 0 && !File.Exists(path)) return (null, Outcome.Failed(Missing(path)));

        var (config, values, mesh) = ("", "", "");
        if (configFile.Length == 0 || valuesFile.Length == 0 || meshFile.Length == 0)
            (config, values, mesh) = await FromClusterAsync(invocation, api, revision, cancel)
                ?? BundledInjector.Texts(InstallSpec.Read([], [], revision, force: false, out _)!);
        try
        {
            if (configFile.Length > 0) config = await File.ReadAllTextAsync(configFile, cancel);
            if (valuesFile.Length > 0) values = await File.ReadAllTextAsync(valuesFile, cancel);
            if (meshFile.Length > 0) mesh = await File.ReadAllTextAsync(meshFile, cancel);
            var settings = InjectorSettings.FromConfigMaps(config, values, mesh, revision.Length == 0 ? "default" : revision, YamlJson.Read);
            return (settings with { NativeSidecars = InjectorSettings.ParseNativeSidecars(Environment.GetEnvironmentVariable("ENABLE_NATIVE_SIDECARS")) }, Outcome.Fine);
        }
        catch (FormatException e)
        {
            return (null, Outcome.Failed($"the injector's settings cannot be read: {e.Message}"));
        }
    }

    /// <returns>Null when no cluster can be asked, or it has no injector: then the program's own settings are used.</returns>
    private static async Task<(string, string, string)?> FromClusterAsync(Invocation invocation, KubeApi? api, string revision, CancellationToken cancel)
    {
        if (api is null) return null;

        var suffix = revision is "" or "default" ? "" : "-" + revision;
        var space = invocation.Text("istioNamespace");
        var injector = await api.GetAsync(KubeKinds.ConfigMap, space, invocation.Text("injectConfigMapName") + suffix, cancel);
        var mesh = await api.GetAsync(KubeKinds.ConfigMap, space, invocation.Text("meshConfigMapName") + suffix, cancel);
        return injector.Body.At("data", "config").Text() is { } config && injector.Body.At("data", "values").Text() is { } values && mesh.Body.At("data", "mesh").Text() is { } text
            ? (config, values, text) : null;
    }

    /// <summary>As the webhook does it: a native sidecar where every node can run one.</summary>
    /// <returns>Null when there is no cluster, or it does not let us look.</returns>
    private static async Task<IReadOnlyCollection<string>?> KubeletsAsync(KubeApi? api, CancellationToken cancel)
    {
        if (api is null) return null;

        var nodes = await api.ListAsync(KubeKinds.Node, null, "limit=5000", cancel);
        return nodes.IsFine && nodes.Body is not null
            ? [.. nodes.Body["items"].Objects().Select(node => node.At("status", "nodeInfo", "kubeletVersion").Text() ?? "")] : null;
    }

    private static string Missing(string path) => $"open {path}: no such file or directory";
}
