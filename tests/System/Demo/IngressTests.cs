using System.Diagnostics;

namespace Mesh.SystemTests.Demo;

/// <summary>The demo's gateway by HTTPS, called by curl as a user calls it.</summary>
[Collection("demo")]
public sealed class IngressTests
{
    private const int FirstPort = 28110, TlsPort = FirstPort + 4;

    [Fact]
    public async Task Https_reaches_each_host_and_a_request_for_the_other_hosts_server_is_told_to_go_there()
    {
        var folder = Directory.CreateTempSubdirectory("mesh-ingress-");
        using var demo = Process.Start(new ProcessStartInfo(Programs.Meshctl, ["demo", "--ingress", "--rate", "1", "--folder", folder.FullName, "--ports-from", $"{FirstPort}"])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        try
        {
            // The first line is written when everything is up.
            var first = await demo.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            Assert.True(first?.StartsWith("The mesh is up", StringComparison.Ordinal) == true, first ?? await demo.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
            _ = demo.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            var authority = Path.Combine(folder.FullName, "ingress-ca.pem");

            Assert.Equal("200 2", await CurlAsync(authority, "shop.localhost"));
            Assert.Equal("200 2", await CurlAsync(authority, "api.localhost"));
            Assert.Equal("200 1.1", await CurlAsync(authority, "shop.localhost", "--http1.1"));
            // A browser would do so: one connection for every name of the certificate.
            Assert.Equal("421 2", await CurlAsync(authority, "shop.localhost", "-H", $"Host: api.localhost:{TlsPort}"));
            Assert.Equal("404 2", await CurlAsync(authority, "shop.localhost", "-H", "Host: nobody.localhost"));
            Assert.Equal("404 1.1", await CurlAsync(authority, "shop.localhost", "--http1.1", "-H", $"Host: api.localhost:{TlsPort}"));
        }
        finally
        {
            using var stop = Process.Start("kill", ["-TERM", $"{demo.Id}"]);
            await demo.WaitForExitAsync(CancellationToken.None);
            folder.Delete(recursive: true);
        }
    }

    private static async Task<string> CurlAsync(string authority, string host, params string[] more)
    {
        using var curl = Process.Start(new ProcessStartInfo("curl",
            ["-s", "--max-time", "20", "--cacert", authority, "--resolve", $"{host}:{TlsPort}:127.0.0.1", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", .. more, $"https://{host}:{TlsPort}/"])
        {
            RedirectStandardOutput = true,
        })!;
        var answer = await curl.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await curl.WaitForExitAsync(TestContext.Current.CancellationToken);
        return answer;
    }
}
