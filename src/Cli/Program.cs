using System.Runtime.InteropServices;
using Mesh.Cli.Commands;
using Mesh.Cli.Frame;

using var cancel = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
{
    context.Cancel = !cancel.IsCancellationRequested; // the second Ctrl-C ends the process at once
    cancel.Cancel();
});

var coloured = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "" && Environment.GetEnvironmentVariable("TERM") is not "dumb";
var terminal = new Terminal(Console.In, Console.Out, Console.Error, coloured, Environment.GetEnvironmentVariable, TimeProvider.System)
{
    Width = Console.IsOutputRedirected ? 0 : Console.WindowWidth,
};
try
{
    return await Root.RunAsync(args, terminal, cancel.Token);
}
catch (OperationCanceledException) when (cancel.IsCancellationRequested)
{
    Console.Error.WriteLine("Error: interrupted");
    return ExitCode.Failed;
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException)
{
    Console.Error.WriteLine($"Error: {e.Message}");
    return ExitCode.Failed;
}
