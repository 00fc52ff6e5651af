using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>A control plane whose webhooks are asked as anybody might ask them; one for all tests of the class.</summary>
public sealed class AdmissionServer : IAsyncLifetime
{
    private ClusterRig rig = null!;

    public HttpClient Http { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        rig = await ClusterRig.StartAsync();
        Http = new(new SocketsHttpHandler { UseProxy = false, Expect100ContinueTimeout = TimeSpan.FromMinutes(1), SslOptions = new() { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null } }) { BaseAddress = new(rig.Addresses["webhooks"]), Timeout = TimeSpan.FromSeconds(30) };
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await rig.DisposeAsync();
    }
}

/// <summary>Every way to ask the webhooks wrongly, over TLS: a clear refusal, and the next question is answered.</summary>
public sealed class AdmissionTests(AdmissionServer server) : IClassFixture<AdmissionServer>
{
    private const string Pod = """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"a"}]}}""";
    private static readonly string Nested = string.Concat(Enumerable.Repeat("{\"a\":", 100_000)) + "1" + new string('}', 100_000);

    /// <summary>By name, since some are long.</summary>
    private static readonly Dictionary<string, string> Bodies = new()
    {
        ["no body"] = "",
        ["no JSON"] = "\0\u0001nonsense",
        ["cut"] = Review(Pod)[..80],
        ["nested a hundred thousand deep"] = Nested,
        ["nested within the pod"] = Review(Nested),
        ["no request"] = """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}""",
        ["an unknown version"] = Review(Pod).Replace("admission.k8s.io/v1", "admission.k8s.io/v7", StringComparison.Ordinal),
        ["no object"] = Review("null"),
        ["a list"] = Review("[]"),
        ["a text"] = Review("\"pod\""),
        ["containers as text"] = Review("""{"spec":{"containers":"x"}}"""),
        ["no spec"] = Review("""{"metadata":{"name":"p"}}"""),
        ["labels as numbers"] = Review("""{"metadata":{"labels":{"a":1}},"spec":{"containers":[{"name":"a"}]}}"""),
        ["a container without a name"] = Review("""{"spec":{"containers":[{"image":"a"}]}}"""),
        ["501 containers"] = Review("""{"spec":{"containers":[""" + string.Join(',', Enumerable.Range(0, 501).Select(i => $"{{\"name\":\"c{i}\"}}")) + "]}}"),
        ["an annotation of no use"] = Review("""{"metadata":{"annotations":{"sidecar.istio.io/proxyCPU":"much"}},"spec":{"containers":[{"name":"a","image":"a"}]}}"""),
    };

    public static TheoryData<string> Broken => new(Bodies.Keys);

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task What_cannot_be_injected_is_refused_and_the_next_pod_is_not(string what)
    {
        var (status, answer) = await AskAsync("/inject", Bodies[what]);
        Assert.True((int)status is >= 400 and < 500 || answer.Contains("\"allowed\":false", StringComparison.Ordinal), $"{what}: {(int)status} {answer[..Math.Min(answer.Length, 200)]}");
        Assert.True((int)(await AskAsync("/validate", Bodies[what])).Status < 500);
        Assert.NotEmpty(await PatchAsync(Pod));
    }

    [Theory]
    [InlineData("text/plain", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/yaml", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json; charset=utf-8", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("application/json", HttpStatusCode.OK)]
    public async Task Only_JSON_is_read(string type, HttpStatusCode expected) => Assert.Equal(expected, (await AskAsync("/inject", Review(Pod), type)).Status);

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Only_POST_is_answered(string method)
    {
        using var request = new HttpRequestMessage(new(method), new Uri("/inject", UriKind.Relative));
        using var answer = await server.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
    }

    [Fact]
    public async Task A_body_beyond_all_measure_is_not_read()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/inject", UriKind.Relative)) { Content = new ByteArrayContent(new byte[32 << 20]) };
        request.Headers.ExpectContinue = true; // the answer comes before the body is sent
        using var answer = await server.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.NotEmpty(await PatchAsync(Pod));
    }

