using System.Text.Json.Nodes;
using Mesh.Cli.Commands;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Model.Schema;
using Mesh.Model.Yaml;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Cli;

/// <summary>What would be installed: the same objects as Istio's own profiles, and a clear word where the wish cannot be met.</summary>
public sealed class ManifestTests
{
    [Theory]
    [InlineData("default")]
    [InlineData("demo")]
    [InlineData("minimal")]
    [InlineData("empty")]
    public void A_profile_is_these_objects_in_this_order(string profile)
    {
        var objects = Objects($"profile={profile}").Select(o => $"{o["kind"].Text()}\t{o.At("metadata", "namespace").Text() ?? "-"}\t{o.At("metadata", "name").Text()}");

        Assert.Equal(File.ReadAllLines(Path.Combine(Source.Root, "tests/Tests/Cli/Manifests", $"{profile}.txt")), objects);
    }

    [Theory]
    [InlineData("--set profile=nosuch", "merge inputs: profile \"nosuch\" not found; have default, demo, empty, minimal, preview, stable")]
    [InlineData("--set nosuch=1", "could not unmarshal: json: unknown field \"nosuch\"")]
    [InlineData("--set nonsense", "could not unmarshal: json: unknown field \"nonsense\"")]
    [InlineData("--set values.nosuch=1", "could not unmarshal: error unmarshaling JSON: while decoding JSON: unknown field \"nosuch\" in istio.operator.v1alpha1.Values")]
    [InlineData("--set values.pilot.autoscaleEnabledd=1", "could not unmarshal: error unmarshaling JSON: while decoding JSON: unknown field \"autoscaleEnabledd\" in istio.operator.v1alpha1.PilotConfig")]
    [InlineData("--set components.pilot.k8s.replicas=2", "could not unmarshal: json: unknown field \"replicas\"")]
    [InlineData("--set components.pilot.enabled=maybe", "could not unmarshal: json: cannot unmarshal string into Go struct field ComponentSpec.spec.components.pilot.enabled of type bool")]
    [InlineData("--set profile=ambient", "profile \"ambient\" cannot be installed: ambient mode needs ztunnel and the CNI node agent, which this mesh does not have: use \"default\" (sidecars)")]
    [InlineData("-f nosuch.yaml", "merge inputs: open nosuch.yaml: no such file or directory")]
    public async Task What_cannot_be_installed_is_refused_by_name(string options, string message)
    {
        var (exit, output, error) = await Run(["manifest", "generate", .. options.Split(' ')]);

        Assert.Equal((1, "", $"Error: {message}\n"), (exit, output, error));
    }

    [Fact]
    public async Task Force_takes_a_value_that_nobody_knows() => Assert.Equal(0, (await Run(["manifest", "generate", "--force", "--set", "values.nosuch=1"])).Exit);

    [Fact]
    public void The_last_word_wins_between_profile_file_and_flag()
    {
        const string file = "{apiVersion: install.istio.io/v1alpha1, kind: IstioOperator, spec: {profile: demo, hub: file.example, values: {global: {proxy: {logLevel: debug, image: px}}}}}";
        var spec = InstallSpec.Read([("a.yaml", file)], ["hub=flag.example", "values.global.proxy.image=other"], null, false, out _)!;
        var istiod = Manifest.InOrder(Manifest.Render(spec)).Single(o => o["kind"].Text() == "Deployment" && o.At("metadata", "name").Text() == "istiod");
        var values = YamlJson.Read(Objects(spec, "ConfigMap", "istio-sidecar-injector").Single().At("data", "values").Text()!);

        Assert.StartsWith("flag.example/", istiod.At("spec", "template", "spec", "containers").Objects().Single()["image"].Text());
        Assert.Equal(("other", "debug"), (values.At("global", "proxy", "image").Text(), values.At("global", "proxy", "logLevel").Text()));
    }

