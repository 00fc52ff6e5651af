using System.Text.Json.Nodes;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Tests.Injector;

/// <summary>The webhook's answers, as the recorded ones of Istio: what is no question gets a status, every question gets a review back.</summary>
public sealed class InjectionReviewTests
{
    private const string Pod = """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"app":"p"}},"spec":{"containers":[{"name":"a","image":"registry.example/a:1"}]}}""";
    private const string Json = "application/json";
    private static readonly string[] Injected =
    [
        "add /metadata/annotations", "add /metadata/labels/security.istio.io~1tlsMode", "add /metadata/labels/service.istio.io~1canonical-name",
        "add /metadata/labels/service.istio.io~1canonical-revision", "add /spec/containers/1", "add /spec/initContainers", "add /spec/volumes",
    ];

    [Theory]
    [InlineData("v1", "/inject", "CREATE")]
    [InlineData("v1beta1", "/inject", "CREATE")]
    [InlineData("v1", "/inject", "DELETE")]
    [InlineData("v1", "/inject/cluster/west/", "CREATE")]
    public void A_pod_gets_the_smallest_patch_in_the_version_it_asked_in(string version, string path, string operation)
    {
        var review = Review(Json, Request(Pod, version: version, operation: operation), path);
        var patch = (JsonArray)JsonNode.Parse(Convert.FromBase64String(review.At("response", "patch").Text()!))!;

        Assert.Equal($"admission.k8s.io/{version}", review["apiVersion"].Text());
        Assert.Equal(("u-1", "JSONPatch", true), (review.At("response", "uid").Text(), review.At("response", "patchType").Text(), review.At("response", "allowed").IsTrue()));
        Assert.Equal(Injected, patch.Objects().Select(o => $"{o["op"].Text()} {o["path"].Text()}").Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("", Json, 400, "no body found\n")]
    [InlineData(Pod, "text/plain", 415, "invalid Content-Type, want `application/json`\n")]
    [InlineData(Pod, "application/json; charset=utf-8", 415, "invalid Content-Type, want `application/json`\n")]
    [InlineData(Pod, null, 415, "invalid Content-Type, want `application/json`\n")]
    public void What_is_no_question_gets_a_status(string body, string? type, int status, string text) =>
        Assert.Equal(new(status, "text/plain; charset=utf-8", text), Answer(type, body, "/inject"));

    [Theory]
    [InlineData("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"sidecar.istio.io/inject":"false"}},"spec":{"containers":[{"name":"a","image":"a"}]}}""", "shop")]
    [InlineData(Pod, "kube-system")]
    public void Who_is_not_meant_is_let_through_as_it_is(string pod, string space)
    {
        var response = Review(Json, Request(pod, space), "/inject")["response"];

        Assert.True(response.At("allowed").IsTrue());
        Assert.Null(response.At("patch"));
    }

    [Theory]
    [InlineData("\"text\"")]
    [InlineData("null")]
    [InlineData("""{"spec":"text"}""")]
    [InlineData("""{"metadata":{"annotations":{"traffic.sidecar.istio.io/includeInboundPorts":"web"}},"spec":{"containers":[{"name":"a","image":"a"}]}}""")]
    public void A_pod_that_cannot_be_injected_is_refused_with_the_reason(string pod)
    {
        var response = Review(Json, Request(pod), "/inject")["response"];

        Assert.Equal(("u-1", false), (response.At("uid").Text(), response.At("allowed").IsTrue()));
        Assert.NotEqual("", response.At("status", "message").Text());
    }

    [Theory]
    [InlineData("{nope")]
    [InlineData("""{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview","request":{"uid":"u-1"}}""")]
    [InlineData("[]")]
    [InlineData("{}")]
    public void A_review_that_cannot_be_read_is_refused(string body)
    {
        var answer = Answer(Json, body, "/inject");

        Assert.Equal(200, answer.Status);
        Assert.False(JsonNode.Parse(answer.Body).At("response", "allowed").IsTrue());
    }

    private static readonly InjectorSettings Settings = Installed();

    private static InjectorSettings Installed()
    {
        var (config, values, mesh) = BundledInjector.Texts(InstallSpec.Read([], [], null, false, out _)!);
        return InjectorSettings.FromConfigMaps(config, values, mesh, "default", YamlJson.Read);
    }

    private static string Request(string pod, string space = "shop", string version = "v1", string operation = "CREATE") =>
        $$$"""{"apiVersion":"admission.k8s.io/{{{version}}}","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"{{{space}}}","operation":"{{{operation}}}","object":{{{pod}}}}}""";

    private static JsonNode Review(string type, string body, string path) => JsonNode.Parse(Answer(type, body, path).Body)!;
    private static WebhookAnswer Answer(string? type, string body, string path) => InjectionReview.Answer(type, body, path, Settings, _ => false);
}
