namespace Mesh.Cli.Frame;

/// <summary>What may stand where the cursor is, from the commands' own declarations.</summary>
internal static class Completion
{
    /// <param name="words">The words after the program's name; the last is the one being typed, perhaps empty.</param>
    /// <returns>Nothing where a value or a file is expected: the shell then offers files.</returns>
    public static IReadOnlyList<Candidate> Of(Command root, IReadOnlyList<string> words)
    {
        var typed = words.Count > 0 ? words[^1] : "";
        var command = root;
        var hasArgument = false;
        for (var at = 0; at < words.Count - 1; at++)
        {
            var word = words[at];
            if (word == "--") return [];
            if (word.StartsWith('-') && word.Length > 1)
            {
                if (!TakesNextWord(command, word)) continue;
                if (++at >= words.Count - 1) return [];
            }
            else if (!hasArgument && command.Commands.FirstOrDefault(c => c.Answers(word)) is { } next)
            {
                command = next;
            }
            else
            {
                hasArgument = true;
            }
        }

        if (typed.StartsWith('-')) return [.. FlagsOf(command).Where(c => c.Word.StartsWith(typed, StringComparison.Ordinal))];
        if (hasArgument) return [];

        return [.. command.Commands.Where(c => !c.Hidden && c.Name.StartsWith(typed, StringComparison.Ordinal)).Select(c => new Candidate(c.Name, c.About.Split('\n')[0])).OrderBy(c => c.Word, StringComparer.Ordinal)];
    }

    private static IEnumerable<Candidate> FlagsOf(Command command) =>
        command.Flags.Concat(GlobalFlags.All).Where(f => !f.Hidden).Select(f => new Candidate($"--{f.Name}", f.About)).OrderBy(c => c.Word, StringComparer.Ordinal);

    /// <summary>A flag that is no switch and brings no value of its own: <c>--output json</c>, <c>-o json</c>, but not <c>--output=json</c>, <c>-ojson</c> or <c>-A</c>.</summary>
    private static bool TakesNextWord(Command command, string word)
    {
        if (word.Contains('=', StringComparison.Ordinal)) return false;
        if (word.StartsWith("--", StringComparison.Ordinal)) return CommandLine.Find(command, word[2..]) is { Kind: not FlagKind.Switch };

        for (var i = 1; i < word.Length; i++)
        {
            var flag = command.Flags.Concat(GlobalFlags.All).FirstOrDefault(f => f.Short == word[i]);
            if (flag is { Kind: not FlagKind.Switch }) return i == word.Length - 1;
        }
        return false;
    }
}

internal readonly record struct Candidate(string Word, string About);
