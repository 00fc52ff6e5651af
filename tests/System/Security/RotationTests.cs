using System.Globalization;
using System.Text.Json;

namespace Mesh.SystemTests.Security;

/// <summary>Certificates change every few seconds, then the root they lead to, while requests go through three hops of mutual TLS. MESH_ROTATIONS makes it longer.</summary>
[Collection("demo")]
public sealed class RotationTests
{
    private const int Proxies = 4;

    [Fact]
    public async Task Certificates_and_the_root_change_under_load_without_a_failed_request()
    {
        var rotations = int.Parse(Environment.GetEnvironmentVariable("MESH_ROTATIONS") ?? "4", CultureInfo.InvariantCulture);
        var (old, young) = (new OwnAuthority("old"), new OwnAuthority("young"));
        await using var mesh = await MeshUnderTest.StartAsync(old, "127.0.0.1", "--rate", "200", "--certificate-lifetime", "6s");

        // All at once would cut everybody off: refused, and the old signer goes on.
        young.WriteSigner(mesh.CaFolder);
        await mesh.UntilAsync("the new signer is refused", async () => Problem(await mesh.DebugAsync("ca")).Length > 0);
        old.WriteSigner(mesh.CaFolder);

        OwnAuthority.Put(mesh.CaFolder, "root-cert.pem", old.RootPem + young.RootPem);
        await mesh.UntilAsync("both roots are believed by every proxy", async () => IsReady(await mesh.DebugAsync("ca"), roots: 2, old));
        young.WriteSigner(mesh.CaFolder);
        await mesh.UntilAsync("the new root signs", async () => IsReady(await mesh.DebugAsync("ca"), roots: 2, young));
        OwnAuthority.Put(mesh.CaFolder, "root-cert.pem", young.RootPem);
        await mesh.UntilAsync("the old root is gone", async () => IsReady(await mesh.DebugAsync("ca"), roots: 1, young));

        var before = await mesh.IssuedAsync();
        await mesh.UntilAsync("every proxy has rotated often enough", async () => await mesh.IssuedAsync() >= before + rotations * Proxies, TimeSpan.FromSeconds(90 + 10 * rotations));
        var issued = await mesh.IssuedAsync();
        var result = await mesh.EndAsync();

        var edges = result.GetProperty("edges").EnumerateArray().ToList();
        TestContext.Current.TestOutputHelper?.WriteLine($"{issued} certificates issued to {Proxies} proxies, {result.GetProperty("sent").GetInt64()} requests sent, {edges.Sum(edge => edge.GetProperty("requests").GetInt64())} hops");
        Assert.Equal(0, result.GetProperty("failed").GetInt64());
        Assert.All(edges, edge => Assert.Equal(0, edge.GetProperty("failures").GetInt64()));
        Assert.True(result.GetProperty("sent").GetInt64() > 100, "there was no load");
    }

    private static string Problem(JsonDocument page) => page.RootElement.GetProperty("problem").GetString() ?? "";

    private static bool IsReady(JsonDocument page, int roots, OwnAuthority signer) =>
        page.RootElement.GetProperty("roots").GetArrayLength() == roots
        && page.RootElement.GetProperty("signer").GetProperty("root").GetString() == signer.RootFingerprint
        && page.RootElement.GetProperty("proxiesWithoutTheseRoots").GetArrayLength() == 0;
}
