using System.Net;
using Mesh.ControlPlane;
using Mesh.ControlPlane.Serve;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.ControlPlane;

/// <summary>Istio: the control plane fetches the keys of token issuers; tokens are refused until it has them.</summary>
public sealed class TokenKeysTests : IDisposable
{
    private readonly Answers answers = new();

    public void Dispose() => answers.Dispose();

    [Fact]
    public async Task Keys_are_fetched_from_their_uri_and_reach_the_world()
    {
        answers["https://issuer/keys"] = """{"keys":[]}""";
        var keys = await AfterOneRound("jwksUri: https://issuer/keys");
        Assert.Equal("""{"keys":[]}""", keys["https://issuer/keys"]);
    }

    [Fact]
    public async Task Without_uri_the_issuer_is_asked_where_its_keys_are()
    {
        answers["https://issuer/.well-known/openid-configuration"] = """{"jwks_uri":"https://elsewhere/keys"}""";
        answers["https://elsewhere/keys"] = """{"keys":[1]}""";
        Assert.Equal("""{"keys":[1]}""", Assert.Single(await AfterOneRound("")).Value);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("{}")]
    public async Task What_is_no_key_set_is_not_believed(string? answer)
    {
        if (answer is not null) answers["https://issuer/keys"] = answer;
        Assert.Empty(await AfterOneRound("jwksUri: https://issuer/keys"));
    }

    private async Task<IReadOnlyDictionary<string, string>> AfterOneRound(string where)
    {
        using var stop = new CancellationTokenSource();
        var feed = new WorldFeed(new Options(), new(Prometheus.Metrics.NewCustomRegistry()), TimeProvider.System, NullLogger<WorldFeed>.Instance);
        var running = feed.RunAsync(stop.Token);
        var policy = YamlReader.Read($"""
            apiVersion: security.istio.io/v1
            kind: RequestAuthentication
            metadata: {"{"}name: jwt, namespace: shop{"}"}
            spec:
              jwtRules:
              - issuer: https://issuer
                {where}
            """, "test", out _)[0];
        feed.SubmitMesh(MeshConfig.Default);
        feed.Submit([ResourceEvent.Applied(ResourceReader.Read(policy, out _)!)]);
        await feed.FlushAsync(stop.Token);
        using var http = new HttpClient(answers);
        await new TokenKeys(feed, http, TimeProvider.System, NullLogger<TokenKeys>.Instance).RoundAsync(stop.Token);
        await feed.FlushAsync(stop.Token);
        var keys = feed.Current!.World.FetchedKeys;
        await stop.CancelAsync();
        await running;
        return keys;
    }

    private sealed class Answers : HttpMessageHandler
    {
        private readonly Dictionary<string, string> byUri = [];

        public string this[string uri] { set => byUri[uri] = value; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(
            byUri.TryGetValue(request.RequestUri!.ToString(), out var text)
                ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(text) }
                : new HttpResponseMessage(HttpStatusCode.NotFound));
    }
}
