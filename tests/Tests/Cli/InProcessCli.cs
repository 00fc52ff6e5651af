using Mesh.Cli.Commands;

namespace Mesh.Tests.Cli;

/// <summary>meshctl without a process of its own.</summary>
internal static class InProcessCli
{
    public static async Task<(int Exit, string Out, string Error)> RunAsync(IReadOnlyList<string> arguments, string input = "")
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var exit = await Root.RunAsync(arguments, new(new StringReader(input), output, error, false, _ => null, TimeProvider.System), default);
        return (exit, output.ToString(), error.ToString());
    }
}
