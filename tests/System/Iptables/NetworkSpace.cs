using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Mesh.SystemTests.Iptables;

/// <summary>
/// A thread in a network namespace of its own. Sockets made there belong to it, and so do the programs started there; it is gone with the thread.
/// </summary>
internal sealed class NetworkSpace : IDisposable
{
    private const int NewNetwork = 0x40000000; // CLONE_NEWNET
    private const int SetResUid = 117, SetResGid = 119, GetTid = 186; // x86-64

    private readonly BlockingCollection<Action> work = [];
    private readonly TaskCompletionSource<int> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread thread;

    public NetworkSpace()
    {
        thread = new Thread(Live) { IsBackground = true };
        thread.Start();
        ThreadId = ready.Task.GetAwaiter().GetResult();
        Tool("ip link set lo up");
    }

    /// <summary>Why these tests cannot run here; null when they can.</summary>
    public static string? Missing
    {
        get
        {
            if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return "network namespaces are tested on Linux, x86-64";
            if (Environment.UserName != "root") return "network namespaces need root";
            return File.Exists("/usr/sbin/iptables-restore") ? null : "iptables-restore is not installed";
        }
    }

    /// <summary>The kernel finds the namespace by it.</summary>
    public int ThreadId { get; }

    public T Run<T>(Func<T> action)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        work.Add(() =>
        {
            try
            {
                done.SetResult(action());
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or InvalidOperationException or IOException)
            {
                done.SetException(e);
            }
        });
        return done.Task.GetAwaiter().GetResult();
    }

    /// <summary>As if by another user: only this thread's identity changes, as the kernel keeps it per thread.</summary>
    public T RunAs<T>(int user, Func<T> action) => Run(() =>
    {
        Check(Call(SetResGid, -1, user, -1), "setresgid");
        Check(Call(SetResUid, -1, user, -1), "setresuid");
        try
        {
            return action();
        }
        finally
        {
            Check(Call(SetResUid, -1, 0, -1), "setresuid");
            Check(Call(SetResGid, -1, 0, -1), "setresgid");
        }
    });

    /// <summary>A program with its arguments, separated by spaces; 'quotes' keep them together.</summary>
    public (int Exit, string Output, string Error) TryTool(string line, string input = "", IReadOnlyDictionary<string, string>? environment = null) => Run(() =>
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word.Trim('\'')).ToList();
        var start = new ProcessStartInfo(words[0], words.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    });

    public string Tool(string line, string input = "", IReadOnlyDictionary<string, string>? environment = null)
    {
        var (exit, output, error) = TryTool(line, input, environment);
        Assert.True(exit == 0, $"{line}: {error}");
        return output;
    }

    public void Dispose()
    {
        work.CompleteAdding();
        thread.Join();
        work.Dispose();
    }

    private void Live()
    {
        if (Unshare(NewNetwork) != 0)
        {
            ready.SetException(new InvalidOperationException("unshare(CLONE_NEWNET) was refused"));
            return;
        }
        ready.SetResult((int)Call(GetTid, 0, 0, 0));
        foreach (var action in work.GetConsumingEnumerable()) action();
    }

    private static void Check(long result, string call)
    {
        if (result != 0) throw new InvalidOperationException($"{call} was refused");
    }

    [DllImport("libc", EntryPoint = "unshare", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Unshare(int flags);

    [DllImport("libc", EntryPoint = "syscall", SetLastError = true), DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern long Call(long number, long a, long b, long c);
}
