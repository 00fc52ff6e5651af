using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Mesh.Injector;
using Mesh.SystemTests.Iptables;

namespace Mesh.SystemTests.Story;

/// <summary>A pod's network, its processes and what they said. Gone when disposed.</summary>
internal sealed class RunningPod(JsonObject pod, string address, string folder) : IDisposable
{
    private const int LinesMax = 2_000;
    private readonly ConcurrentDictionary<string, (Process Process, ConcurrentQueue<string> Lines)> containers = [];
    private readonly ConcurrentDictionary<string, Task> reading = [];

    public JsonObject Object => pod;
    public string Name => pod.At("metadata", "name").Text()!;
    public string Address => address;
    public string Folder => folder;
    public NetworkSpace Network { get; } = new();

    public void Add(string name, Process process)
    {
        var lines = new ConcurrentQueue<string>();
        containers[name] = (process, lines);
        reading[name] = Task.WhenAll(ReadAsync(process.StandardOutput, lines), ReadAsync(process.StandardError, lines));
    }

    /// <summary>An init container runs to its end before the next begins.</summary>
    public void MustEndWell(string name)
    {
        var process = containers[name].Process;
        process.WaitForExit();
        reading[name].GetAwaiter().GetResult();
        Assert.True(process.ExitCode == 0, $"init container {name} of {Name} ended with {process.ExitCode}: {Log(name)}");
    }

    public string Log(string container) => string.Join('\n', containers[container].Lines);

    /// <summary>A client whose connections begin inside the pod, as the application's do.</summary>
    public HttpClient Client() => new(new SocketsHttpHandler
    {
        UseProxy = false,
        ActivityHeadersPropagator = null,
        ConnectCallback = async (context, cancel) =>
        {
            var socket = Network.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(context.DnsEndPoint.Host), context.DnsEndPoint.Port), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    { Timeout = TimeSpan.FromSeconds(20) };

    /// <summary>SIGKILL, as after a crash.</summary>
    public void Kill(string container)
    {
        var process = containers[container].Process;
        if (!process.HasExited) process.Kill();
        process.WaitForExit();
    }

    /// <summary>What the proxy says when it is asked whether it is ready; status 0 while nobody answers.</summary>
    public async Task<(int Status, string Body)> ReadinessAsync()
    {
        using var probe = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
        try
        {
            using var answer = await probe.GetAsync(new Uri($"http://{address}:15021/healthz/ready"));
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return (0, e.Message);
        }
    }

    public Task ProxyReadyAsync() => AnswersAsync($"http://{address}:15021/healthz/ready");

    /// <summary>Until proxy and application answer their probes with 200, both asked as a kubelet asks.</summary>
    public async Task ReadyAsync()
    {
        await AnswersAsync($"http://{address}:15021/healthz/ready");
        await AnswersAsync($"http://{address}:15020/app-health/app/livez");
    }

    /// <summary>SIGTERM to a container, as the kubelet sends it.</summary>
    public async Task<int> StopAsync(string container, TimeSpan grace)
    {
        var process = containers[container].Process;
        using var kill = Process.Start("kill", ["-TERM", $"{process.Id}"])!;
        await process.WaitForExitAsync().WaitAsync(grace);
        return process.ExitCode;
    }

    /// <summary>Until the container has ended by itself.</summary>
    public async Task<int> EndAsync(string container, TimeSpan grace)
    {
        var process = containers[container].Process;
        await process.WaitForExitAsync().WaitAsync(grace);
        return process.ExitCode;
    }

    public void Dispose()
    {
        foreach (var (process, _) in containers.Values)
        {
            if (!process.HasExited) process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
        Network.Dispose();
    }

    private async Task AnswersAsync(string page)
    {
        using var probe = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
        using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var tries = 0; tries < 900; tries++)
        {
            try
            {
                using var answer = await probe.GetAsync(new Uri(page));
                if (answer.IsSuccessStatusCode) return;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                Assert.False(containers["istio-proxy"].Process.HasExited, $"{Name}: the proxy ended: {Log("istio-proxy")}");
            }
            await again.WaitForNextTickAsync();
        }
        Assert.Fail($"{Name}: {page} was never answered with 200: {Log("istio-proxy")}");
    }

    private static async Task ReadAsync(StreamReader reader, ConcurrentQueue<string> lines)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lines.Enqueue(line);
            if (lines.Count > LinesMax) lines.TryDequeue(out _);
        }
    }
}
