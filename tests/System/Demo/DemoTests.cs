using System.Diagnostics;
using System.Net.NetworkInformation;
using System.Text.Json;

namespace Mesh.SystemTests.Demo;

/// <summary>The demo as a user starts it: real processes, real certificates, real traffic.</summary>
[Collection("demo")]
public sealed class DemoTests
{
    private const int Seconds = 15;

    // 300 a second for 15 s: the split's standard deviation is then 0.6 points, so ±3 is five of them.
    private const int Rate = 300;

    [Fact]
    public async Task The_demo_splits_80_to_20_over_mutual_tls_without_a_failed_request()
    {
        var (exit, output, error) = await RunAsync("demo", "--seconds", $"{Seconds}", "--rate", $"{Rate}", "--json", "--ports-from", "28080");

        Assert.True(exit == 0, error);
        AssertHealthy(JsonDocument.Parse(output).RootElement);
        AssertNothingIsLeft(28080);
    }

    [Fact]
    public async Task The_transparent_demo_does_the_same_with_redirection_in_network_namespaces()
    {
        if (!Environment.IsPrivilegedProcess) Assert.Skip("needs root to make network namespaces");

        var (exit, output, error) = await RunAsync("demo", "--transparent", "--seconds", $"{Seconds}", "--rate", $"{Rate}", "--json", "--ports-from", "28090");

        Assert.True(exit == 0, error);
        AssertHealthy(JsonDocument.Parse(output).RootElement);
        Assert.DoesNotContain(NetworkInterface.GetAllNetworkInterfaces(), link => link.Name.StartsWith("meshdemo", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(28100, "the gateway's")]
    [InlineData(28101, "the control plane's")]
    public async Task A_port_in_use_is_named_in_one_sentence(int port, string whose)
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, port);
        taken.Start();

        var (exit, output, error) = await RunAsync("demo", "--seconds", "1", "--json", "--ports-from", "28100");

        Assert.Equal(1, exit);
        Assert.Empty(output);
        Assert.True(error.StartsWith($"Error: cannot listen on 127.0.0.1:{port}", StringComparison.Ordinal), $"{whose}: {error}");
        Assert.Single(error.Trim().Split('\n'));
    }

    private static void AssertHealthy(JsonElement result)
    {
        var edges = result.GetProperty("edges").EnumerateArray().ToList();
        var toBackend = edges.Where(e => e.GetProperty("destination").GetString() == "backend").ToDictionary(e => e.GetProperty("version").GetString()!, e => e.GetProperty("requests").GetInt64());
        var share = 100.0 * toBackend["v2"] / toBackend.Values.Sum();

        Assert.InRange(result.GetProperty("readyMs").GetDouble(), 1, 30_000);
        Assert.True(toBackend.Values.Sum() > Seconds * Rate / 2, $"only {toBackend.Values.Sum()} requests reached the backend");
        Assert.InRange(share, 17, 23);
        Assert.Contains(edges, e => e.GetProperty("destination").GetString() == "frontend");
        Assert.All(edges, edge =>
        {
            Assert.True(edge.GetProperty("mtls").GetBoolean());
            Assert.Equal(0, edge.GetProperty("failures").GetInt64());
            Assert.StartsWith("spiffe://cluster.local/ns/", edge.GetProperty("sourceIdentity").GetString());
            Assert.StartsWith("spiffe://cluster.local/ns/demo/sa/", edge.GetProperty("destinationIdentity").GetString());
        });
    }

    private static void AssertNothingIsLeft(int firstPort)
    {
        var listening = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners();
        Assert.DoesNotContain(listening, l => l.Port >= firstPort && l.Port < firstPort + 4);
        Assert.DoesNotContain(listening, l => l.Address.ToString().StartsWith("127.77.0.", StringComparison.Ordinal));
    }

    private static async Task<(int Exit, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Programs.Meshctl, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output, await error);
    }
}
