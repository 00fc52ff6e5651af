namespace Mesh.Cli.Frame;

internal enum FlagKind { Text, Switch, Number, Duration, Many }

/// <summary>One option of a command. <see cref="Check"/> answers why a value is refused, or null.</summary>
internal sealed record Flag(string Name, FlagKind Kind, string About)
{
    public char? Short { get; init; }
    public string Default { get; init; } = "";
    public Func<string, string?>? Check { get; init; }

    /// <summary>Still taken, no longer shown in the help.</summary>
    public bool Hidden { get; init; }

    public static Flag Text(string name, string about, char? shorthand = null, string fallback = "") =>
        new(name, FlagKind.Text, about) { Short = shorthand, Default = fallback };

    public static Flag Switch(string name, string about, char? shorthand = null, bool on = false) =>
        new(name, FlagKind.Switch, about) { Short = shorthand, Default = on ? "true" : "false" };

    public static Flag Number(string name, string about, int fallback = 0, char? shorthand = null) =>
        new(name, FlagKind.Number, about) { Short = shorthand, Default = $"{fallback}" };

    /// <param name="fallback">As Go writes it: 30s, 1m30s, 500ms.</param>
    public static Flag Duration(string name, string about, string fallback, char? shorthand = null) =>
        new(name, FlagKind.Duration, about) { Short = shorthand, Default = fallback };

    /// <summary>May be given several times; commas separate values too.</summary>
    public static Flag Many(string name, string about, char? shorthand = null) =>
        new(name, FlagKind.Many, about) { Short = shorthand };
}
