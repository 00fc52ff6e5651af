using System.Text.Json.Nodes;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Cli;

/// <summary>Values with Istio's names have Istio's effects, whether they come by a profile, a file, a flag or Helm.</summary>
public sealed class ChartTests
{
    [Theory]
    [InlineData("base")]
    [InlineData("istiod")]
    [InlineData("gateway")]
    [InlineData("gateways")]
    public void Every_chart_is_read_and_rendered_with_its_own_values(string chart) =>
        Assert.NotEmpty(Chart.Render(chart, Chart.DefaultValues(chart), "istio-system"));

    [Fact]
    public void A_null_takes_a_default_away()
    {
        const string file = "{spec: {values: {global: {proxy: {resources: {limits: {cpu: null}, requests: {memory: null}}}}}}}";
        var resources = YamlJson.Read(Named(Install(file), "ConfigMap", "istio-sidecar-injector")!.At("data", "values").Text()!).At("global", "proxy", "resources")!;

        Assert.Equal("""{"limits":{"memory":"1024Mi"},"requests":{"cpu":"100m"}}""", resources.ToJsonString());
    }

    [Fact]
    public void A_gateway_can_be_switched_on_by_its_value() =>
        Assert.NotNull(Named(Install("{spec: {profile: minimal, values: {gateways: {istio-egressgateway: {enabled: true}}}}}"), "Deployment", "istio-egressgateway"));

    [Fact]
    public void A_component_that_is_named_is_wanted() =>
        Assert.NotNull(Named(Install("{spec: {profile: minimal, components: {ingressGateways: [{name: front}]}}}"), "Deployment", "front"));

    [Fact]
    public void A_component_goes_into_the_namespace_it_names()
    {
        var objects = Install("{spec: {hub: mesh.example, components: {pilot: {namespace: plane, hub: own.example, tag: t}}}}");

        Assert.Equal("plane", Named(objects, "Deployment", "istiod").At("metadata", "namespace").Text());
        Assert.Equal("own.example/pilot:t", Named(objects, "Deployment", "istiod").At("spec", "template", "spec", "containers").Objects().Single()["image"].Text());
        Assert.Equal("mesh.example", YamlJson.Read(Named(objects, "ConfigMap", "istio-sidecar-injector").At("data", "values").Text()!).At("global", "hub").Text());
    }

    [Theory]
    [InlineData("{spec: {components: {ingressGateways: [{name: istio-ingressgateway, k8s: {hpaSpec: {minReplicas: 2, maxReplicas: 9}, podDisruptionBudget: {maxUnavailable: 1}}}]}}}", 2, 9, """{"selector":{"matchLabels":{"app":"istio-ingressgateway","istio":"ingressgateway"}},"maxUnavailable":1}""")]
    [InlineData("{spec: {values: {gateways: {istio-ingressgateway: {autoscaleMin: 3, autoscaleMax: 4}}}}}", 3, 4, """{"minAvailable":1,"selector":{"matchLabels":{"app":"istio-ingressgateway","istio":"ingressgateway"}}}""")]
    public void More_than_one_replica_of_a_gateway_brings_its_disruption_budget(string file, int min, int max, string budget)
    {
        var objects = Install(file);

        var scaler = Named(objects, "HorizontalPodAutoscaler", "istio-ingressgateway").At("spec");
        Assert.Equal((min, max), (scaler.At("minReplicas").Integer(), scaler.At("maxReplicas").Integer()));
        Assert.Equal(budget, Named(objects, "PodDisruptionBudget", "istio-ingressgateway").At("spec")!.ToJsonString());
    }

    [Fact]
    public void One_replica_has_no_budget_that_would_keep_its_node_from_being_drained() => Assert.Null(Named(Install("{}"), "PodDisruptionBudget", "istio-ingressgateway"));

