using Mesh.Cli.Control;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;

namespace Mesh.Cli.ProxyConfig;

/// <summary>Asks a running proxy's admin port: of a mesh on this machine, or of a pod through the API server.</summary>
internal static class ProxyAdmin
{
    private const int AdminPort = 15000;

    /// <param name="pod">[type/]name[.namespace]</param>
    /// <exception cref="ConfigDumpException">No such proxy, or it does not answer.</exception>
    public static Task<string> GetAsync(Invocation invocation, string pod, string path, CancellationToken cancel) =>
        SendAsync(HttpMethod.Get, invocation, pod, path, cancel);

    /// <inheritdoc cref="GetAsync"/>
    public static Task<string> PostAsync(Invocation invocation, string pod, string path, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, invocation, pod, path, cancel);

    private static async Task<string> SendAsync(HttpMethod method, Invocation invocation, string pod, string path, CancellationToken cancel)
    {
        var local = LocalRegistry.Find(pod, invocation.Text("namespace"));
        var address = local ?? $"127.0.0.1:{AdminPort}";
        var handler = local is not null ? new SocketsHttpHandler { UseProxy = false } : KubeTunnel.ToPod(invocation, pod, AdminPort)
            ?? throw new ConfigDumpException($"no proxy named \"{pod}\": no mesh on this machine has it, and there is no kubeconfig for a cluster; `meshctl proxy-status` lists those that are connected");
        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(10) };
        try
        {
            using var request = new HttpRequestMessage(method, new Uri($"http://{address}/{path}"));
            using var answer = await client.SendAsync(request, cancel);
            return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(cancel);
        }
        catch (Exception e) when (e is HttpRequestException or ControlPlaneException or IOException)
        {
            throw new ConfigDumpException($"the proxy of {pod} does not answer at {address}: {e.Message}", e);
        }
    }
}