    [Fact]
    public void What_a_component_says_of_Kubernetes_is_laid_over_its_objects()
    {
        const string file = """
            spec:
              values: {pilot: {autoscaleMin: 2}}
              components:
                pilot:
                  k8s:
                    replicaCount: 9
                    env: [{name: PILOT_TRACE_SAMPLING, value: '5'}, {name: MORE, value: x}]
                    resources: {requests: {cpu: 7m}}
                    nodeSelector: {disk: ssd}
                    hpaSpec: {maxReplicas: 4}
                    podDisruptionBudget: {maxUnavailable: 1}
                    overlays:
                    - {kind: Deployment, name: istiod, patches: [{path: 'spec.template.spec.containers.[name:discovery].args.[-1]', value: --verbose}, {path: 'metadata.labels.a\.b', value: c}, {path: 'spec.template.spec.volumes.[name:cacerts]'}]}
                ingressGateways:
                - {name: istio-ingressgateway, enabled: true, k8s: {service: {type: NodePort}, podAnnotations: {note: here}, hpaSpec: {minReplicas: 3}}}
            """;
        var objects = Manifest.InOrder(Manifest.Render(InstallSpec.Read([("a.yaml", file)], [], null, false, out var error)!));
        Assert.Equal("", error);
        JsonObject Named(string kind, string name) => objects.Single(o => o["kind"].Text() == kind && o.At("metadata", "name").Text() == name);

        var istiod = Named("Deployment", "istiod");
        var container = istiod.At("spec", "template", "spec", "containers").Objects().Single();
        Assert.Null(istiod.At("spec", "replicas")); // the scaler decides
        Assert.Equal(("5", "x"), (container["env"].Named("PILOT_TRACE_SAMPLING")!["value"].Text(), container["env"].Named("MORE")!["value"].Text()));
        Assert.Equal(("7m", "--verbose", "ssd", "c"), (container.At("resources", "requests", "cpu").Text(), container["args"].Texts().Last(), istiod.At("spec", "template", "spec", "nodeSelector", "disk").Text(), istiod.At("metadata", "labels", "a.b").Text()));
        Assert.Null(istiod.At("spec", "template", "spec", "volumes").Named("cacerts"));
        Assert.Equal((2, 4), (Named("HorizontalPodAutoscaler", "istiod").At("spec", "minReplicas").Integer(), Named("HorizontalPodAutoscaler", "istiod").At("spec", "maxReplicas").Integer()));
        Assert.Equal((null, 1), (Named("PodDisruptionBudget", "istiod").At("spec", "minAvailable").Integer(), Named("PodDisruptionBudget", "istiod").At("spec", "maxUnavailable").Integer()));
        Assert.Equal(("NodePort", "here", 3), (Named("Service", "istio-ingressgateway").At("spec", "type").Text(), Named("Deployment", "istio-ingressgateway").At("spec", "template", "metadata", "annotations", "note").Text(), Named("HorizontalPodAutoscaler", "istio-ingressgateway").At("spec", "minReplicas").Integer()));
    }

    [Fact]
    public void A_revision_has_its_own_names_beside_what_all_revisions_share()
    {
        var spec = InstallSpec.Read([], [], "canary", false, out _)!;
        var names = Manifest.InOrder(Manifest.Render(spec)).Select(o => $"{o["kind"].Text()} {o.At("metadata", "name").Text()}").ToList();

        Assert.Contains("Deployment istiod-canary", names);
        Assert.Contains("ConfigMap istio-canary", names);
        Assert.Contains("MutatingWebhookConfiguration istio-sidecar-injector-canary", names);
        Assert.Contains("ServiceAccount istio-reader-service-account", names);
        Assert.DoesNotContain("Deployment istiod", names);
    }

    [Theory]
    [InlineData("", true, false)]
    [InlineData("canary", false, false)]
    [InlineData("", true, true)]
    public void The_chart_asks_for_the_pods_that_the_rules_inject(string revision, bool isDefault, bool everywhere)
    {
        var spec = InstallSpec.Read([], [$"values.sidecarInjectorWebhook.enableNamespacesByDefault={(everywhere ? "true" : "false")}"], revision, false, out _)!;
        var webhooks = Objects(spec, "MutatingWebhookConfiguration", null).Single()["webhooks"].Objects();

        Assert.Equal(
            WebhookSelectors.For([revision.Length == 0 ? "default" : revision], isDefault, everywhere).Select(s => $"{s.Name}: {Shown(s.Namespaces)} / {Shown(s.Pods)}").Order(),
            webhooks.Select(w => $"{w["name"].Text()}: {Shown(w["namespaceSelector"])} / {Shown(w["objectSelector"])}").Order());
    }

    [Fact]
    public void The_control_plane_understands_the_arguments_its_chart_gives()
    {
        var istiod = Objects(InstallSpec.Read([], [], null, false, out _)!, "Deployment", "istiod").Single();
        var arguments = istiod.At("spec", "template", "spec", "containers").Objects().Single()["args"].Texts().Select(a => a.Replace("$(", "x", StringComparison.Ordinal)).ToList();

        Assert.Equal("discovery", arguments[0]);
        Mesh.ControlPlane.Options.Parse(arguments[1..], out var error);
        Assert.Null(error);
    }

    [Fact]
    public void The_charts_definitions_are_those_the_program_installs()
    {
        var path = Path.Combine(Source.Root, "charts/base/crds/crd-all.gen.yaml");
        var wanted = CrdManifest.All();
        if (File.Exists(path) && File.ReadAllText(path) == wanted) return;

        var fresh = Path.Combine(Path.GetTempPath(), "crd-all.gen.yaml");
        File.WriteAllText(fresh, wanted);
        Assert.Fail($"the kinds have changed: cp {fresh} {path}");
    }

    private static IEnumerable<JsonObject> Objects(params string[] sets) => Manifest.InOrder(Manifest.Render(InstallSpec.Read([], sets, null, false, out _)!));
    private static IEnumerable<JsonObject> Objects(InstallSpec spec, string kind, string? name) =>
        Manifest.InOrder(Manifest.Render(spec)).Where(o => o["kind"].Text() == kind && (name is null || o.At("metadata", "name").Text() == name));

    private static string Shown(LabelSelector selector) => string.Join(" ", selector.Requirements.Select(r => $"{r.Key} {r.Operator} [{string.Join(",", r.Values)}]").Order());
    private static string Shown(JsonNode? selector) =>
        string.Join(" ", selector.At("matchExpressions").Objects().Select(e => $"{e["key"].Text()} {e["operator"].Text()} [{string.Join(",", e["values"].Texts())}]").Order());

    internal static Task<(int Exit, string Out, string Error)> Run(string[] arguments, string input = "") => InProcessCli.RunAsync(arguments, input);
}
