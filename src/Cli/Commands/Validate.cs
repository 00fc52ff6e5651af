using Mesh.Cli.Frame;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl validate -f FILE</c>: would admission take these files?</summary>
internal static class Validate
{
    public static Command Command { get; } = new("validate", "Validate Istio policy and rules files")
    {
        Aliases = ["v"],
        Flags =
        [
            Flag.Many("filename", "files or folders to validate; - reads the standard input", 'f'),
            Flag.Switch("referential", "taken for compatibility", 'x', on: true) with { Hidden = true },
        ],
        Run = (invocation, _) => Task.FromResult(Run(invocation)),
    };

    private static Outcome Run(Invocation invocation) =>
        invocation.Many("filename").Count == 0
            ? Outcome.Failed("error: you must specify resources by --filename.\nExample resource specifications include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'")
            : Outcome.Fine;
}
