using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using System.Threading.Channels;

namespace Mesh.SystemTests.Demo;

/// <summary>meshctl as a user runs it, in the foreground: what it prints, and the way to end it. Every wait is for a condition and has an end.</summary>
internal sealed class RunningMesh : IAsyncDisposable
{
    private static readonly TimeSpan PatienceMax = TimeSpan.FromSeconds(90);

    private readonly Process process;
    private readonly Channel<string> lines = Channel.CreateUnbounded<string>();
    private readonly List<string> seen = [];
    private readonly CancellationTokenSource patience;
    private readonly HttpClient client;

    private RunningMesh(Process process, IWebProxy? proxy, TimeSpan patience)
    {
        this.process = process;
        this.patience = new(patience);
        client = new(new SocketsHttpHandler { UseProxy = proxy is not null, Proxy = proxy }) { Timeout = TimeSpan.FromSeconds(20) };
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

    public CancellationToken Patience => patience.Token;

    /// <param name="proxy">Through which <see cref="CallAsync"/> calls; null: straight.</param>
    /// <param name="patience">How long all waits together may take; null: a minute and a half.</param>
    public static RunningMesh Start(string[] arguments, IWebProxy? proxy = null, TimeSpan? patience = null)
    {
        var process = new Process { StartInfo = new(Programs.Meshctl, arguments) { RedirectStandardOutput = true, RedirectStandardError = true } };
        var mesh = new RunningMesh(process, proxy, patience ?? PatienceMax);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return mesh;
    }

    /// <summary>The next line, from where the last call stopped, that matches.</summary>
    public async Task<Match> LineAsync(string pattern)
    {
        try
        {
            while (await lines.Reader.WaitToReadAsync(Patience))
                while (lines.Reader.TryRead(out var line))
                {
                    seen.Add(line);
                    if (Regex.Match(line, pattern) is { Success: true } match) return match;
                }
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"no line matched \"{pattern}\" in time; the output was:\n{string.Join('\n', seen)}");
        }
        Assert.Fail($"the program ended before a line matched \"{pattern}\"; the output was:\n{string.Join('\n', seen)}");
        throw new UnreachableException();
    }

    /// <summary>Whether a line that matches was printed since the last call of <see cref="LineAsync"/>; waits for nothing.</summary>
    public bool HasPrinted(string pattern)
    {
        while (lines.Reader.TryRead(out var line))
        {
            seen.Add(line);
            if (Regex.IsMatch(line, pattern)) return true;
        }
        return false;
    }

    public async Task<(int Status, string Body)> CallAsync(string url)
    {
        using var answer = await client.GetAsync(new Uri(url), Patience);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Patience));
    }

    /// <summary>Calls again and again until the answers so far are enough.</summary>
    public async Task<List<(int Status, string Body)>> CallUntilAsync(string url, Func<List<(int Status, string Body)>, bool> isEnough)
    {
        var answers = new List<(int, string)>();
        while (!isEnough(answers))
        {
            Assert.False(Patience.IsCancellationRequested, $"{answers.Count} answers were not enough; the last were:\n{string.Concat(answers.TakeLast(5))}");
            answers.Add(await CallAsync(url));
        }
        return answers;
    }

    public static void Kill(int id)
    {
        using var victim = Process.GetProcessById(id);
        victim.Kill();
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            using (var interrupt = Process.Start("sh", ["-c", $"kill -INT {process.Id}"])) await interrupt.WaitForExitAsync();
            try
            {
                await process.WaitForExitAsync(Patience);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
            }
        }
        process.Dispose();
        client.Dispose();
        patience.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is null) lines.Writer.TryComplete();
        else lines.Writer.TryWrite(line);
    }
}
