using System.Globalization;
using Mesh.Model.Schema;

namespace Mesh.Cli.Frame;

/// <summary>A command line, understood: which command, with which values. Asking for a flag the command does not have is a bug.</summary>
internal sealed class Invocation(Command command, string path, Terminal terminal, IReadOnlyDictionary<string, List<string>> given, IReadOnlyList<string> arguments)
{
    public Command Command { get; } = command;

    /// <summary>For example <c>meshctl proxy-config routes</c>.</summary>
    public string Path { get; } = path;
    public Terminal Terminal { get; } = terminal;
    public TextWriter Out => Terminal.Out;
    public TextWriter Error => Terminal.Error;
    public IReadOnlyList<string> Arguments { get; } = arguments;

    /// <summary>The first argument; empty when there is none.</summary>
    public string First => Arguments.Count > 0 ? Arguments[0] : "";

    public bool IsGiven(string flag) => given.ContainsKey(Known(flag).Name);

    public string Text(string flag)
    {
        var known = Known(flag);
        return given.TryGetValue(flag, out var values) ? values[^1] : known.Default;
    }

    /// <summary>Every value given, commas and all.</summary>
    public IReadOnlyList<string> All(string flag) => given.TryGetValue(Known(flag).Name, out var values) ? values : [];

    public bool Is(string flag) => CommandLine.Truth(Text(flag)) ?? false;
    public int Number(string flag) => int.Parse(Text(flag), CultureInfo.InvariantCulture);
    public TimeSpan Duration(string flag) => GoDuration.TryParse(Text(flag), out var nanoseconds, out _) ? TimeSpan.FromTicks(nanoseconds / 100) : TimeSpan.Zero;

    public IReadOnlyList<string> Many(string flag)
    {
        Known(flag);
        return given.TryGetValue(flag, out var values) ? [.. values.SelectMany(v => v.Split(','))] : [];
    }

    /// <summary>The namespace of <c>-n</c>, or the given one.</summary>
    public string NamespaceOr(string fallback) => Text("namespace") is { Length: > 0 } named ? named : fallback;

    private Flag Known(string name) =>
        CommandLine.Find(Command, name) ?? throw new ArgumentOutOfRangeException(nameof(name), name, $"'{Path}' declares no such flag");
}
