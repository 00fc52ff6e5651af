using System.Net;
using Mesh.Cli.Demo;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl demo</c>: a whole mesh on this machine. No root, no cluster, no containers; only loopback.</summary>
internal static class DemoCommand
{
    private const int RateMax = 2000;

    public static Command Command { get; } = new("demo", "Run a small mesh on this machine: two services, mTLS and an 80/20 canary")
    {
        Example = "meshctl demo\nmeshctl demo --seconds 10 --json",
        Flags =
        [
            Flag.Number("seconds", "stop after so many seconds; 0 runs until Ctrl-C"),
            Flag.Switch("json", "print one JSON object at the end, and nothing else, on standard output"),
            Flag.Text("folder", "where to put the mesh's YAML, which you may edit while it runs; a new temporary folder by default"),
            Flag.Number("rate", "requests per second sent through the gateway", 50),
            Flag.Number("ports-from", "first of the four ports on 127.0.0.1: gateway, xDS, monitoring, readiness", 8080),
            Flag.Text("ca", "a folder with your own authority: ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem; changed files are taken up while it runs"),
            Flag.Text("certificate-lifetime", "how long certificates are valid, such as 10s; they are renewed at half of it"),
            Flag.Switch("ingress", "HTTPS at the gateway too, on the port after the four: https://shop.localhost and https://api.localhost by a generated certificate"),
            Flag.Switch("transparent", "as root: a network namespace for each workload and the real redirection, services called by name"),
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        var seconds = invocation.Number("seconds");
        var firstPort = invocation.Number("ports-from");
        if (seconds < 0) return Outcome.Usage("--seconds takes a number of seconds, 0 or more");
        if (invocation.Number("rate") is < 1 or > RateMax) return Outcome.Usage($"--rate takes a number of requests per second from 1 to {RateMax}");
        if (firstPort is < 1 or > 65531) return Outcome.Usage("--ports-from takes a port from 1 to 65531");
        if (invocation.Is("ingress") && invocation.Is("transparent")) return Outcome.Usage("--ingress is for the demo on loopback: leave out --transparent");
        if (Programs.Find(invocation.Terminal.Environment("MESH_HOME") ?? "", out var missing) is not { } programs)
            return Outcome.Failed(missing);

        using var root = new TemporaryFolder("meshctl-demo-");
        var folder = invocation.Text("folder") is { Length: > 0 } given ? given : Path.Combine(root.Path, "mesh");
        var settings = new LocalMeshSettings(folder, Path.Combine(root.Path, "state"), invocation.Is("transparent") ? TransparentMesh.Host : IPAddress.Loopback, firstPort + 1, firstPort + 2, firstPort + 3)
        {
            CaFolder = invocation.Text("ca") is { Length: > 0 } ca ? ca : null,
            CertificateLifetime = invocation.Text("certificate-lifetime") ?? "",
        };
        var time = invocation.Terminal.Time;
        var started = time.GetTimestamp();

        try
        {
            await using var mesh = new LocalMesh(settings, programs, time);
            IDemoMesh demo = invocation.Is("transparent") ? new TransparentMesh(mesh, programs, time) : new DemoMesh(mesh, programs, time, firstPort, invocation.Is("ingress") ? firstPort + 4 : null);
            await using var cast = demo;
            await demo.StartAsync(cancel);
            using var registry = new LocalRegistry();
            registry.Write($"{settings.ControlPlaneAddress}:{settings.ReadyPort}", folder, demo.Workloads);
            await WatchAsync(invocation, mesh, demo, time.GetElapsedTime(started), seconds, cancel);
            return Outcome.Fine;
        }
        catch (LocalMeshException e)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static async Task WatchAsync(Invocation invocation, LocalMesh mesh, IDemoMesh demo, TimeSpan ready, int seconds, CancellationToken cancel)
    {
        var (time, json) = (invocation.Terminal.Time, invocation.Is("json"));
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (seconds > 0) end.CancelAfter(TimeSpan.FromSeconds(seconds));
        using var load = new Load(demo.Ingress, invocation.Number("rate"), time);
        var calling = load.RunAsync(end.Token);
        if (!json) await invocation.Out.WriteLineAsync(Introduction(mesh, demo, ready));

        var before = new EdgeStats();
        IReadOnlyList<string> refused = [];
        using var tick = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        try
        {
            while (await tick.WaitForNextTickAsync(end.Token))
            {
                var now = await demo.ReadEdgesAsync(end.Token);
                if (!json) await invocation.Out.WriteLineAsync(LiveTable.Rows(now, before, ConfiguredSplit.Read(mesh.Settings.Folder)));
                before = now;
                if (!json) refused = await mesh.TellNewsAsync(refused, invocation.Out, end.Token);
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The end that was asked for: by --seconds or by Ctrl-C.
        }
        await calling;
        if (json) await invocation.Out.WriteLineAsync(LiveTable.Json(await demo.ReadEdgesAsync(CancellationToken.None), ready.TotalMilliseconds, load.Sent, load.Failed));
    }

    private static string Introduction(LocalMesh mesh, IDemoMesh demo, TimeSpan ready)
    {
        var canary = Path.Combine(mesh.Settings.Folder, "03-canary.yaml");
        var second = mesh.Children.First(child => child.Name == "app-backend-v2");
        return $"""
            The mesh is up after {ready.TotalMilliseconds:0} ms: gateway -> frontend -> backend v1 and v2, each behind its own proxy, mutual TLS between all.

              call it              curl {demo.Ingress}{Secured(demo.Tls)}
              change the split     edit the weights in {canary}
              inject a fault       cp {Path.ChangeExtension(canary, "fault.example")} {canary}
              stop version 2       kill {second.Id}
              bad YAML             write `weight: many` there: it is refused, the rest runs on
              no control plane     kill {mesh.ControlPlane!.Id}; it is started again after a moment

            Ctrl-C ends it and leaves nothing behind.

            """;
    }

    private static string Secured(IngressTls? tls) => tls is null ? "" : $"""

          by HTTPS             curl --cacert {tls.AuthorityFile} {tls.Shop}   (also {tls.Api})
          from a browser       let it trust {tls.AuthorityFile}, then open {tls.Shop}
        """.ReplaceLineEndings("\n");
}