    [Theory]
    [InlineData("v1")]
    [InlineData("v1beta1")]
    public async Task The_answer_has_the_version_and_the_uid_of_the_question(string version)
    {
        var answer = JsonNode.Parse((await AskAsync("/inject", Review(Pod).Replace("admission.k8s.io/v1", $"admission.k8s.io/{version}", StringComparison.Ordinal))).Body);

        Assert.Equal(($"admission.k8s.io/{version}", "u-7", true), (answer.At("apiVersion").Text(), answer.At("response", "uid").Text(), answer.At("response", "allowed").IsTrue()));
    }

    [Theory]
    [InlineData("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"hostNetwork":true,"containers":[{"name":"a","image":"a"}]}}""")]
    [InlineData("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"sidecar.istio.io/inject":"false"}},"spec":{"containers":[{"name":"a","image":"a"}]}}""")]
    public async Task Who_is_not_meant_is_let_through_untouched(string pod) => Assert.Empty(await PatchAsync(pod));

    [Theory]
    [InlineData(Pod)]
    [InlineData("""{"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"p-"},"spec":{"containers":[{"name":"a","image":"a","livenessProbe":{"httpGet":{"port":80}}}]}}""")]
    [InlineData("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","annotations":{"a/b~c":"{{ .Values }} ${HOME} \"\\ ~0 ~1","d~1e/f":"x"}},"spec":{"containers":[{"name":"a","image":"a"}]}}""")]
    public async Task A_patch_applies_and_a_second_injection_changes_nothing(string pod)
    {
        var once = JsonPatches.Apply((JsonObject)JsonNode.Parse(pod)!, await PatchAsync(pod));
        var twice = await PatchAsync(once.ToJsonString());

        Assert.Equal(once.ToJsonString(), JsonPatches.Apply(once.Copy(), twice).ToJsonString());
        foreach (var (name, value) in JsonNode.Parse(pod).At("metadata", "annotations").Strings()) Assert.Equal(value, once.At("metadata", "annotations", name).Text());
    }

    [Fact]
    public async Task A_pod_of_five_hundred_containers_and_two_hundred_volumes_is_a_pod()
    {
        var big = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = new JsonObject { ["name"] = "big", ["annotations"] = new JsonObject { ["note"] = new string('n', 200_000) } } };
        big["spec"] = new JsonObject
        {
            ["containers"] = new JsonArray([.. Enumerable.Range(0, 499).Select(i => (JsonNode)new JsonObject { ["name"] = $"c{i}", ["image"] = "i" })]),
            ["volumes"] = new JsonArray([.. Enumerable.Range(0, 200).Select(i => (JsonNode)new JsonObject { ["name"] = $"v{i}", ["emptyDir"] = new JsonObject() })]),
        };

        Assert.NotEmpty(await PatchAsync(big.ToJsonString()));
    }

    [Fact]
    public async Task Five_hundred_questions_twenty_at_a_time_are_all_answered()
    {
        var left = 500;
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(async () =>
        {
            var injected = 0;
            while (Interlocked.Decrement(ref left) >= 0)
                if ((await PatchAsync(Pod)).Count > 0) injected++;
            return injected;
        })));

        Assert.Equal(500, answers.Sum());
    }

    private static string Review(string pod) =>
        $$$"""{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-7","kind":{"group":"","version":"v1","kind":"Pod"},"namespace":"shop","operation":"CREATE","object":{{{pod}}}}}""";

    private async Task<JsonArray> PatchAsync(string pod)
    {
        var (status, body) = await AskAsync("/inject", Review(pod));
        var answer = JsonNode.Parse(body);
        Assert.True(status == HttpStatusCode.OK && answer.At("response", "allowed").IsTrue(), body);
        return answer.At("response", "patch").Text() is { } patch ? (JsonArray)JsonNode.Parse(Convert.FromBase64String(patch))! : [];
    }

    private async Task<(HttpStatusCode Status, string Body)> AskAsync(string path, string body, string type = "application/json")
    {
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var answer = await server.Http.PostAsync(new Uri(path, UriKind.Relative), content);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }
}
