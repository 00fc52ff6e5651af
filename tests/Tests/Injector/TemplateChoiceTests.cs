using System.Text.Json.Nodes;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Injector;

/// <summary>Which user the proxy is on OpenShift, and the template without a proxy.</summary>
public sealed class TemplateChoiceTests
{
    private static readonly Dictionary<string, string> Ranges = new() { ["openshift.io/sa.scc.uid-range"] = "1000620000/10000", ["openshift.io/sa.scc.supplemental-groups"] = "1000630000-1000630999,5/2" };

    [Theory]
    [InlineData("openshift", 1000629999, 1000630999)]
    [InlineData("", 1337, 1337)]
    public void On_OpenShift_the_proxy_is_the_last_user_of_its_namespace(string platform, long user, long group)
    {
        var pod = Inject("{metadata: {name: p}, spec: {containers: [{name: a, image: a}]}}", Settings(platform), Ranges);

        var proxy = Container(pod, "istio-proxy").At("securityContext");
        Assert.Equal((user, group), (proxy.At("runAsUser").Integer(), proxy.At("runAsGroup").Integer()));
        var args = Container(pod, "istio-init")["args"].Texts().ToList();
        Assert.Equal($"{user}", args[args.IndexOf("-u") + 1]);
    }

    [Theory]
    [InlineData("1000620000")]
    [InlineData("a/b")]
    [InlineData("")]
    public void A_range_that_cannot_be_read_counts_as_none(string range)
    {
        var pod = Inject("{metadata: {name: p}, spec: {containers: [{name: a, image: a}]}}", Settings("openshift"), new() { ["openshift.io/sa.scc.uid-range"] = range });

        Assert.Equal(1337, Container(pod, "istio-proxy").At("securityContext", "runAsUser").Integer());
    }

    [Theory]
    [InlineData(1000620000, 1000629999)]
    [InlineData(4711, 4711)]
    public void The_user_that_OpenShift_gave_every_container_is_not_the_proxys(long ofProxy, long user)
    {
        var pod = Inject($"{{metadata: {{name: p}}, spec: {{containers: [{{name: a, image: a, securityContext: {{runAsUser: 1000620000}}}}, {{name: istio-proxy, image: auto, securityContext: {{runAsUser: {ofProxy}}}}}]}}}}", Settings("openshift"), Ranges);

        Assert.Equal(user, Container(pod, "istio-proxy").At("securityContext", "runAsUser").Integer());
    }

    [Fact]
    public void With_the_template_grpc_simple_every_container_is_told_where_the_control_plane_is_and_there_is_no_proxy()
    {
        var pod = Inject("{metadata: {name: p, annotations: {inject.istio.io/templates: grpc-simple}}, spec: {containers: [{name: traffic, image: t, readinessProbe: {httpGet: {port: 80}}}]}}", Settings(""), null);

        Assert.Equal(["traffic"], pod.At("spec", "containers").Objects().Select(c => c["name"].Text()));
        Assert.Equal(["grpc-bootstrap-init"], pod.At("spec", "initContainers").Objects().Select(c => c["name"].Text()));
        var traffic = Container(pod, "traffic");
        Assert.Equal("/var/lib/grpc/data/bootstrap.json", traffic["env"].Named("GRPC_XDS_BOOTSTRAP")!["value"].Text());
        Assert.Equal(80, traffic.At("readinessProbe", "httpGet", "port").Integer());
        Assert.Equal("false", pod.At("metadata", "annotations", "sidecar.istio.io/rewriteAppHTTPProbers").Text());
        var status = JsonNode.Parse(pod.At("metadata", "annotations", "sidecar.istio.io/status").Text()!);
        Assert.Equal("""["traffic"]""", status.At("containers")!.ToJsonString());
    }

    [Fact]
    public void The_template_with_an_agent_is_refused_with_what_to_do()
    {
        var pod = (JsonObject)YamlJson.Read("{metadata: {name: p, annotations: {inject.istio.io/templates: grpc-agent}}, spec: {containers: [{name: a, image: a}]}}")!;

        Assert.Contains("use \"grpc-simple\"", PodInjector.Inject(new(pod, "shop"), Settings("")).Reason, StringComparison.Ordinal);
    }

    private static InjectorSettings Settings(string platform)
    {
        var (config, values, mesh) = BundledInjector.Texts(InstallSpec.Read([], platform.Length > 0 ? [$"values.global.platform={platform}"] : [], null, false, out _)!);
        return InjectorSettings.FromConfigMaps(config, values, mesh, "default", YamlJson.Read);
    }

    private static JsonObject Inject(string pod, InjectorSettings settings, Dictionary<string, string>? ofNamespace) =>
        PodInjector.Inject(new((JsonObject)YamlJson.Read(pod)!, "shop", NamespaceAnnotations: ofNamespace), settings).Pod!;

    private static JsonObject Container(JsonObject pod, string name) => pod.At("spec", "containers").Named(name) ?? pod.At("spec", "initContainers").Named(name)!;
}
