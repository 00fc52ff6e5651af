using Mesh.ControlPlane;
using Mesh.ControlPlane.Ca;

if (args is ["--help" or "-h" or "help", ..])
{
    Console.Out.WriteLine(Options.Help);
    return 0;
}
if (args is ["token", .. var wishes]) return TokenCommand.Run(wishes, Console.Out, Console.Error, TimeProvider.System);

var options = Options.Parse(args is ["discovery", .. var rest] ? rest : args, out var error);
if (error is not null)
{
    Console.Error.WriteLine($"mesh-istiod: {error}");
    return 64;
}

// A container may run as a user that no file knows; the runtime's certificate stores want a home for theirs.
if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("HOME"))) Environment.SetEnvironmentVariable("HOME", Path.GetTempPath());

using var stop = new CancellationTokenSource();
using var terminate = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, Stop);
using var interrupt = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGINT, Stop);
return await Istiod.RunAsync(options, TimeProvider.System, stop.Token);

void Stop(System.Runtime.InteropServices.PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}
