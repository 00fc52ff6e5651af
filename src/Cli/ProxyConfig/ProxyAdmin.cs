using Mesh.Cli.Frame;
using Mesh.Cli.Local;

namespace Mesh.Cli.ProxyConfig;

/// <summary>Asks a running proxy's admin port: of a mesh on this machine.</summary>
internal static class ProxyAdmin
{
    /// <param name="pod">[type/]name[.namespace]</param>
    /// <exception cref="ConfigDumpException">No such proxy, or it does not answer.</exception>
    public static Task<string> GetAsync(Invocation invocation, string pod, string path, CancellationToken cancel) =>
        SendAsync(HttpMethod.Get, invocation, pod, path, cancel);

    /// <inheritdoc cref="GetAsync"/>
    public static Task<string> PostAsync(Invocation invocation, string pod, string path, CancellationToken cancel) =>
        SendAsync(HttpMethod.Post, invocation, pod, path, cancel);

    private static async Task<string> SendAsync(HttpMethod method, Invocation invocation, string pod, string path, CancellationToken cancel)
    {
        if (LocalRegistry.Find(pod, invocation.Text("namespace")) is not { } address)
            throw new ConfigDumpException($"no proxy named \"{pod}\": neither a mesh on this machine nor a cluster knows it; `meshctl proxy-status` lists those that are connected");

        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };
        try
        {
            using var request = new HttpRequestMessage(method, new Uri($"http://{address}/{path}"));
            using var answer = await client.SendAsync(request, cancel);
            return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync(cancel);
        }
        catch (HttpRequestException e)
        {
            throw new ConfigDumpException($"the proxy of {pod} does not answer at {address}: {e.Message}", e);
        }
    }
}
