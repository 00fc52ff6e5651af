namespace Mesh.Cli.Frame;

/// <summary>The usage text of a command, from its own declaration.</summary>
internal static class Help
{
    public static void Write(Command command, string path, TextWriter to)
    {
        to.WriteLine(command.About);
        to.WriteLine();
        to.WriteLine("Usage:");
        if (command.Run is not null) to.WriteLine($"  {path}{(command.Arguments is { } a ? $" {a}" : "")} [flags]");
        if (command.Commands.Count > 0) to.WriteLine($"  {path} [command]");

        if (command.Aliases.Count > 0) to.WriteLine($"\nAliases:\n  {string.Join(", ", command.Aliases.Prepend(command.Name))}");
        if (command.Example is { } example) to.WriteLine($"\nExamples:\n{example.TrimEnd()}");

        var shown = command.Commands.Where(c => !c.Hidden).OrderBy(c => c.Name, StringComparer.Ordinal).ToList();
        if (shown.Count > 0)
        {
            to.WriteLine("\nAvailable Commands:");
            var width = shown.Max(c => c.Name.Length);
            foreach (var sub in shown) to.WriteLine($"  {sub.Name.PadRight(width)}   {FirstLine(sub.About)}");
        }
        Flags("Flags", command.Flags, to);
        Flags("Global Flags", GlobalFlags.All, to);
        if (shown.Count > 0) to.WriteLine($"\nUse \"{path} [command] --help\" for more information about a command.");
    }

    private static void Flags(string title, IReadOnlyList<Flag> flags, TextWriter to)
    {
        var shown = flags.Where(f => !f.Hidden).OrderBy(f => f.Name, StringComparer.Ordinal).ToList();
        if (shown.Count == 0) return;

        to.WriteLine($"\n{title}:");
        var left = shown.Select(f => $"  {(f.Short is { } s ? $"-{s}, " : "    ")}--{f.Name}{Kind(f)}").ToList();
        var width = left.Max(l => l.Length);
        for (var i = 0; i < shown.Count; i++)
        {
            var fallback = shown[i].Default is { Length: > 0 } d && d != "false" ? $" (default {d})" : "";
            to.WriteLine($"{left[i].PadRight(width)}   {shown[i].About}{fallback}");
        }
    }

    public static string Kind(Flag flag) => flag.Kind switch
    {
        FlagKind.Text => " string",
        FlagKind.Number => " int",
        FlagKind.Duration => " duration",
        FlagKind.Many => " strings",
        _ => "",
    };

    private static string FirstLine(string text) => text.Split('\n')[0];
}
