using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Proxy.Admin;

/// <summary>The proxy's metrics with the application's behind them, so that one scrape of the pod gives both. An application that does not answer fails nothing.</summary>
internal sealed class MergedMetrics(Bootstrap bootstrap) : IDisposable
{
    private const long AppBytesMax = 10 * 1024 * 1024;
    private static readonly TimeSpan AppTimeout = TimeSpan.FromSeconds(5);

    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = AppTimeout, MaxResponseContentBufferSize = AppBytesMax };
    private readonly Uri? _app = AppOf(bootstrap);
    private long _failures;

    public async Task<string> CollectAsync(string own, AdminRequest request)
    {
        var text = new StringBuilder(own);
        if (_app is not null)
        {
            try
            {
                using var ask = new HttpRequestMessage(HttpMethod.Get, _app);
                if (request.Headers.TryGetValue("accept", out var accept)) ask.Headers.TryAddWithoutValidation("accept", accept);
                using var answer = await _client.SendAsync(ask);
                if (answer.IsSuccessStatusCode) Append(text, await answer.Content.ReadAsStringAsync());
                else _failures++;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                _failures++;
            }
        }
        text.Append("# TYPE istio_agent_scrape_failures_total counter\nistio_agent_scrape_failures_total{type=\"application\"} ").Append(_failures).Append('\n');
        return text.ToString();
    }

    public void Dispose() => _client.Dispose();

    private static void Append(StringBuilder text, string app)
    {
        // OpenMetrics ends with a line of its own; in the middle of a page it would end everything.
        foreach (var line in app.Split('\n'))
            if (line is not ("# EOF" or "")) text.Append(line).Append('\n');
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
