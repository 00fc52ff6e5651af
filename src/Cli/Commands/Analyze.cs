using Mesh.Cli.Frame;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl analyze</c>: what is wrong with this configuration as a whole?</summary>
internal static class Analyze
{
    public static Command Command { get; } = new("analyze", "Analyze Istio configuration and print validation messages")
    {
        Arguments = "<file>...",
        Run = (_, _) => Task.FromResult(Outcome.Fine),
    };
}
