namespace Mesh.Cli.Frame;

/// <summary>How a command ended. An error is printed by the frame as <c>Error: …</c> on stderr; null when the command said all itself.</summary>
internal readonly record struct Outcome(int Exit, string? Error = null)
{
    public static readonly Outcome Fine = new(ExitCode.Fine);

    public static Outcome Failed(string error) => new(ExitCode.Failed, error);
    public static Outcome Usage(string error) => new(ExitCode.Usage, error);
}
