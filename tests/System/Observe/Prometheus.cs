using System.Diagnostics;
using System.Text.Json;

namespace Mesh.SystemTests.Observe;

/// <summary>A real Prometheus on a port of its own, scraping every second. Stopped by its own process id.</summary>
internal sealed class Prometheus : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mesh-prometheus-").FullName;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(10) };
    private readonly Process _process;
    private readonly int _port;

    /// <param name="scrapes">Jobs as Prometheus writes them, one YAML list item each.</param>
    public Prometheus(int port, string scrapes)
    {
        _port = port;
        File.WriteAllText(Path.Combine(_folder, "prometheus.yml"), $"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{scrapes}");
        _process = Process.Start(new ProcessStartInfo("prometheus",
            [$"--config.file={_folder}/prometheus.yml", $"--storage.tsdb.path={_folder}/data", $"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]))!;
    }

    /// <returns>How many series the query gives; null while it cannot be asked.</returns>
    /// <exception cref="InvalidOperationException">The query is refused.</exception>
    public async Task<int?> CountAsync(string query, CancellationToken cancel)
    {
        try
        {
            using var form = new FormUrlEncodedContent([KeyValuePair.Create("query", query)]);
            using var answer = await _client.PostAsync(new Uri($"http://127.0.0.1:{_port}/api/v1/query"), form, cancel);
            if ((int)answer.StatusCode >= 500) return null;
            var json = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(cancel)).RootElement;
            if (json.GetProperty("status").GetString() != "success") throw new InvalidOperationException($"{query}: {json}");

            return json.GetProperty("data").GetProperty("result").GetArrayLength();
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _client.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
