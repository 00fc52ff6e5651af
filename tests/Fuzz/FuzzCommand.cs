using System.Globalization;

namespace Mesh.Fuzz;

/// <summary>What was asked on the command line, done.</summary>
internal static class FuzzCommand
{
    public static int Run(string[] args, TextWriter output)
    {
        var name = args.Length > 0 && !args[0].StartsWith('-') ? args[0] : "all";
        var seed = Number(args, "--seed", 1);
        var seconds = Number(args, "--seconds", 0);
        var executions = Number(args, "--executions", seconds > 0 ? long.MaxValue : 2_000);
        if (name == "list")
        {
            foreach (var fuzzer in Fuzzers.All) output.WriteLine($"{fuzzer.Name,-12} {fuzzer.What}");
            return 0;
        }

        var chosen = name == "all" ? Fuzzers.All.Where(f => f.Name != "canary").ToArray() : Fuzzers.All.Where(f => f.Name == name).ToArray();
        if (chosen.Length == 0)
        {
            output.WriteLine($"no fuzzer is named {name}; 'list' tells the names");
            return 2;
        }

        if (Text(args, "--replay") is { } file) return chosen.Sum(fuzzer => Report(output, fuzzer, FuzzLoop.Try(fuzzer, File.ReadAllBytes(file))));

        return chosen.Sum(fuzzer => RunOne(fuzzer, seed, TimeSpan.FromSeconds(seconds), executions, output)) > 0 ? 1 : 0;
    }

    private static int RunOne(Fuzzer fuzzer, long seed, TimeSpan time, long executions, TextWriter output)
    {
        var loop = new FuzzLoop(fuzzer, (int)seed, TimeProvider.System);
        var finding = loop.Run(time, executions);
        output.WriteLine($"{fuzzer.Name,-12} seed {seed}: {loop.Executions} executions, corpus {loop.CorpusCount}, {(finding is null ? "nothing found" : "FOUND")}");
        return finding is null ? 0 : Report(output, fuzzer, finding);
    }

    private static int Report(TextWriter output, Fuzzer fuzzer, Finding? finding)
    {
        if (finding is null) return 0;

        output.WriteLine($"  {fuzzer.Name}: {finding.Problem}");
        output.WriteLine($"  bytes: {Convert.ToHexString(finding.Input)}");
        return 1;
    }

    private static long Number(string[] args, string option, long fallback) =>
        Text(args, option) is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : fallback;

    private static string? Text(string[] args, string option)
    {
        var at = Array.IndexOf(args, option);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
    }
}
