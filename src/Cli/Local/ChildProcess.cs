using System.Diagnostics;

namespace Mesh.Cli.Local;

/// <summary>A program started by this one. It ends with this one, whatever way that is: the kernel sends SIGKILL to it when its parent dies.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Process process;
    private readonly StreamWriter log;

    private ChildProcess(string name, Process process, string logFile)
    {
        Name = name;
        LogFile = logFile;
        this.process = process;
        log = new StreamWriter(logFile, append: true) { AutoFlush = true };
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

    public string Name { get; }
    public string LogFile { get; }
    public int Id => process.Id;
    public bool HasExited => process.HasExited;
    public int ExitCode => process.ExitCode;

    /// <param name="network">A network namespace to run in, or null for this one. Needs root.</param>
    /// <param name="directory">Where it starts; null: where this program runs.</param>
    /// <param name="uid">The user to run as, or null for this one. Needs root.</param>
    public static ChildProcess Start(
        string name, string logFile, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, string? network = null, int? uid = null, string? directory = null)
    {
        List<string> words = [];
        if (network is not null) words.AddRange(["ip", "netns", "exec", network]);
        words.AddRange(["setpriv", "--pdeathsig", "KILL"]);
        if (uid is { } user) words.AddRange([$"--reuid={user}", $"--regid={user}", "--clear-groups"]);
        words.AddRange(["--", program, .. arguments]);

        var start = new ProcessStartInfo(words[0]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = directory ?? "" };
        foreach (var word in words.Skip(1)) start.ArgumentList.Add(word);
        foreach (var (key, value) in environment) start.Environment[key] = value;

        var child = new ChildProcess(name, new Process { StartInfo = start }, logFile);
        ParentThread.Run(() => child.process.Start());
        child.process.StandardInput.Close();
        child.process.BeginOutputReadLine();
        child.process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Asks the program to finish, and ends it when it has not done so in time.</summary>
    public async Task StopAsync(TimeSpan grace)
    {
        if (process.HasExited) return;

        // The shell's own `kill` is there on every system; .NET can only send SIGKILL.
        using (var terminate = Process.Start("sh", ["-c", $"kill -TERM {process.Id}"])) await terminate.WaitForExitAsync();
        using var patience = new CancellationTokenSource(grace);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
    }

    public Task WaitForExitAsync(CancellationToken cancel) => process.WaitForExitAsync(cancel);

    public void Kill() => process.Kill(entireProcessTree: true);

    /// <summary>The last lines that the program wrote, for an error message.</summary>
    public string LastLines(int count)
    {
        lock (log) log.Flush();
        return string.Join('\n', File.ReadLines(LogFile).TakeLast(count));
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.Dispose();
        log.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (log)
            if (log.BaseStream is { CanWrite: true }) log.WriteLine(line);
    }
}
