using System.Text.RegularExpressions;

namespace Mesh.Tests.Tidy;

/// <summary>The page on what is refused names tests that exist.</summary>
public sealed partial class SecurityPageTests
{
    [Fact]
    public void Every_test_that_the_page_names_is_there()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Source.Root, "tests"), "*.cs", SearchOption.AllDirectories).Where(file => file.Contains("Tests", StringComparison.Ordinal) || file.Contains("Contract", StringComparison.Ordinal))
            .ToLookup(file => Path.GetFileNameWithoutExtension(file), File.ReadAllText, StringComparer.Ordinal);
        var named = TestName().Matches(File.ReadAllText(Path.Combine(Source.Root, "docs/reference/security.md"))).Select(match => (Class: match.Groups[1].Value, Method: match.Groups[2].Value)).ToList();

        Assert.True(named.Count > 40);
        Assert.DoesNotContain(named, test => !sources[test.Class].Any(text => text.Contains($" {test.Method}(", StringComparison.Ordinal)));
    }

    [GeneratedRegex("`([A-Z][A-Za-z]+(?:Tests|Contract))\\.([A-Z][A-Za-z_0-9]+)`")]
    private static partial Regex TestName();
}
