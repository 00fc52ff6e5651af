using System.Net;
using Mesh.Cli.Local;

namespace Mesh.Cli.Demo;

/// <summary>The demo's cast: a gateway, a frontend and a backend in two versions, each behind a proxy of its own, on loopback addresses.</summary>
/// <param name="tlsPort">Null: no HTTPS.</param>
internal sealed class DemoMesh(LocalMesh mesh, Programs programs, TimeProvider time, int ingressPort, int? tlsPort = null) : IDemoMesh
{
    public const string Namespace = "demo";

    public static Workload Gateway { get; } = new("istio-ingressgateway", "istio-system", "istio-ingressgateway", "v1", "istio-ingressgateway-service-account", Address(10)) { IsGateway = true };
    public static Workload Frontend { get; } = new("frontend-v1", Namespace, "frontend", "v1", "frontend", Address(11)) { AppPort = 3000, Calls = true };
    public static Workload BackendV1 { get; } = new("backend-v1", Namespace, "backend", "v1", "backend", Address(12)) { AppPort = 3000 };
    public static Workload BackendV2 { get; } = new("backend-v2", Namespace, "backend", "v2", "backend", Address(13)) { AppPort = 3000 };

    public static IReadOnlyList<Workload> Cast { get; } = [BackendV1, BackendV2, Frontend, Gateway];

    public IReadOnlyList<Workload> Workloads => Cast;

    public IngressTls? Tls { get; private set; }

    public Uri Ingress { get; } = new($"http://127.0.0.1:{ingressPort}/");

    /// <summary>Control plane first, then all the rest side by side.</summary>
    public async Task StartAsync(CancellationToken cancel)
    {
        foreach (var port in tlsPort is { } tls ? (int[])[ingressPort, tls] : [ingressPort]) LocalMesh.RequireFree(new(IPAddress.Loopback, port));
        WriteFolder();
        await mesh.StartControlPlaneAsync(cancel);
        await mesh.RequireAcceptedAsync(cancel);
        await Task.WhenAll(Workloads.Where(w => !w.IsGateway).Select(w => StartApplicationAsync(w, cancel))
            .Concat(Workloads.Select(w => mesh.StartProxyAsync(w, cancel))));
    }

    public Task<EdgeStats> ReadEdgesAsync(CancellationToken cancel) => EdgeStats.ReadAsync(mesh, Workloads, cancel);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task StartApplicationAsync(Workload workload, CancellationToken cancel)
    {
        var listen = new IPEndPoint(workload.Address, workload.AppPort);
        string[] calls = workload.Calls ? ["--calls", "http://backend:8080/", "--through", $"{workload.Address}:{workload.ServicePort}"] : [];
        var child = mesh.StartProgram($"app-{workload.Name}", programs.SampleService,
            ["--name", workload.App, "--version", workload.Version, "--listen", $"{listen}", .. calls]);
        await LocalMesh.WaitListeningAsync(child, listen, time, cancel);
    }

    private void WriteFolder()
    {
        var folder = mesh.Settings.Folder;
        DemoYaml.CopySamples(programs, folder);
        File.WriteAllText(Path.Combine(folder, "90-ingress.yaml"), DemoYaml.Ingress("127.0.0.1", ingressPort));
        if (tlsPort is { } port) Tls = IngressTls.Write(folder, "127.0.0.1", port, time);
        File.WriteAllText(Path.Combine(folder, "99-workloads.yaml"), string.Concat(Workloads.Select(w => w.Yaml(captured: false))));
    }

    // 127.77.0.x: a loopback address for each workload, so that all can use the usual ports.
    private static IPAddress Address(byte last) => new([127, 77, 0, last]);
}
