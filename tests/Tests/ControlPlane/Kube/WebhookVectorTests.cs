using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.Model.Yaml;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>The webhook, as it stands at its port, asked what no API server should ask. One control plane for all: it must be alive after each.</summary>
public sealed class WebhookVectorTests : IClassFixture<WebhookVectorTests.Served>
{
    private const string Pod = """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"registry.example/a:1"}]}}""";
    private readonly Served served;

    public WebhookVectorTests(Served served) => this.served = served;

    [Fact] // W00, W22
    public async Task A_pod_without_labels_and_annotations_gets_a_patch_that_applies_and_is_not_patched_twice()
    {
        var injected = await Injected(Pod);
        Assert.Contains(injected.At("spec", "containers").Objects().Concat(injected.At("spec", "initContainers").Objects()), c => c["name"].Text() == "istio-proxy");
        Assert.Equal(injected.ToJsonString(), (await Injected(injected.ToJsonString())).ToJsonString());
    }

    public static TheoryData<string, string> NoQuestions => new()
    {
        { "W01", "" },
        { "W02", "no JSON" },
        { "W03", Request(Pod)[..^20] },
        { "W04", new string('[', 100_000) },
        { "W04, objects", string.Concat(Enumerable.Repeat("{\"a\":", 100_000)) },
        { "W05", Request("{\"metadata\":" + string.Concat(Enumerable.Repeat("{\"a\":", 5_000)) + "1" + new string('}', 5_001)) },
        { "W07", """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}""" },
        { "W07, null", """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}""" },
        { "W08, null", Request("null") },
        { "W08, array", Request("[]") },
        { "W08, text", Request("\"text\"") },
        { "W08, number", Request("7") },
        { "bad UTF-8", "{\"apiVersion\":\"\uD800\"}" },
        { "twice the same name", """{"apiVersion":"admission.k8s.io/v1","apiVersion":"x","kind":"AdmissionReview"}""" },
    };

    [Theory, MemberData(nameof(NoQuestions))]
    public async Task What_is_no_question_is_refused_and_the_next_one_is_answered(string vector, string body)
    {
        using var answer = await served.PostAsync(body);
        var isRefused = (int)answer.StatusCode is >= 400 and < 500 || !JsonNode.Parse(await answer.Content.ReadAsStringAsync()).At("response", "allowed").IsTrue();

        Assert.True(isRefused, vector);
        await Injected(Pod);
    }

    [Fact] // W06
    public async Task Thirty_two_megabytes_are_not_read()
    {
        try
        {
            using var answer = await served.PostAsync(new string('x', 32 << 20));
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        }
        catch (HttpRequestException)
        {
            // Answered and closed while the rest was still on its way: as good.
            Assert.NotNull(served);
        }
        await Injected(Pod);
    }

    [Theory] // W10
    [InlineData("text/plain")]
    [InlineData("application/yaml")]
    [InlineData("application/json; charset=utf-8")]
    public async Task Another_type_of_content_is_refused(string type)
    {
        using var answer = await served.PostAsync(Request(Pod), type);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
    }

