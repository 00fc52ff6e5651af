using System.Text.RegularExpressions;
using Mesh.Cli.Commands;
using Mesh.Cli.Frame;
using Mesh.Tests.Cli;

namespace Mesh.Tests.Tidy;

/// <summary>What the documentation shows is what the programs take.</summary>
public sealed partial class DocsTests
{
    private static IEnumerable<string> Pages => Source.Files("docs", "*.md").Select(file => $"docs/{Path.GetRelativePath(Path.Combine(Source.Root, "docs"), Path.Combine(Source.Root, file))}")
        .Concat(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]).Concat(Source.Files("decisions", "*.md"));

    [Fact]
    public async Task Every_resource_shown_is_valid()
    {
        var wrong = new List<string>();
        foreach (var page in Pages)
            foreach (Match block in YamlBlock().Matches(Source.Text(page)))
            {
                if (!block.Groups[1].Value.Contains("apiVersion:", StringComparison.Ordinal)) continue;

                var (exit, _, error) = await InProcessCli.RunAsync(["validate", "-f", "-"], block.Groups[1].Value);
                if (exit != 0) wrong.Add($"{page}: {error}");
            }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_command_shown_exists_with_its_flags()
    {
        var terminal = new Terminal(TextReader.Null, TextWriter.Null, TextWriter.Null, false, _ => null, TimeProvider.System);
        var wrong = new List<string>();
        foreach (var page in Pages)
            foreach (Match shown in Shown().Matches(Source.Text(page)))
            {
                var words = shown.Groups["words"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (CommandLine.Parse(Root.Command, Root.Program, words, terminal).Error is { } error) wrong.Add($"{page}: meshctl {string.Join(' ', words)}: {error}");
            }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_link_leads_somewhere()
    {
        var dead = from page in Pages
                   from Match link in Link().Matches(Source.Text(page))
                   let target = Path.Combine(Source.Root, Path.GetDirectoryName(page)!, link.Groups[1].Value)
                   where !File.Exists(target) && !Directory.Exists(target)
                   select $"{page}: {link.Groups[1].Value}";
        Assert.Empty(dead);
    }

    [GeneratedRegex(@"```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex YamlBlock();

    /// <summary>A command in backticks, or on an indented line of its own; up to a comment, a pipe or a redirection.</summary>
    [GeneratedRegex(@"(?:^ {4}(?:sudo )?|`(?:sudo )?)(?:\./)?meshctl(?<words> [^`\n#|>\\…&\[]*)", RegexOptions.Multiline)]
    private static partial Regex Shown();

    [GeneratedRegex(@"\]\((?!https?:|#)([^)#\s]+)")]
    private static partial Regex Link();
}
