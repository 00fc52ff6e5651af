using System.Net;
using Mesh.Proxy.Admin;

namespace Mesh.Tests.Proxy;

/// <summary>The commands that injected pods run in the proxy's container.</summary>
public sealed class AgentVerbsTests
{
    [Theory]
    [InlineData("wait", "GET http://localhost:15021/healthz/ready")]
    [InlineData("wait --url=http://localhost:1/up", "GET http://localhost:1/up")]
    [InlineData("request --debug-port=15020 POST drain", "POST http://localhost:15020/drain")]
    [InlineData("request GET stats", "GET http://localhost:15000/stats")]
    public async Task A_command_is_one_request_to_the_proxys_own_port(string command, string request)
    {
        var network = new Network(HttpStatusCode.OK);

        Assert.Equal(0, await Run(command, network));
        Assert.Equal([request], network.Requests);
    }

    [Theory]
    [InlineData("request POST drain", 1)]
    [InlineData("request POST", 64)]
    [InlineData("wait --timeoutSeconds=0 --periodMillis=1", 1)]
    public async Task What_does_not_succeed_has_an_exit_code(string command, int exit) => Assert.Equal(exit, await Run(command, new Network(HttpStatusCode.ServiceUnavailable)));

    [Fact]
    public async Task Waiting_asks_again_until_it_is_ready()
    {
        var network = new Network(HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK);

        Assert.Equal(0, await Run("wait --periodMillis=1", network));
        Assert.Equal(3, network.Requests.Count);
    }

    private static Task<int> Run(string command, HttpMessageHandler network) => AgentVerbs.RunAsync(command.Split(' '), network, TimeProvider.System, TextWriter.Null, TextWriter.Null);

    private sealed class Network(params HttpStatusCode[] answers) : HttpMessageHandler
    {
        public List<string> Requests { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests.Add($"{request.Method} {request.RequestUri}");
            return Task.FromResult(new HttpResponseMessage(answers[Math.Min(Requests.Count, answers.Length) - 1]) { Content = new StringContent("") });
        }
    }
}
