using System.Net;
using Envoy.Service.Discovery.V3;
using Grpc.Core;
using Grpc.Net.Client;
using Mesh.ControlPlane;
using Mesh.ControlPlane.Ca;

namespace Mesh.Tests.ControlPlane;

/// <summary>A whole control plane in this process: a folder of its own, doors on loopback at ports the kernel chose.</summary>
internal sealed class ControlPlaneRig : IAsyncDisposable
{
    private readonly CancellationTokenSource stop;
    private readonly string root;
    private readonly Task running;
    private readonly Dictionary<string, string> addresses;

    private ControlPlaneRig(Task running, string root, Dictionary<string, string> addresses, CancellationTokenSource stop)
    {
        (this.running, this.root, this.addresses, this.stop) = (running, root, addresses, stop);
        Http = new() { BaseAddress = new(addresses["http"]) };
    }

    public HttpClient Http { get; }
    public string Folder => Path.Combine(root, "config");
    public string State => Path.Combine(root, "state");

    public static async Task<ControlPlaneRig> StartAsync(params (string File, string Yaml)[] files)
    {
        var root = Directory.CreateTempSubdirectory("mesh-istiod-").FullName;
        Directory.CreateDirectory(Path.Combine(root, "config"));
        foreach (var (file, yaml) in files) await File.WriteAllTextAsync(Path.Combine(root, "config", file), yaml);
        var any = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new Options
        {
            Grpc = any,
            SecureGrpc = any,
            Http = any,
            Monitoring = any,
            Folders = [Path.Combine(root, "config")],
            StateFolder = Path.Combine(root, "state"),
        };
        var stop = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var opened = new TaskCompletionSource<IReadOnlyList<string>>();
        var running = Istiod.RunAsync(options, TimeProvider.System, stop.Token, opened.SetResult);
        await Task.WhenAny(opened.Task, running);
        var addresses = (await opened.Task).Select(l => l.Split(' ')).ToDictionary(p => p[0], p => p[1]);
        return new(running, root, addresses, stop);
    }

    public Task WriteAsync(string file, string yaml) => File.WriteAllTextAsync(Path.Combine(Folder, file), yaml);

    /// <summary>Takes the folder up at once, as a tool does that cannot wait for the watch.</summary>
    public async Task<string> FlushAsync()
    {
        using var answer = await Http.PostAsync("/debug/flush", null);
        return await answer.Content.ReadAsStringAsync();
    }

    public string Token(string space, string account) => LocalTokens.Kept(State, TimeProvider.System).Issue(new(space, account), TimeSpan.FromHours(1));

    public GrpcChannel Plain() => GrpcChannel.ForAddress(addresses["grpc"], new() { Credentials = ChannelCredentials.Insecure });

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        Http.Dispose();
        stop.Dispose();
        Directory.Delete(root, recursive: true);
    }
}
