using Mesh.Cli.Frame;

namespace Mesh.Cli.Commands;

/// <summary>Every verb meshctl knows; a new one is one line here.</summary>
internal static class Root
{
    public const string Program = "meshctl";

    public static Command Command { get; } = new(Program, "Install, inspect and debug the mesh.")
    {
        Commands =
        [
            Analyze.Command,
            Authz.Command,
            BugReport.Command,
            CheckCommand.Command,
            CompletionCommand.Command,
            CompletionCommand.Candidates,
            DemoCommand.Command,
            Describe.Command,
            Explain.Command,
            DashboardCommand.Command,
            GatewayStatus.Command,
            Install.Command,
            Install.Upgrade,
            KubeInject.Command,
            ManifestCommand.Command,
            ProxyConfigCommand.Command,
            ProxyStatus.Command,
            RunCommand.Command,
            TagCommand.Command,
            Traffic.Edges,
            Traffic.Stat,
            Traffic.Tap,
            Traffic.Top,
            Uninstall.Command,
            Validate.Command,
            CheckCommand.Verify,
            VersionCommand.Command,
            .. Absent.Commands,
            new("experimental", "Experimental commands that may be modified or deprecated")
            {
                Aliases = ["x", "exp"],
                Commands = [Authz.Command, CheckInject.Command, CheckCommand.Precheck, Describe.Command, Explain.Command, InjectorList.Command, WorkloadMetrics.Command, .. Absent.Experimental],
            },
        ],
    };

    public static async Task<int> RunAsync(IReadOnlyList<string> words, Terminal terminal, CancellationToken cancel)
    {
        var parsed = CommandLine.Parse(Command, Program, words, terminal);
        if (parsed.Help)
        {
            Help.Write(parsed.Command, parsed.Path, terminal.Out);
            return ExitCode.Fine;
        }
        var outcome = parsed.Invocation is { } invocation
            ? await invocation.Command.Run!(invocation, cancel)
            : Outcome.Usage(parsed.Error!);

        if (outcome.Error is { } error) await terminal.Error.WriteLineAsync($"Error: {error}");
        return outcome.Exit;
    }
}
