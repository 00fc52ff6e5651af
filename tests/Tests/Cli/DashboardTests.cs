using System.Net;
using System.Net.Sockets;
using System.Text;
using Mesh.Cli.Control;

namespace Mesh.Tests.Cli;

/// <summary>meshctl dashboard: which page is meant, and a port of this machine that leads into a pod.</summary>
public sealed class DashboardTests
{
    [Theory]
    [InlineData("nosuch", "unknown dashboard \"nosuch\"")]
    [InlineData("proxy", "specify a pod or --selector")]
    [InlineData("envoy", "specify a pod or --selector")]
    [InlineData("proxy web -l app=web", "name cannot be provided when a selector is specified")]
    [InlineData("controlz", "this control plane has no ControlZ: `meshctl dashboard istiod-debug` shows what it knows, `meshctl dashboard` what it does")]
    public async Task What_is_no_page_is_said(string words, string message)
    {
        var (exit, _, error) = await ManifestTests.Run(["dashboard", .. words.Split(' ')]);

        Assert.Equal((1, $"Error: {message}\n"), (exit, error));
    }

    [Theory]
    [InlineData("", "http://127.0.0.1:4711/ui/\n")]
    [InlineData("kiali", "http://127.0.0.1:4711/kiali/\n")]
    [InlineData("istiod-debug", "http://127.0.0.1:4711/debug\n")]
    public async Task Without_a_cluster_the_page_is_where_the_control_plane_is(string name, string page)
    {
        var (exit, text, _) = await ManifestTests.Run(["dashboard", .. name.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--control-plane", "127.0.0.1:4711", "--browser=false"]);

        Assert.Equal((0, page), (exit, text));
    }

    [Fact]
    public async Task Each_connection_to_the_forwarded_port_is_one_into_the_pod()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var pod = new TcpListener(IPAddress.Loopback, 0);
        pod.Start();
        await using var forward = PortForward.Start(IPAddress.Loopback, [0], OpenAsync, Assert.Fail);

        foreach (var word in (string[])["one", "two"])
        {
            using var client = new TcpClient();
            await client.ConnectAsync(forward.Address, cancel);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(word), cancel);
            using var served = await pod.AcceptTcpClientAsync(cancel);
            var bytes = new byte[3];
            await served.GetStream().ReadExactlyAsync(bytes, cancel);
            await served.GetStream().WriteAsync(bytes, cancel);
            await client.GetStream().ReadExactlyAsync(bytes, cancel);

            Assert.Equal(word, Encoding.ASCII.GetString(bytes));
        }

        async Task<Stream> OpenAsync(CancellationToken stop)
        {
            var client = new TcpClient();
            await client.ConnectAsync((IPEndPoint)pod.LocalEndpoint, stop);
            return client.GetStream();
        }
    }

    [Fact]
    public async Task A_pod_that_is_gone_is_said_once_for_each_connection_and_the_port_stays()
    {
        var cancel = TestContext.Current.CancellationToken;
        var told = new List<string>();
        await using var forward = PortForward.Start(IPAddress.Loopback, [0], _ => throw new ControlPlaneException("no running pod"), told.Add);

        for (var i = 0; i < 2; i++)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(forward.Address, cancel);
            Assert.Equal(0, await client.GetStream().ReadAsync(new byte[1], cancel));
        }

        Assert.Equal(["no running pod", "no running pod"], told);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_named_unless_another_will_do()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var taken = ((IPEndPoint)other.LocalEndpoint).Port;

        var error = Assert.Throws<ControlPlaneException>(() => PortForward.Start(IPAddress.Loopback, [taken], _ => throw new InvalidOperationException(), _ => { }));
        await using var forward = PortForward.Start(IPAddress.Loopback, [taken, 0], _ => throw new InvalidOperationException(), _ => { });

        Assert.Equal($"port {taken} of 127.0.0.1 is not free: choose another with --port", error.Message);
        Assert.NotEqual(taken, forward.Address.Port);
    }
}
