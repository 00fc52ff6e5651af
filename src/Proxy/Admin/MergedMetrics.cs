using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Proxy.Observe;

namespace Mesh.Proxy.Admin;

/// <summary>The proxy's metrics with the application's behind them, so that one scrape of the pod gives both. An application that does not answer fails nothing.</summary>
internal sealed class MergedMetrics(Bootstrap bootstrap) : IDisposable
{
    private const long AppBytesMax = 10 * 1024 * 1024;
    private static readonly TimeSpan AppTimeout = TimeSpan.FromSeconds(5);

    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = AppTimeout, MaxResponseContentBufferSize = AppBytesMax };
    private readonly Uri? _app = AppOf(bootstrap);
    private long _failures;

    /// <summary>Part by part, each to be sent before the next is asked for.</summary>
    public async IAsyncEnumerable<PooledText> CollectAsync(IEnumerable<PooledText> own, AdminRequest request)
    {
        foreach (var part in own) yield return part;

        using var text = new PooledText();
        if (_app is not null)
        {
            if (await AskAsync(_app, request) is { } page) AppendLines(text, page);
            else _failures++;
        }
        text.Append("# TYPE istio_agent_scrape_failures_total counter\nistio_agent_scrape_failures_total{type=\"application\"} "u8).Append(_failures).Append("\n"u8);
        yield return text;
    }

    public void Dispose() => _client.Dispose();

    private async Task<byte[]?> AskAsync(Uri app, AdminRequest request)
    {
        try
        {
            using var ask = new HttpRequestMessage(HttpMethod.Get, app);
            if (request.Headers.TryGetValue("accept", out var accept)) ask.Headers.TryAddWithoutValidation("accept", accept);
            using var answer = await _client.SendAsync(ask);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsByteArrayAsync() : null;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return null;
        }
    }

    private static void AppendLines(PooledText text, ReadOnlySpan<byte> page)
    {
        // OpenMetrics ends with a line of its own; in the middle of a page it would end everything.
        foreach (var range in page.Split((byte)'\n'))
        {
            var line = page[range];
            if (!line.IsEmpty && !line.SequenceEqual("# EOF"u8)) text.Append(line).Append("\n"u8);
        }
    }

    private static Uri? AppOf(Bootstrap bootstrap)
    {
        if (string.IsNullOrEmpty(bootstrap.PrometheusAnnotations)) return null;

        try
        {
            if (JsonNode.Parse(bootstrap.PrometheusAnnotations) is not JsonObject wish || wish["scrape"]?.ToString() is not "true") return null;

            var port = wish["port"]?.ToString() is { Length: > 0 } p ? p : "80";
            var path = wish["path"]?.ToString() is { Length: > 0 } q ? q : "/metrics";
            return new($"http://{bootstrap.AppAddress}:{port}{(path.StartsWith('/') ? path : "/" + path)}");
        }
        catch (Exception e) when (e is JsonException or UriFormatException)
        {
            throw new BootstrapException($"ISTIO_PROMETHEUS_ANNOTATIONS: {e.Message}", e);
        }
    }
}