    [Fact]
    public void Network_policies_come_by_one_value()
    {
        var objects = Install("{spec: {values: {global: {networkPolicy: {enabled: true}}}}}");
        var open = Named(objects, "NetworkPolicy", "istio-ingressgateway").At("spec", "ingress").Objects().SelectMany(rule => rule["ports"].Objects()).Select(port => port["port"].Integer());

        Assert.NotNull(Named(objects, "NetworkPolicy", "istiod"));
        Assert.Equal([15021, 15020, 15090, 15021, 8080, 8443], open);
    }

    [Fact]
    public void Each_resource_is_judged_by_one_webhook_of_the_default_revision()
    {
        var webhooks = Named(Install("{}"), "ValidatingWebhookConfiguration", "istio-validator-istio-system")!["webhooks"].Objects()
            .Select(webhook => $"{webhook["name"].Text()}: {webhook.At("objectSelector", "matchExpressions")!.ToJsonString()}");

        Assert.Equal(
            ["""rev.validation.istio.io: [{"key":"istio.io/rev","operator":"In","values":["default"]}]""", """validation.istio.io: [{"key":"istio.io/rev","operator":"DoesNotExist"}]"""], webhooks);
    }

    [Fact]
    public void The_gateway_chart_lays_the_users_parts_where_they_belong()
    {
        var values = Overlay.Of(Chart.DefaultValues("gateway"), (JsonObject)YamlJson.Read("""
            name: edge
            networkGateway: far
            autoscaling: {minReplicas: 2}
            podDisruptionBudget: {maxUnavailable: 1}
            additionalContainers: [{name: more, image: m}]
            initContainers: [{name: before, image: b}]
            envVarFrom: [{name: S, valueFrom: {secretKeyRef: {name: s, key: k}}}]
            volumes: [{name: v, emptyDir: {}}]
            volumeMounts: [{name: v, mountPath: /v}]
            dnsPolicy: None
            service: {selectorLabels: {color: red}, annotations: {a: b}, loadBalancerClass: lb}
            """)!);
        var objects = Chart.Render("gateway", values, "edge");
        var (pod, service) = (Named(objects, "Deployment", "edge").At("spec", "template", "spec"), Named(objects, "Service", "edge").At("spec"));

        Assert.Equal("before | istio-proxy more | None", $"{Names(pod.At("initContainers"))} | {Names(pod.At("containers"))} | {pod.At("dnsPolicy").Text()}");
        Assert.Equal("ISTIO_META_REQUESTED_NETWORK_VIEW S", Names(pod.At("containers").Named("istio-proxy")!["env"]));
        Assert.Equal("/v", pod.At("containers").Named("istio-proxy")!["volumeMounts"].Objects().Single()["mountPath"].Text());
        Assert.Equal(("status-port tls tls-istiod tls-webhook", "red", "lb"), (Names(service.At("ports")), service.At("selector", "color").Text(), service.At("loadBalancerClass").Text()));
        Assert.Equal(1, Named(objects, "PodDisruptionBudget", "edge").At("spec", "maxUnavailable").Integer());
    }

    [Fact]
    public void The_base_chart_brings_the_validator_of_a_chosen_revision()
    {
        var values = Overlay.Of(Chart.DefaultValues("base"), new JsonObject { ["defaultRevision"] = "canary" });
        var webhook = Named(Chart.Render("base", values, "istio-system"), "ValidatingWebhookConfiguration", "istiod-default-validator")!["webhooks"].Objects().Single();

        Assert.Equal(("istiod-canary", "Ignore"), (webhook.At("clientConfig", "service", "name").Text(), webhook["failurePolicy"].Text()));
    }

    private static IReadOnlyList<JsonObject> Install(string file)
    {
        var spec = InstallSpec.Read([("a.yaml", file)], [], null, false, out var error);
        Assert.Equal("", error);
        return Manifest.InOrder(Manifest.Render(spec!));
    }

    private static JsonObject? Named(IEnumerable<JsonObject> objects, string kind, string name) =>
        objects.SingleOrDefault(o => o["kind"].Text() == kind && o.At("metadata", "name").Text() == name);

    private static string Names(JsonNode? list) => string.Join(' ', list.Objects().Select(item => item["name"].Text()));
}
