using System.Globalization;

namespace Mesh.Proxy.Admin;

/// <summary>
/// What pods run inside the proxy's container, under the name pilot-agent: <c>wait</c> until the proxy is ready (postStart), <c>request</c> to its own
/// ports (preStop). The image has neither a shell nor curl.
/// </summary>
internal static class AgentVerbs
{
    private const int StatusPort = 15020;
    private const int AdminPort = 15000;

    public static bool Knows(string verb) => verb is "wait" or "request";

    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, HttpMessageHandler network, TimeProvider time, TextWriter output, TextWriter error)
    {
        var words = new List<string>();
        var flags = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 1; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (!argument.StartsWith("--", StringComparison.Ordinal)) words.Add(argument);
            else if (argument.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals) flags[argument[..equals]] = argument[(equals + 1)..];
            else if (i + 1 < arguments.Count) flags[argument] = arguments[++i];
        }
        using var http = new HttpClient(network, disposeHandler: false);
        return arguments[0] == "wait" ? await WaitAsync(http, flags, time, error) : await RequestAsync(http, words, flags, output, error);
    }

    private static async Task<int> WaitAsync(HttpClient http, Dictionary<string, string> flags, TimeProvider time, TextWriter error)
    {
        var url = flags.GetValueOrDefault("--url", "http://localhost:15021/healthz/ready");
        var patience = Number(flags, "--timeoutSeconds", 60);
        var period = TimeSpan.FromMilliseconds(Number(flags, "--periodMillis", 500));
        http.Timeout = TimeSpan.FromMilliseconds(Math.Max(1, Number(flags, "--requestTimeoutMillis", 500)));
        var started = time.GetTimestamp();
        var last = "";
        do
        {
            try
            {
                using var answer = await http.GetAsync(new Uri(url));
                if ((int)answer.StatusCode == 200) return 0;
                last = $"{(int)answer.StatusCode}";
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                last = e.Message;
            }
            await Task.Delay(period, time);
        } while (time.GetElapsedTime(started) < TimeSpan.FromSeconds(patience));
        await error.WriteLineAsync($"mesh-proxy: the proxy is not ready after {patience} s: {url} says {last}");
        return 1;
    }

    private static async Task<int> RequestAsync(HttpClient http, List<string> words, Dictionary<string, string> flags, TextWriter output, TextWriter error)
    {
        if (words is not [var method, var path])
        {
            await error.WriteLineAsync("mesh-proxy: request METHOD PATH [--debug-port PORT]");
            return 64;
        }
        // Asked by a port of its own it is the status server's, otherwise the admin's, as Istio's agent does.
        var port = flags.ContainsKey("--debug-port") ? Number(flags, "--debug-port", StatusPort) : AdminPort;
        try
        {
            using var request = new HttpRequestMessage(new(method.ToUpperInvariant()), new Uri($"http://localhost:{port}/{path.TrimStart('/')}"));
            using var answer = await http.SendAsync(request);
            await output.WriteAsync(await answer.Content.ReadAsStringAsync());
            if (answer.IsSuccessStatusCode) return 0;
            await error.WriteLineAsync($"mesh-proxy: {method} /{path.TrimStart('/')} at port {port}: {(int)answer.StatusCode}");
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            await error.WriteLineAsync($"mesh-proxy: {method} /{path.TrimStart('/')} at port {port}: {e.Message}");
        }
        return 1;
    }

    private static int Number(Dictionary<string, string> flags, string name, int fallback) =>
        flags.TryGetValue(name, out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : fallback;
}
