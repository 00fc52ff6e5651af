namespace Mesh.Cli.Frame;

/// <summary>One verb of the command line. Without <see cref="Run"/> it is a group and answers with its usage.</summary>
internal sealed record Command(string Name, string About)
{
    /// <summary>What follows the flags in the usage line, for example <c>FILE...</c>; null takes no arguments at all.</summary>
    public string? Arguments { get; init; }
    public string? Example { get; init; }
    public IReadOnlyList<string> Aliases { get; init; } = [];
    public IReadOnlyList<Flag> Flags { get; init; } = [];
    public IReadOnlyList<Command> Commands { get; init; } = [];
    public bool Hidden { get; init; }
    public Func<Invocation, CancellationToken, Task<Outcome>>? Run { get; init; }

    public bool Answers(string word) => word == Name || Aliases.Contains(word);
}
