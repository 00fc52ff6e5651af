using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Local;

namespace Mesh.Cli.Control;

/// <summary>Asks the control plane's own pages: of the mesh named by --control-plane, of one that runs on this machine, or of the cluster.</summary>
internal sealed class ControlPlaneClient : IDisposable
{
    public static readonly Flag Address = Flag.Text("control-plane", "host:port where the control plane answers; a mesh on this machine is found by itself");

    private readonly HttpClient client;

    private ControlPlaneClient(Uri address, HttpMessageHandler handler)
    {
        client = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        Where = address;
    }

    public Uri Where { get; }

    /// <exception cref="ControlPlaneException">There is none to be found; the message says what to do.</exception>
    public static ControlPlaneClient Connect(Invocation invocation)
    {
        var address = invocation.Text("control-plane") is { Length: > 0 } given ? given : LocalRegistry.ControlPlane();
        if (address is not null) return new(new($"http://{address}/"), new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(5) });

        var tunnel = KubeTunnel.ToControlPlane(invocation)
            ?? throw new ControlPlaneException("no mesh was found: none runs on this machine (`meshctl demo` starts one), and there is no kubeconfig for a cluster; --control-plane host:port names one");
        return new(new("http://127.0.0.1/"), tunnel);
    }

    /// <exception cref="ControlPlaneException">It does not answer, or not with success.</exception>
    public async Task<JsonNode?> GetAsync(string path, CancellationToken cancel)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(15));
        try
        {
            using var answer = await client.GetAsync(new Uri(path, UriKind.Relative), patience.Token);
            var text = await answer.Content.ReadAsStringAsync(patience.Token);
            if (!answer.IsSuccessStatusCode) throw new ControlPlaneException($"the control plane answers {(int)answer.StatusCode} to /{path}: {text.Trim()}");
            return JsonNode.Parse(text);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or IOException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            throw new ControlPlaneException($"the control plane does not answer at {Where}: {e.Message}", e);
        }
    }

    /// <summary>A JSON object a line, until cancelled or the other side ends.</summary>
    public async IAsyncEnumerable<JsonNode> LinesAsync(string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        using var answer = await OpenAsync(path, cancel);
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(cancel));
        while (await reader.ReadLineAsync(cancel) is { } line)
            if (line.Length > 0 && JsonNode.Parse(line) is { } node) yield return node;
    }

    public void Dispose() => client.Dispose();

    private async Task<HttpResponseMessage> OpenAsync(string path, CancellationToken cancel)
    {
        try
        {
            var answer = await client.GetAsync(new Uri(path, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, cancel);
            return answer.IsSuccessStatusCode ? answer : throw new ControlPlaneException($"the control plane answers {(int)answer.StatusCode} to /{path}");
        }
        catch (HttpRequestException e)
        {
            throw new ControlPlaneException($"the control plane does not answer at {Where}: {e.Message}", e);
        }
    }
}

internal sealed class ControlPlaneException(string message, Exception? cause = null) : Exception(message, cause);
