namespace Mesh.Cli.Frame;

/// <summary>The page docs/reference/meshctl.md, from the commands' own declarations.</summary>
internal static class CommandReference
{
    public static string Markdown(Command root)
    {
        var text = new StringWriter { NewLine = "\n" };
        text.WriteLine($"# {root.Name}");
        text.WriteLine();
        text.WriteLine("Every command with its flags, made from the program itself; `--help` prints the same. Exit codes, as istioctl's:");
        text.WriteLine();
        text.WriteLine("| code | meaning |");
        text.WriteLine("| --- | --- |");
        text.WriteLine($"| {ExitCode.Fine} | done |");
        text.WriteLine($"| {ExitCode.Failed} | failed; the reason is on stderr |");
        text.WriteLine($"| {ExitCode.Usage} | wrong usage: unknown command, flag or value |");
        text.WriteLine($"| {ExitCode.UnreadableInput} | a file could not be read as YAML |");
        text.WriteLine($"| {ExitCode.FindingsAtThreshold} | `analyze` found something at or above `--failure-threshold` |");
        text.WriteLine();
        text.WriteLine("Flags that every command takes:");
        text.WriteLine();
        Flags(GlobalFlags.All, text);
        foreach (var command in Shown(root)) Section(command, $"{root.Name} {command.Name}", 2, text);
        return text.ToString().TrimEnd('\n') + "\n";
    }

    private static void Section(Command command, string path, int depth, StringWriter text)
    {
        text.WriteLine();
        text.WriteLine($"{new string('#', Math.Min(depth, 4))} {path}");
        text.WriteLine();
        text.WriteLine(command.About.Replace("\n", "\n\n", StringComparison.Ordinal));
        if (command.Run is not null) text.WriteLine($"\n    {path}{(command.Arguments is { } a ? $" {a}" : "")} [flags]");
        if (command.Aliases.Count > 0) text.WriteLine($"\nAlso: {string.Join(", ", command.Aliases.Select(alias => $"`{alias}`"))}.");
        if (command.Example is { } example)
        {
            text.WriteLine("\nFor example:\n");
            foreach (var line in example.TrimEnd().Split('\n')) text.WriteLine(line.Trim().Length == 0 ? "" : $"    {line.Trim()}");
        }
        if (command.Flags.Any(f => !f.Hidden))
        {
            text.WriteLine();
            Flags(command.Flags, text);
        }
        foreach (var sub in Shown(command)) Section(sub, $"{path} {sub.Name}", depth + 1, text);
    }

    private static void Flags(IReadOnlyList<Flag> flags, StringWriter text)
    {
        text.WriteLine("| flag | default | what |");
        text.WriteLine("| --- | --- | --- |");
        foreach (var flag in flags.Where(f => !f.Hidden).OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            var name = (flag.Short is { } s ? $"`-{s}`, " : "") + $"`--{flag.Name}{(Help.Kind(flag) is { Length: > 0 } kind ? $" {kind.Trim()}" : "")}`";
            text.WriteLine($"| {name} | {(flag.Default is { Length: > 0 } d ? $"`{d}`" : "")} | {flag.About.Replace("|", "\\|", StringComparison.Ordinal)} |");
        }
    }

    private static IEnumerable<Command> Shown(Command command) => command.Commands.Where(c => !c.Hidden).OrderBy(c => c.Name, StringComparer.Ordinal);
}
