using System.Globalization;
using Mesh.Model.Schema;

namespace Mesh.Cli.Frame;

/// <summary>Words to an Invocation, by the rules kubectl and istioctl users have in their fingers (flags anywhere, -Ak, --flag=value, --).</summary>
internal static class CommandLine
{
    /// <returns>The invocation, or why there is none. <c>Help</c> is set when the usage is asked for instead.</returns>
    public static Parsed Parse(Command root, string program, IReadOnlyList<string> words, Terminal terminal)
    {
        var (command, path) = (root, program);
        var given = new Dictionary<string, List<string>>();
        var arguments = new List<string>();
        var help = false;

        for (var at = 0; at < words.Count; at++)
        {
            var word = words[at];
            if (word == "--")
            {
                arguments.AddRange(words.Skip(at + 1));
                break;
            }
            if (word is "--help" or "-h")
            {
                help = true;
                continue;
            }
            if (word.StartsWith('-') && word.Length > 1)
            {
                var refusal = word.StartsWith("--", StringComparison.Ordinal)
                    ? Long(command, words, ref at, given)
                    : Shorts(command, words, ref at, given);
                if (refusal is not null) return new(null, command, path, refusal, false);
                continue;
            }
            if (arguments.Count == 0 && command.Commands.FirstOrDefault(c => c.Answers(word)) is { } next)
                (command, path) = (next, $"{path} {next.Name}");
            else
                arguments.Add(word);
        }

        if (help) return new(null, command, path, null, true);
        if (command == root && arguments.Count > 0)
            return new(null, command, path, $"unknown command \"{arguments[0]}\" for \"{program}\"\nRun '{program} --help' for usage.", false);
        if (command.Run is null) return new(null, command, path, null, true);
        if (command.Arguments is null && arguments.Count > 0)
            return new(null, command, path, $"unknown command \"{arguments[0]}\" for \"{path}\"", false);
        return new(new(command, path, terminal, given, arguments), command, path, null, false);
    }

    public static Flag? Find(Command command, string name) =>
        command.Flags.FirstOrDefault(f => f.Name == name) ?? GlobalFlags.All.FirstOrDefault(f => f.Name == name);

    public static bool? Truth(string text) => text switch
    {
        "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        _ => null,
    };

    private static string? Long(Command command, IReadOnlyList<string> words, ref int at, Dictionary<string, List<string>> given)
    {
        var word = words[at];
        var equals = word.IndexOf('=', StringComparison.Ordinal);
        var name = equals < 0 ? word[2..] : word[2..equals];
        var flag = Find(command, name);
        if (flag is null) return $"unknown flag: --{name}";
        if (equals >= 0) return Take(flag, word[(equals + 1)..], given);
        if (flag.Kind == FlagKind.Switch) return Take(flag, "true", given);
        return ++at < words.Count ? Take(flag, words[at], given) : $"flag needs an argument: --{name}";
    }

    private static string? Shorts(Command command, IReadOnlyList<string> words, ref int at, Dictionary<string, List<string>> given)
    {
        var word = words[at];
        for (var i = 1; i < word.Length; i++)
        {
            var letter = word[i];
            var flag = command.Flags.FirstOrDefault(f => f.Short == letter) ?? GlobalFlags.All.FirstOrDefault(f => f.Short == letter);
            if (flag is null) return $"unknown shorthand flag: '{letter}' in {word}";

            var rest = word[(i + 1)..];
            if (rest.StartsWith('=')) return Take(flag, rest[1..], given);
            if (flag.Kind == FlagKind.Switch)
            {
                if (Take(flag, "true", given) is { } refusal) return refusal;
                continue;
            }
            if (rest.Length > 0) return Take(flag, rest, given);
            return ++at < words.Count ? Take(flag, words[at], given) : $"flag needs an argument: '{letter}' in {word}";
        }
        return null;
    }

    private static string? Take(Flag flag, string value, Dictionary<string, List<string>> given)
    {
        var why = flag.Kind switch
        {
            FlagKind.Switch when Truth(value) is null => "must be true or false",
            FlagKind.Number when !int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) => "must be a whole number",
            FlagKind.Duration when !GoDuration.TryParse(value, out _, out var problem) => problem,
            _ => flag.Check?.Invoke(value),
        };
        var shown = flag.Short is { } letter ? $"-{letter}, --{flag.Name}" : $"--{flag.Name}";
        if (why is not null) return $"invalid argument \"{value}\" for \"{shown}\" flag: {why}";

        if (!given.TryGetValue(flag.Name, out var values)) given[flag.Name] = values = [];
        values.Add(value);
        return null;
    }
}

/// <summary>Either an invocation, or an error, or a wish for help about <paramref name="Command"/>.</summary>
internal sealed record Parsed(Invocation? Invocation, Command Command, string Path, string? Error, bool Help);