    [Theory] // W11
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    [InlineData("PATCH")]
    public async Task Another_method_is_refused(string method)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "/inject");
        using var answer = await served.Http.SendAsync(request);
        Assert.InRange((int)answer.StatusCode, 400, 499);
    }

    [Theory]
    [InlineData("Deployment", "CREATE", Pod)]  // W20
    [InlineData("Pod", "DELETE", "null")]      // W21
    [InlineData("Pod", "UPDATE", Pod)]
    [InlineData("Pod", "CONNECT", "null")]
    public async Task What_is_no_new_pod_passes_untouched(string kind, string operation, string item)
    {
        var response = await Review(Request(item, kind, operation));
        Assert.Equal(("u-1", true, (string?)null), (response.At("uid").Text(), response.At("allowed").IsTrue(), response.At("patch").Text()));
    }

    [Theory]
    [InlineData("""{"metadata":{"name":"p"},"spec":{"hostNetwork":true,"containers":[{"name":"a","image":"a"}]}}""")]                                     // W23
    [InlineData("""{"metadata":{"name":"p","labels":{"sidecar.istio.io/inject":"false"}},"spec":{"containers":[{"name":"a","image":"a"}]}}""")]             // W24
    public async Task Who_is_not_meant_passes_untouched(string pod)
    {
        var response = await Review(Request(pod));
        Assert.Equal((true, (string?)null), (response.At("allowed").IsTrue(), response.At("patch").Text()));
    }

    [Fact] // W25
    public async Task A_container_with_the_sidecars_name_is_merged_and_stays_one()
    {
        var injected = await Injected("""{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"a"},{"name":"istio-proxy","image":"mine:1"}]}}""");
        Assert.Single(injected.At("spec", "containers").Objects().Concat(injected.At("spec", "initContainers").Objects()), c => c["name"].Text() == "istio-proxy");
    }

    [Fact] // W26
    public async Task Names_with_slashes_tildes_and_templates_and_a_long_value_come_out_as_they_went_in()
    {
        var annotations = new JsonObject { ["a/b~c"] = "~1~0/", ["~"] = "{{ .Values }}", ["x/{{.}}"] = "${HOME}\"'\\\n", ["long"] = new string('v', 200_000) };
        var pod = (JsonObject)JsonNode.Parse(Pod)!;
        pod["metadata"]!["annotations"] = annotations.DeepClone();
        var injected = await Injected(pod.ToJsonString());

        foreach (var (name, value) in annotations) Assert.Equal(value.Text(), injected.At("metadata", "annotations", name).Text());
    }

    [Fact] // W27
    public async Task Five_hundred_containers_and_two_hundred_volumes_all_stay()
    {
        var pod = (JsonObject)JsonNode.Parse(Pod)!;
        pod["spec"]!["containers"] = new JsonArray([.. Enumerable.Range(0, 500).Select(i => (JsonNode)new JsonObject { ["name"] = $"c{i}", ["image"] = "a" })]);
        pod["spec"]!["volumes"] = new JsonArray([.. Enumerable.Range(0, 200).Select(i => (JsonNode)new JsonObject { ["name"] = $"v{i}", ["emptyDir"] = new JsonObject() })]);
        var injected = await Injected(pod.ToJsonString());

        Assert.Equal(500, injected.At("spec", "containers").Objects().Count(c => c["name"].Text()!.StartsWith('c')));
        Assert.True(injected.At("spec", "volumes").Objects().Count() > 200);
    }

    [Fact] // W41
    public async Task Five_hundred_admissions_twenty_at_a_time_are_all_answered()
    {
        var answers = new List<HttpStatusCode>();
        for (var round = 0; round < 25; round++)
        {
            var asked = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => served.PostAsync(Request(Pod))));
            answers.AddRange(asked.Select(answer => answer.StatusCode));
            foreach (var answer in asked) answer.Dispose();
        }
        Assert.Equal(500, answers.Count(status => status == HttpStatusCode.OK));
    }

    private async Task<JsonObject> Injected(string pod)
    {
        var response = await Review(Request(pod));
        Assert.True(response.At("allowed").IsTrue(), response?.ToJsonString());
        var item = (JsonObject)JsonNode.Parse(pod)!;
        return response.At("patch").Text() is { } patch ? JsonPatches.Apply(item, (JsonArray)JsonNode.Parse(Convert.FromBase64String(patch))!) : item;
    }

    private async Task<JsonNode?> Review(string request)
    {
        using var answer = await served.PostAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync()).At("response");
    }

    private static string Request(string item, string kind = "Pod", string operation = "CREATE") => string.Create(CultureInfo.InvariantCulture,
        $$$"""{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"","version":"v1","kind":"{{{kind}}}"},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","operation":"{{{operation}}}","object":{{{item}}}}}""");

    /// <summary>A cluster's control plane whose injector has read its settings.</summary>
    public sealed class Served : IAsyncLifetime
    {
        private ClusterRig rig = null!;

        internal HttpClient Http { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            rig = await ClusterRig.StartAsync();
            Http = new(new SocketsHttpHandler { SslOptions = new() { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null } }) { BaseAddress = new(rig.Addresses["webhooks"]) };
        }

        internal async Task<HttpResponseMessage> PostAsync(string body, string type = "application/json")
        {
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            return await Http.PostAsync("/inject", content);
        }

        public async ValueTask DisposeAsync()
        {
            Http.Dispose();
            await rig.DisposeAsync();
        }
    }
}
