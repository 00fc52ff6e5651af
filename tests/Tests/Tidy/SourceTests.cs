using System.Text.RegularExpressions;

namespace Mesh.Tests.Tidy;

/// <summary>The house rules of STYLE.md that a machine can hold.</summary>
public sealed class SourceTests
{
    private const int FileLinesMax = 600;

    private static IEnumerable<string> All => Source.Files("src").Concat(Source.Files("tests")).Concat(Source.Files("bench"));

    [Fact]
    public void No_file_is_longer_than_600_lines() =>
        Assert.Equal([], All.Where(file => Source.Text(file).AsSpan().Count('\n') > FileLinesMax));

    [Fact]
    public void No_type_is_named_for_what_it_is_not() =>
        Assert.Equal([], Source.Files("src").Where(file => Regex.IsMatch(Path.GetFileNameWithoutExtension(file), "(Manager|Helper|Utils?|Impl|Base)$")));

    [Fact]
    public void No_regions() =>
        Assert.Equal([], All.Where(file => Regex.IsMatch(Source.Text(file), @"^\s*#region", RegexOptions.Multiline)));

    [Fact]
    public void No_todo_without_an_issue_number() =>
        Assert.Equal([], All.Where(file => Regex.IsMatch(Source.Text(file), @"//\s*(TODO|FIXME|HACK)(?!\(#\d+\))")));
}
