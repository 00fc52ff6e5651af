using System.Net;
using Mesh.Cli.Manifests;
using Mesh.ControlPlane;
using Mesh.Kube;
using Mesh.Tests.Cli;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>A cluster double with the mesh installed by meshctl and a real control plane behind its webhooks.</summary>
internal sealed class ClusterRig : IAsyncDisposable
{
    private readonly CancellationTokenSource stop = new(TimeSpan.FromSeconds(300));
    private readonly string folder = Directory.CreateTempSubdirectory("mesh-kube-").FullName;
    private Task running = Task.CompletedTask;
    private CancellationTokenSource plane = new();
    private Func<Options, Options> change = options => options;

    public FakeCluster Cluster { get; private init; } = null!;
    public string Kubeconfig => Path.Combine(folder, "kubeconfig");
    public IReadOnlyDictionary<string, string> Addresses { get; private set; } = new Dictionary<string, string>();

    /// <param name="secure">Where proxies find the control plane; null: on loopback, the kernel chooses the port.</param>
    public static async Task<ClusterRig> StartAsync(string profile = "minimal", IPEndPoint? secure = null, Func<Options, Options>? change = null)
    {
        var rig = new ClusterRig { Cluster = await FakeCluster.StartAsync() };
        rig.Cluster.WriteKubeconfig(rig.Kubeconfig);
        var (exit, _, error) = await rig.MeshctlAsync("install", "-y", "--set", $"profile={profile}");
        Assert.True(exit == 0, error);
        rig.change = change ?? rig.change;
        await rig.StartIstiodAsync(secure);
        return rig;
    }

    public Task<(int Exit, string Out, string Error)> MeshctlAsync(params string[] arguments) => InProcessCli.RunAsync([.. arguments, "--kubeconfig", Kubeconfig]);

    /// <summary>Until it is so, or the test is over.</summary>
    public async Task Until(Func<bool> isSo, string what)
    {
        try
        {
            while (true)
            {
                var next = Cluster.NextAsync();
                if (isSo()) return;
                await next.WaitAsync(TimeSpan.FromMinutes(2), stop.Token);
            }
        }
        catch (TimeoutException)
        {
            Assert.Fail($"never: {what}");
        }
    }

    /// <summary>The control plane ends; nobody answers at its addresses.</summary>
    public async Task StopIstiodAsync()
    {
        Cluster.Admission.Address = null;
        await plane.CancelAsync();
        await running;
    }

    /// <param name="secure">Where proxies look for it.</param>
    public async Task StartIstiodAsync(IPEndPoint? secure)
    {
        plane.Dispose();
        plane = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        await RunIstiodAsync(secure);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running;
        await Cluster.DisposeAsync();
        plane.Dispose();
        stop.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private async Task RunIstiodAsync(IPEndPoint? secure)
    {
        var any = new IPEndPoint(IPAddress.Loopback, 0);
        var options = new Options
        {
            Grpc = any, SecureGrpc = secure ?? any, Http = any, Monitoring = any, Webhooks = any,
            Kube = new()
            {
                Kubeconfig = Kubeconfig,
                Replica = "istiod-1",
                Times = new() { BackoffMin = TimeSpan.FromMilliseconds(20), BackoffMax = TimeSpan.FromMilliseconds(100), AbsentRetry = TimeSpan.FromMilliseconds(200) },
            },
        };
        var opened = new TaskCompletionSource<IReadOnlyList<string>>();
        running = Istiod.RunAsync(change(options), TimeProvider.System, plane.Token, opened.SetResult);
        await Task.WhenAny(opened.Task, running);
        Addresses = (await opened.Task).Select(l => l.Split(' ')).ToDictionary(p => p[0], p => p[1]);
        Cluster.Admission.Address = new(Addresses["webhooks"]);
    }
}
