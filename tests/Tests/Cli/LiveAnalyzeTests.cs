using System.Net;
using System.Text;
using Mesh.Cli.Commands;
using Mesh.Kube;
using Mesh.Model.Analysis;

namespace Mesh.Tests.Cli;

/// <summary>meshctl analyze against a cluster: an API server of a few lines stands in for it.</summary>
public sealed class LiveAnalyzeTests
{
    [Fact]
    public async Task A_cluster_is_read_page_by_page_and_unknown_kinds_are_passed_over()
    {
        using var kube = new KubeApi(new("http://cluster"), new HttpClient(new Cluster(new()
        {
            ["/api/v1/namespaces?limit=500"] = """{"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}}]}""",
            ["/api/v1/namespaces?limit=500&continue=more"] = """{"items": [{"metadata": {"name": "bank"}}]}""",
            ["/apis/networking.istio.io/v1/virtualservices?limit=500"] = """
                {"items": [{"metadata": {"name": "v", "namespace": "shop"}, "spec": {"hosts": ["a.example"], "http": [{"route": [{"destination": {"host": "basket"}}]}]}}]}
                """,
        })));
        var resources = new ResourceSet();

        var (_, problem) = await LiveResources.AddToAsync(resources, kube, "istio-system", default);

        Assert.Null(problem);
        Assert.Equal(["IST0101 VirtualService shop/v", "IST0102 Namespace bank"], Analyst.Analyze(resources, TimeProvider.System, new()).Select(m => $"{m.Code} {m.Origin}"));
    }

    [Fact]
    public async Task A_refusal_says_what_could_not_be_listed()
    {
        using var kube = new KubeApi(new("http://cluster"), new HttpClient(new Cluster(new() { ["/api/v1/pods?limit=500"] = "403" })));

        var (_, problem) = await LiveResources.AddToAsync(new(), kube, "istio-system", default);

        Assert.StartsWith("pods: 403", problem);
    }

    /// <summary>Answers lists; custom kinds it was not given are absent, all else is empty.</summary>
    private sealed class Cluster(Dictionary<string, string> lists) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var path = request.RequestUri!.PathAndQuery;
            var body = lists.GetValueOrDefault(path);
            var status = body == "403" ? HttpStatusCode.Forbidden : body is null && path.Contains(".istio.io", StringComparison.Ordinal) ? HttpStatusCode.NotFound : HttpStatusCode.OK;
            return Task.FromResult(new HttpResponseMessage(status) { Content = new StringContent(status == HttpStatusCode.OK ? body ?? """{"items": []}""" : "{}", Encoding.UTF8, "application/json") });
        }
    }
}
