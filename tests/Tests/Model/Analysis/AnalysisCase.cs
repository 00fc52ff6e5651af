using Mesh.Tests.Tidy;

namespace Mesh.Tests.Model.Analysis;

/// <summary>One story of a .case file: files (perhaps of several clusters), and the findings they lead to.</summary>
internal sealed record AnalysisCase(string Name, string[] Arguments, IReadOnlyList<(string Kind, string Name, string Text)> Inputs, string[] Findings)
{
    public static IEnumerable<AnalysisCase> All() =>
        Directory.EnumerateFiles(Path.Combine(Source.Root, "tests/Tests/Model/Analysis/Cases"), "*.case").Order(StringComparer.Ordinal).SelectMany(f => Read(File.ReadAllText(f)));

    private static IEnumerable<AnalysisCase> Read(string text)
    {
        foreach (var block in ("\n" + text).Split("\n==== ").Skip(1))
        {
            var sections = block.Split("\n---- ");
            var inputs = new List<(string, string, string)>();
            var (arguments, findings) = (Array.Empty<string>(), Array.Empty<string>());
            foreach (var section in sections.Skip(1))
            {
                var (head, body) = section.Split('\n', 2) is [var h, var b] ? (h, b) : (section, "");
                var words = head.Split(' ', 2);
                if (words[0] == "findings") findings = body.Split('\n', StringSplitOptions.RemoveEmptyEntries);
                else if (words[0] == "arguments") arguments = Words(words[1]);
                else inputs.Add((words[0], words.Length > 1 ? words[1] : "", body));
            }
            yield return new(sections[0].TrimEnd(), arguments, inputs, findings);
        }
    }

    /// <summary>Splits at blanks outside double quotes.</summary>
    private static string[] Words(string line) =>
        [.. line.Split('"').SelectMany((part, i) => i % 2 == 1 ? [part] : part.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
}
