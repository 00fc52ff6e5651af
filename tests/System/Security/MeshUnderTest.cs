using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Mesh.SystemTests.Demo;

namespace Mesh.SystemTests.Security;

/// <summary>The demo in the background, with an authority of the test's own: real processes, looked at and changed while they run. Every wait is for a condition and has an end.</summary>
internal sealed class MeshUnderTest : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    // Below the range from which the kernel gives ports to callers: one of the mesh's own connections could take a port before its listener does.
    private const int FirstPort = 28_130;

    private readonly Process process;
    private readonly Task<string> output, error;
    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };
    private readonly string controlPlane;

    private MeshUnderTest(OwnAuthority authority, string controlPlane, string[] arguments)
    {
        this.controlPlane = controlPlane;
        OwnAuthority.Put(CaFolder, "root-cert.pem", authority.RootPem);
        authority.WriteSigner(CaFolder);
        process = Process.Start(new ProcessStartInfo(
            Programs.Meshctl, ["demo", "--json", "--ports-from", $"{FirstPort}", "--ca", CaFolder, "--folder", Folder, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
    }

    /// <summary>Where the plugged-in certificates lie.</summary>
    public string CaFolder { get; } = Directory.CreateTempSubdirectory("mesh-ca-").FullName;

    /// <summary>The mesh's YAML.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("mesh-yaml-").FullName;

    /// <summary>Comes back when the control plane is there and all four proxies have their certificates and configuration.</summary>
    public static async Task<MeshUnderTest> StartAsync(OwnAuthority authority, string controlPlane, params string[] arguments)
    {
        var mesh = new MeshUnderTest(authority, controlPlane, arguments);
        await mesh.UntilAsync("four proxies are connected", async () => (await mesh.DebugAsync("syncz")).RootElement.GetArrayLength() == 4);
        return mesh;
    }

    public async Task<JsonDocument> DebugAsync(string page) => JsonDocument.Parse(await client.GetStringAsync(new Uri($"http://{controlPlane}:{FirstPort + 3}/debug/{page}")));

    /// <summary>How many certificates were issued so far.</summary>
    public async Task<int> IssuedAsync()
    {
        var metrics = await client.GetStringAsync(new Uri($"http://{controlPlane}:{FirstPort + 2}/metrics"));
        return Regex.Match(metrics, @"^citadel_server_success_cert_issuance_count (\d+)", RegexOptions.Multiline) is { Success: true } found ? int.Parse(found.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) : 0;
    }

    /// <summary>Asks until the answer is yes.</summary>
    public async Task UntilAsync(string what, Func<Task<bool>> question, TimeSpan? patience = null)
    {
        using var end = new CancellationTokenSource(patience ?? Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (!await IsTrueAsync(question))
        {
            if (process.HasExited) Assert.Fail($"meshctl demo ended before {what}: {await error}");
            try
            {
                await tick.WaitForNextTickAsync(end.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"never came: {what}");
            }
        }
    }

    // What does not answer yet answers no.
    private static async Task<bool> IsTrueAsync(Func<Task<bool>> question)
    {
        try
        {
            return await question();
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>Ends it as Ctrl-C does. What it printed: one JSON object.</summary>
    public async Task<JsonElement> EndAsync()
    {
        await InterruptAsync();
        Assert.True(process.ExitCode == 0, await error);
        return JsonDocument.Parse(await output).RootElement;
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) await InterruptAsync();
        process.Dispose();
        client.Dispose();
        Directory.Delete(CaFolder, recursive: true);
        Directory.Delete(Folder, recursive: true);
    }

    private async Task InterruptAsync()
    {
        using (var interrupt = Process.Start("sh", ["-c", $"kill -INT {process.Id}"])) await interrupt.WaitForExitAsync();
        using var end = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(end.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
        }
    }
}
