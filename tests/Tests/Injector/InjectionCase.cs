using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Model.Yaml;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Injector;

/// <summary>One file of Cases: a pod, its surroundings, and what becomes of it in the classic and in the native way.</summary>
internal sealed class InjectionCase(string name)
{
    private const string Gone = "(gone)";

    private readonly JsonObject content = (JsonObject)YamlJson.Read(Source.Text($"tests/Tests/Injector/Cases/{name}.yaml"))!;

    public static IEnumerable<string> Names => Source.Files("tests/Tests/Injector/Cases", "*.yaml").Select(file => Path.GetFileNameWithoutExtension(file)!);

    public JsonObject Pod => (JsonObject)content["pod"]!;
    public string Called => content["called"].Text()!;
    public IReadOnlyDictionary<string, string> NamespaceLabels => content["namespace"].Strings();
    public string PodNamespace => Pod.At("metadata", "namespace").Text() ?? "default";
    public string UrlPath => content.At("settings", "path").Text() ?? "/inject";

    public JsonNode? Expected(string way) => content[way];

    /// <summary>What the pod must look like, line by line.</summary>
    public SortedDictionary<string, string> ExpectedLines(string way)
    {
        var expected = (JsonObject)content[way]!;
        if (expected["is"] is JsonObject all) return Lines(all, []);

        var lines = new InjectionCase("plain").ExpectedLines(expected["like"].Text()!);
        return Lines((JsonObject)expected["but"]!, lines);
    }

    /// <summary>The settings as an installation would write them into the cluster, read back as the control plane reads them.</summary>
    public InjectorSettings Settings(string way)
    {
        var settings = content["settings"] as JsonObject ?? [];
        var spec = new JsonObject { ["hub"] = "registry.example/mesh", ["tag"] = "1.32.0" };
        foreach (var key in (string[])["profile", "revision", "values", "meshConfig", "components"])
            if (settings[key] is { } value) spec[key] = value.DeepClone();

        var install = InstallSpec.Read([("case", new JsonObject { ["spec"] = spec }.ToJsonString())], [], null, force: true, out var error);
        Assert.Equal("", error);
        var objects = Manifest.InOrder(Manifest.Render(install!));
        var suffix = install!.IsDefaultRevision ? "" : "-" + install.Revision;
        var injector = objects.Single(o => o["kind"].Text() == "ConfigMap" && o.At("metadata", "name").Text() == "istio-sidecar-injector" + suffix).At("data");
        var mesh = objects.Single(o => o["kind"].Text() == "ConfigMap" && o.At("metadata", "name").Text() == "istio" + suffix).At("data", "mesh").Text()!;

        var native = settings.At("env", "ENABLE_NATIVE_SIDECARS").Text() ?? (way == "native" ? "true" : "false");
        return InjectorSettings.FromConfigMaps(injector.At("config").Text()!, injector.At("values").Text()!, mesh, install.Revision, YamlJson.Read) with
        {
            NativeSidecars = InjectorSettings.ParseNativeSidecars(native),
            ProxyConfigs = [.. settings["resources"].Objects().Select(resource => new ProxyConfigResource(
                resource.At("metadata", "namespace").Text()!, resource.At("spec", "selector", "matchLabels").Strings(), (JsonObject)resource["spec"]!))],
        };
    }

    public bool Native(InjectorSettings settings) => NativeSidecars.Supported(settings.NativeSidecars, content.At("settings", "nodes").Texts());

    public ImmutableArray<WebhookSelector> Webhooks
    {
        get
        {
            var revision = content.At("settings", "revision").Text() ?? "default";
            var byDefault = content.At("settings", "values", "sidecarInjectorWebhook", "enableNamespacesByDefault").IsTrue();
            return WebhookSelectors.For([revision], revision == "default", byDefault);
        }
    }

    private static SortedDictionary<string, string> Lines(JsonObject changes, SortedDictionary<string, string> onto)
    {
        foreach (var (path, value) in changes)
        {
            if (value.Text() == Gone) onto.Remove(path);
            else onto[path] = PodShapes.Text(value);
        }
        return onto;
    }
}
