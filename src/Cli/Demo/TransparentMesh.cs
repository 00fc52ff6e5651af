using System.Diagnostics;
using System.Net;
using Mesh.Cli.Local;

namespace Mesh.Cli.Demo;

/// <summary>
/// The demo with each workload in a network namespace of its own and the real redirection: the frontend calls http://backend:8080 and knows of no proxy.
/// Needs root. The namespaces, the bridge and their files are gone with it.
/// </summary>
internal sealed class TransparentMesh(LocalMesh mesh, Programs programs, TimeProvider time) : IDemoMesh
{
    private const string Bridge = "meshdemo0";
    private const int IngressPort = 8080;

    // 10.78.0.0/24 between the namespaces; the services' addresses (10.96.78.x) exist only in the proxies' configuration.
    public static readonly IPAddress Host = new([10, 78, 0, 1]);

    private static readonly IReadOnlyList<Workload> Cast =
        [.. DemoMesh.Cast.Select((w, i) => w with { Address = new([10, 78, 0, (byte)(10 + i)]), AppPort = w.IsGateway ? 0 : 8080, InboundPort = 0 })];

    private static readonly (string Name, string Address)[] Services = [("frontend", "10.96.78.1"), ("backend", "10.96.78.2")];

    public IReadOnlyList<Workload> Workloads => Cast;

    public Uri Ingress { get; } = new($"http://{Cast.First(w => w.IsGateway).Address}:{IngressPort}/");

    public async Task StartAsync(CancellationToken cancel)
    {
        if (!Environment.IsPrivilegedProcess) throw new LocalMeshException("--transparent makes network namespaces and needs root: run it with sudo, or leave the flag away");

        await RemoveNetworkAsync();
        await MakeNetworkAsync();
        DemoYaml.CopySamples(programs, mesh.Settings.Folder);
        File.WriteAllText(Path.Combine(mesh.Settings.Folder, "90-ingress.yaml"), DemoYaml.Ingress("0.0.0.0", IngressPort));
        File.WriteAllText(Path.Combine(mesh.Settings.Folder, "99-workloads.yaml"), string.Concat(Workloads.Select(w => w.Yaml(captured: true))));
        await mesh.StartControlPlaneAsync(cancel);
        await mesh.RequireAcceptedAsync(cancel);
        await Task.WhenAll(Workloads.Where(w => !w.IsGateway).Select(w => StartApplicationAsync(w, cancel))
            .Concat(Workloads.Select(w => mesh.StartProxyAsync(w, cancel, Network(w)))));
    }

    public Task<EdgeStats> ReadEdgesAsync(CancellationToken cancel) => EdgeStats.ReadAsync(mesh, Workloads, cancel);

    public async ValueTask DisposeAsync()
    {
        await mesh.StopAsync();
        await RemoveNetworkAsync();
    }

    private async Task StartApplicationAsync(Workload workload, CancellationToken cancel)
    {
        string[] calls = workload.Calls ? ["--calls", "http://backend:8080/"] : [];
        var child = mesh.StartProgram($"app-{workload.Name}", programs.SampleService,
            ["--name", workload.App, "--version", workload.Version, "--listen", $"0.0.0.0:{workload.AppPort}", .. calls], network: Network(workload));
        // Asked on the proxy's status port's side of the rules, a connection from the host would be redirected; the log tells that it listens.
        await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancel);
        if (child.HasExited) throw new LocalMeshException($"{child.Name} ended at once:\n{child.LastLines(5)}");
    }

    private async Task MakeNetworkAsync()
    {
        await RunAsync("ip", "link", "add", Bridge, "type", "bridge");
        await RunAsync("ip", "address", "add", $"{Host}/24", "dev", Bridge);
        await RunAsync("ip", "link", "set", Bridge, "up");
        foreach (var workload in Workloads) await MakeNamespaceAsync(workload);
    }

    private async Task MakeNamespaceAsync(Workload workload)
    {
        var (network, link) = (Network(workload), Link(workload));
        await RunAsync("ip", "netns", "add", network);
        await RunAsync("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", network);
        await RunAsync("ip", "link", "set", link, "master", Bridge, "up");
        await RunAsync("ip", "-n", network, "link", "set", "lo", "up");
        await RunAsync("ip", "-n", network, "address", "add", $"{workload.Address}/24", "dev", "eth0");
        await RunAsync("ip", "-n", network, "link", "set", "eth0", "up");
        await RunAsync("ip", "-n", network, "route", "add", "default", "via", $"{Host}");

        var files = Directory.CreateDirectory($"/etc/netns/{network}").FullName;
        File.WriteAllText(Path.Combine(files, "hosts"), string.Concat(Services.Select(s => $"{s.Address} {s.Name} {s.Name}.demo {s.Name}.demo.svc.cluster.local\n").Prepend("127.0.0.1 localhost\n")));
        File.WriteAllText(Path.Combine(files, "resolv.conf"), "");
        // A gateway listens where it is called; only sidecars take over the traffic of an application.
        if (!workload.IsGateway) await RunAsync("ip", "netns", "exec", network, programs.Redirect, "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-x", "", "-b", "*", "-d", "15090,15021,15020");
    }

    private static async Task RemoveNetworkAsync()
    {
        foreach (var workload in Cast)
        {
            // The link goes first: a namespace that is still in use somewhere would keep its end for a while.
            await RunAsync("ip", ["link", "delete", Link(workload)], mayFail: true);
            await RunAsync("ip", ["netns", "delete", Network(workload)], mayFail: true);
            if (Directory.Exists($"/etc/netns/{Network(workload)}")) Directory.Delete($"/etc/netns/{Network(workload)}", recursive: true);
        }
        await RunAsync("ip", ["link", "delete", Bridge], mayFail: true);
    }

    private static string Link(Workload workload) => $"mdemo{workload.Address.GetAddressBytes()[3]}";

    private static string Network(Workload workload) => $"meshdemo-{workload.Name}";

    private static Task RunAsync(params string[] words) => RunAsync(words[0], words[1..], mayFail: false);

    private static async Task RunAsync(string program, string[] arguments, bool mayFail)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0 && !mayFail) throw new LocalMeshException($"`{program} {string.Join(' ', arguments)}` failed: {error.Trim()}");
    }
}
