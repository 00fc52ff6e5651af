using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;
using Mesh.Cli.Output;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl run FOLDER</c>: the user's own YAML and the user's own processes as a mesh on this machine. No root, no cluster, no containers.</summary>
internal static class RunCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    public static Command Command { get; } = new("run", "Run a folder of YAML as a mesh on this machine, with a sidecar beside each local process that it declares")
    {
        Arguments = "FOLDER",
        Example = "meshctl run samples/local",
        Flags =
        [
            Flag.Number("seconds", "stop after so many seconds; 0 runs until Ctrl-C"),
            Flag.Switch("json", "when all is ready, print one JSON object and nothing else on standard output"),
        ],
        Run = RunAsync,
    };

    private static async Task<Outcome> RunAsync(Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Arguments.Count != 1) return Outcome.Usage("run takes the folder that holds the mesh's YAML");
        if (invocation.Number("seconds") is < 0 and var seconds) return Outcome.Usage("--seconds takes a number of seconds, 0 or more");
        var folder = Path.GetFullPath(invocation.First);
        if (!Directory.Exists(folder)) return Outcome.Failed($"{folder} is no folder");
        if (Programs.Find(invocation.Terminal.Environment("MESH_HOME") ?? "", out var missing) is not { } programs) return Outcome.Failed(missing);

        using var root = new TemporaryFolder("meshctl-run-");
        var ports = FreePorts(3);
        var settings = new LocalMeshSettings(folder, Path.Combine(root.Path, "state"), IPAddress.Loopback, ports[0], ports[1], ports[2]) { Overlay = Path.Combine(root.Path, "local") };
        try
        {
            await using var mesh = new LocalMesh(settings, programs, invocation.Terminal.Time);
            await RunAsync(invocation, mesh, cancel);
            return Outcome.Fine;
        }
        catch (LocalMeshException e)
        {
            return Outcome.Failed(e.Message);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            return Outcome.Fine; // Ctrl-C is how it ends
        }
    }

    private static async Task RunAsync(Invocation invocation, LocalMesh mesh, CancellationToken cancel)
    {
        var time = invocation.Terminal.Time;
        var started = time.GetTimestamp();
        var running = new FolderMesh(mesh, time);
        await running.StartAsync(cancel);
        using var registry = new LocalRegistry();
        var ready = time.GetElapsedTime(started);
        await invocation.Out.WriteLineAsync(invocation.Is("json") ? Json(running, ready) : Introduction(mesh, running, ready));

        var news = invocation.Is("json") ? invocation.Error : invocation.Out;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (invocation.Number("seconds") is > 0 and var seconds) end.CancelAfter(TimeSpan.FromSeconds(seconds));
        using var tick = new PeriodicTimer(LookEvery, time);
        IReadOnlyList<string> refused = [];
        try
        {
            do
            {
                registry.Write($"{mesh.Settings.ControlPlaneAddress}:{mesh.Settings.ReadyPort}", mesh.Settings.Folder, running.Workloads.Select(one => one.Entry.At(one.Address)));
                refused = await mesh.TellNewsAsync(refused, news, end.Token);
                await running.LookAsync(end.Token);
            }
            while (await tick.WaitForNextTickAsync(end.Token));
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The end that was asked for: by --seconds or by Ctrl-C.
        }
    }

    private static string Introduction(LocalMesh mesh, FolderMesh running, TimeSpan ready)
    {
        var table = new Table(gap: 2).Add("WORKLOAD", "APPLICATION", "SIDECAR", "CALLS OTHERS THROUGH");
        foreach (var (entry, address) in running.Workloads)
            table.Add(
                entry.FullName, entry.IsGateway ? "(gateway)" : entry.Ports.Count == 0 ? "-" : string.Join(",", entry.Ports.Values.Select(port => $"{LocalEntry.LocalAddress}:{port}")),
                $"{address}", entry.IsGateway ? "-" : $"http_proxy=http://{address}:{LocalEntry.HttpProxyPort}");
        using var text = new StringWriter();
        table.Write(text);
        return $"""
            The mesh is up after {ready.TotalMilliseconds:0} ms. Edit the YAML in {mesh.Settings.Folder}: changes take effect at once.

            {text}
            Logs: {mesh.Settings.State}. Ctrl-C ends it and leaves nothing behind.

            """;
    }

    private static string Json(FolderMesh running, TimeSpan ready)
    {
        var workloads = new JsonArray();
        foreach (var (entry, address) in running.Workloads)
            workloads.Add((JsonNode)new JsonObject
            {
                ["name"] = entry.Name,
                ["namespace"] = entry.Namespace,
                ["address"] = $"{address}",
                ["httpProxy"] = entry.IsGateway ? null : $"http://{address}:{LocalEntry.HttpProxyPort}",
            });
        return new JsonObject { ["readyMs"] = Math.Round(ready.TotalMilliseconds), ["workloads"] = workloads }.ToJsonString();
    }

    private static int[] FreePorts(int count)
    {
        var sockets = Enumerable.Range(0, count).Select(_ => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)).ToList();
        try
        {
            foreach (var socket in sockets) socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return [.. sockets.Select(socket => ((IPEndPoint)socket.LocalEndPoint!).Port)];
        }
        finally
        {
            foreach (var socket in sockets) socket.Dispose();
        }
    }
}
