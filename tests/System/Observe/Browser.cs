using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.SystemTests.Observe;

/// <summary>Chromium without a window, driven by its own DevTools protocol: one page, in a profile that is new and thrown away.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private readonly string _profile;
    private readonly Process _process;
    private readonly ClientWebSocket _socket = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonNode?>> _waiting = [];
    private readonly CancellationTokenSource _end = new();
    private readonly SemaphoreSlim _sending = new(1);
    private Task _reading = Task.CompletedTask;
    private int _ids;

    private Browser(Process process, string profile) => (_process, _profile) = (process, profile);

    /// <summary>What the page complained about: console errors, exceptions, refused loads.</summary>
    public ConcurrentQueue<string> Complaints { get; } = [];

    public static async Task<Browser> StartAsync(CancellationToken cancel)
    {
        var profile = Directory.CreateTempSubdirectory("mesh-browser-").FullName;
        string[] flags =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-port=0", $"--user-data-dir={profile}", "--window-size=1280,1400", "about:blank",
        ];
        var process = Process.Start(new ProcessStartInfo("chromium", flags) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var browser = new Browser(process, profile);
        string? line;
        while ((line = await process.StandardError.ReadLineAsync(cancel)) is not null)
        {
            if (!line.StartsWith("DevTools listening on ", StringComparison.Ordinal)) continue;

            var port = new Uri(line["DevTools listening on ".Length..]).Port;
            await browser.AttachAsync(port, cancel);
            _ = process.StandardError.ReadToEndAsync(browser._end.Token);
            return browser;
        }
        throw new InvalidOperationException("chromium ended before it could be driven");
    }

    public async Task OpenAsync(string url, CancellationToken cancel)
    {
        foreach (var domain in (string[])["Page", "Runtime", "Log", "Network"]) await SendAsync($"{domain}.enable", [], cancel);
        await SendAsync("Page.navigate", new() { ["url"] = url }, cancel);
    }

    /// <summary>The value of a JavaScript expression.</summary>
    public async Task<JsonNode?> EvaluateAsync(string expression, CancellationToken cancel)
    {
        var answer = await SendAsync("Runtime.evaluate", new() { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true }, cancel);
        return answer?["exceptionDetails"] is { } wrong ? throw new InvalidOperationException($"{expression}: {wrong}") : answer?["result"]?["value"];
    }

    public async Task<byte[]> ScreenshotAsync(int width, bool isDark, CancellationToken cancel)
    {
        await SendAsync("Emulation.setDeviceMetricsOverride", new() { ["width"] = width, ["height"] = 1400, ["deviceScaleFactor"] = 1, ["mobile"] = false }, cancel);
        await SendAsync("Emulation.setEmulatedMedia", new() { ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = isDark ? "dark" : "light" }) }, cancel);
        var answer = await SendAsync("Page.captureScreenshot", new() { ["format"] = "png" }, cancel);
        return Convert.FromBase64String(answer!["data"]!.GetValue<string>());
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _socket.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
        _sending.Dispose();
        _end.Dispose();
        Directory.Delete(_profile, recursive: true);
    }

    private async Task AttachAsync(int port, CancellationToken cancel)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        var targets = JsonNode.Parse(await client.GetStringAsync(new Uri($"http://127.0.0.1:{port}/json"), cancel))!.AsArray();
        var page = targets.First(target => target!["type"]!.GetValue<string>() == "page")!["webSocketDebuggerUrl"]!.GetValue<string>();
        await _socket.ConnectAsync(new Uri(page), cancel);
        _reading = ReadAsync();
    }

    private async Task<JsonNode?> SendAsync(string method, JsonObject parameters, CancellationToken cancel)
    {
        var id = Interlocked.Increment(ref _ids);
        var answer = _waiting[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var bytes = Encoding.UTF8.GetBytes(new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters }.ToJsonString());
        await _sending.WaitAsync(cancel);
        try
        {
            await _socket.SendAsync(bytes, WebSocketMessageType.Text, true, cancel);
        }
        finally
        {
            _sending.Release();
        }
        return await answer.Task.WaitAsync(cancel);
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[64 * 1024];
        using var message = new MemoryStream();
        try
        {
            while (true)
            {
                var part = await _socket.ReceiveAsync(buffer.AsMemory(), _end.Token);
                if (part.MessageType == WebSocketMessageType.Close) return;
                message.Write(buffer, 0, part.Count);
                if (!part.EndOfMessage) continue;

                Take(JsonNode.Parse(Encoding.UTF8.GetString(message.GetBuffer(), 0, (int)message.Length))!);
                message.SetLength(0);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException or ObjectDisposedException)
        {
            foreach (var waiting in _waiting.Values) waiting.TrySetCanceled();
        }
    }

    private void Take(JsonNode message)
    {
        if (message["id"]?.GetValue<int>() is { } id)
        {
            if (_waiting.TryRemove(id, out var waiting)) waiting.TrySetResult(message["result"]);
            return;
        }
        var parameters = message["params"];
        switch (message["method"]?.GetValue<string>())
        {
            case "Runtime.exceptionThrown": Complaints.Enqueue(parameters!["exceptionDetails"]!.ToJsonString()); break;
            case "Runtime.consoleAPICalled" when parameters!["type"]!.GetValue<string>() is "error" or "assert": Complaints.Enqueue(parameters.ToJsonString()); break;
            case "Log.entryAdded" when parameters!["entry"]!["level"]!.GetValue<string>() == "error": Complaints.Enqueue(parameters["entry"]!.ToJsonString()); break;
        }
    }
}
