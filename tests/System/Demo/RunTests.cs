using System.Diagnostics;
using System.Net;
using System.Text.Json;

namespace Mesh.SystemTests.Demo;

/// <summary>meshctl run: a folder of the user's own, with processes of this machine in it.</summary>
[Collection("demo")]
public sealed class RunTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-run-test-").FullName;
    private readonly int port = FreePorts.FourInARow();

    public ValueTask InitializeAsync()
    {
        foreach (var (version, number) in new[] { ("v1", port), ("v2", port + 1) }) Write(version, number);
        File.WriteAllText(Path.Combine(folder, "mesh.yaml"), """
            apiVersion: networking.istio.io/v1
            kind: WorkloadEntry
            metadata: {name: me, namespace: shop}
            spec: {address: 127.0.0.1, serviceAccount: me, labels: {app: me}}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: orders, namespace: shop}
            spec: {selector: {app: orders}, ports: [{name: http, port: 80}]}
            ---
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: {name: default, namespace: shop}
            spec: {mtls: {mode: STRICT}}
            """);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_folder_becomes_a_mesh_that_follows_the_folder_and_leaves_nothing_behind()
    {
        string proxy;
        await using (var mesh = RunningMesh.Start(["run", folder, "--json"]))
        {
            var ready = JsonDocument.Parse((await mesh.LineAsync("^{.*}$")).Value).RootElement;
            proxy = ready.GetProperty("workloads").EnumerateArray().First(w => w.GetProperty("name").GetString() == "me").GetProperty("httpProxy").GetString()!;
            using var caller = new Caller(proxy, mesh.Patience);

            // Through our sidecar and theirs, by the service's name, over mutual TLS (STRICT asks for it), to both versions.
            await caller.UntilAsync(answers => answers.Any(a => a.Contains("orders v1")) && answers.Any(a => a.Contains("orders v2")));

            File.Delete(Path.Combine(folder, "v2.yaml"));
            await mesh.LineAsync("orders-v2.shop left the mesh");
            await caller.UntilAsync(answers => answers.Count > 10 && answers.TakeLast(10).All(a => a.Contains("orders v1")));

            File.WriteAllText(Path.Combine(folder, "route.yaml"), "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: orders, namespace: shop}\nspec: {hosts: [orders], http: [{timeout: many, route: [{destination: {host: orders}}]}]}\n");
            await mesh.LineAsync("VirtualService/shop/orders in .*route.yaml:4 was refused: spec.http.0..timeout");

            await caller.UntilAsync(answers => answers.Count > 10 && answers.TakeLast(10).All(a => a.Contains("orders v1")));
        }
        var sidecar = new Uri(proxy);
        Assert.DoesNotContain(System.Net.NetworkInformation.IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners(), l => l.Address.ToString() == sidecar.Host);
    }

    [Fact]
    public async Task A_folder_without_local_processes_is_told_how_to_declare_one()
    {
        foreach (var file in Directory.EnumerateFiles(folder)) File.Delete(file);
        using var process = Process.Start(new ProcessStartInfo(Programs.Meshctl, ["run", folder]) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(1, process.ExitCode);
        Assert.StartsWith("Error: the folder declares no local process. Write a WorkloadEntry", error);
    }

    private void Write(string version, int number) => File.WriteAllText(Path.Combine(folder, $"{version}.yaml"), $$$"""
        apiVersion: networking.istio.io/v1
        kind: WorkloadEntry
        metadata:
          name: orders-{{{version}}}
          namespace: shop
          annotations: {run.meshctl/command: "{{{Programs.SampleService}}} --name orders --version {{{version}}} --listen 127.0.0.1:{{{number}}}"}
        spec: {address: 127.0.0.1, serviceAccount: orders, labels: {app: orders, version: {{{version}}}}, ports: {http: {{{number}}}}}
        """);

    private sealed class Caller(string proxy, CancellationToken patience) : IDisposable
    {
        private readonly HttpClient client = new(new SocketsHttpHandler { Proxy = new WebProxy(proxy), UseProxy = true }) { Timeout = TimeSpan.FromSeconds(20) };

        public async Task UntilAsync(Func<List<string>, bool> isEnough)
        {
            var answers = new List<string>();
            while (!isEnough(answers))
            {
                using var answer = await client.GetAsync(new Uri("http://orders/"), patience);
                answers.Add($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(patience)}");
            }
        }

        public void Dispose() => client.Dispose();
    }
}
