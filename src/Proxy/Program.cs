using System.Collections;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.Net.Tls.OpenSsl;
using Mesh.Proxy.Admin;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Redirect;

namespace Mesh.Proxy;

/// <summary><c>mesh-proxy proxy sidecar|router [flags]</c>: reads what it was told, serves until it is told to stop.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] arguments)
    {
        if (arguments is ["version", ..])
        {
            Console.Out.WriteLine(Bootstrap.Version);
            return 0;
        }

        // The same binary is the init container's: the image has no shell to write the redirection with.
        if (arguments is [Redirection.Verb, .. var words])
            return await Redirection.RunAsync(words, Environment.GetEnvironmentVariable, Console.Out, Console.Error, CancellationToken.None);

        if (arguments is [var verb, ..] && AgentVerbs.Knows(verb))
        {
            using var network = new SocketsHttpHandler { UseProxy = false };
            return await AgentVerbs.RunAsync(arguments, network, TimeProvider.System, Console.Out, Console.Error);
        }

        // A container may run as a user that no file knows; the runtime's certificate stores want a home for theirs, if only to find nothing there.
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("HOME"))) Environment.SetEnvironmentVariable("HOME", Path.GetTempPath());

        ProcessMemory.UseOneNativeArena();
        Bootstrap bootstrap;
        var environment = EnvironmentOf();
        try
        {
            bootstrap = Bootstrap.Read(arguments, environment, path => File.Exists(path) ? File.ReadAllText(path) : null);
        }
        catch (BootstrapException e)
        {
            await Console.Error.WriteLineAsync("mesh-proxy: " + e.Message);
            return 64;
        }

        using var log = new StderrLogger(new("/dev/stderr"), TimeProvider.System) { Least = StderrLogger.LevelOf(bootstrap.LogLevel) ?? Microsoft.Extensions.Logging.LogLevel.Information };
        var seed = RandomNumberGenerator.GetInt32(int.MaxValue);
        using var sidecar = new Sidecar(bootstrap, environment, () => new EpollTransport(), new OpenSslProvider(TimeProvider.System), TimeProvider.System, seed, log)
        {
            Memory = new(TimeProvider.System, () => GC.GetTotalAllocatedBytes(), ProcessMemory.GiveBack),
        };
        var stopped = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Ask(context, false));
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Ask(context, true));
        using var doors = new AdminDoors(sidecar, log, quick => stopped.TrySetResult(quick));
        sidecar.Start();
        await new Drain(sidecar).RunAsync(quick: await stopped.Task);
        return 0;

        void Ask(PosixSignalContext context, bool quick)
        {
            context.Cancel = true;
            stopped.TrySetResult(quick);
        }
    }

    private static Dictionary<string, string> EnvironmentOf()
    {
        var all = new Dictionary<string, string>();
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables()) all[(string)entry.Key] = (string?)entry.Value ?? "";
        return all;
    }
}
