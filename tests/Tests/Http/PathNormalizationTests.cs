using Mesh.Http;
using Mesh.Tests.Tidy;

namespace Mesh.Tests.Http;

/// <summary>Istio: MeshConfig pathNormalization; the table was recorded from Envoy.</summary>
public sealed class PathNormalizationTests
{
    private static readonly PathNormalization[] Modes =
        [PathNormalization.None, PathNormalization.Base, PathNormalization.MergeSlashes, PathNormalization.DecodeAndMergeSlashes];

    [Fact]
    public void Every_path_of_the_table_is_rewritten_as_Envoy_rewrites_it()
    {
        var rows = Rows().Where(row => !HasEncodedDotsWithParameters(row[0])).ToArray();

        Assert.True(rows.Length > 400);
        foreach (var row in rows)
        {
            for (var mode = 0; mode < Modes.Length; mode++)
                Assert.Equal($"{row[0]} [{mode}] {(row[mode + 1] == "=" ? row[0] : row[mode + 1])}", $"{row[0]} [{mode}] {Normalize(Modes[mode], row[0])}");
        }
    }

    [Fact]
    public void Normalizing_twice_changes_nothing_more()
    {
        foreach (var path in Rows().Select(row => row[0]).Concat(RandomPaths(20_000)))
        {
            foreach (var mode in Modes)
            {
                var once = Normalize(mode, path);

                if (once != "400") Assert.Equal(once, Normalize(mode, once));
            }
        }
    }

    [Theory]
    [InlineData("/x%/../|%5cc", "/%7C%5cc")]
    [InlineData("/a/%2e%2e;/b", "/b")]
    [InlineData("/a/.%2e;x/b", "/b")]
    [InlineData("/a/%2e;x=1/b", "/a/b")]
    public void What_the_table_does_not_tell(string path, string expected) => Assert.Equal(expected, Normalize(PathNormalization.Base, path));

    [Fact]
    public void No_dot_segment_survives()
    {
        foreach (var path in RandomPaths(20_000))
        {
            var clean = Normalize(PathNormalization.DecodeAndMergeSlashes, path).Split('?')[0];

            Assert.DoesNotContain(clean.Split('/').Skip(1), segment => segment.Split(';')[0] is "." or "..");
            Assert.DoesNotContain("//", clean);
            Assert.DoesNotContain('\\', clean);
        }
    }

    [Fact]
    public void Escaped_slashes_can_be_refused_or_sent_back_to_the_client()
    {
        Assert.Equal(PathOutcome.Refused, Outcome(PathNormalization.Base with { EscapedSlashes = EscapedSlashes.Refuse }, "/a%2Fb"));
        Assert.Equal(PathOutcome.Unchanged, Outcome(PathNormalization.Base with { EscapedSlashes = EscapedSlashes.Refuse }, "/a%20b"));
        Assert.Equal(PathOutcome.Redirect, Outcome(PathNormalization.Base with { EscapedSlashes = EscapedSlashes.UnescapeAndRedirect }, "/a%5cb"));
        Assert.Equal(PathOutcome.Changed, Outcome(PathNormalization.Base with { EscapedSlashes = EscapedSlashes.UnescapeAndRedirect }, "/a/../b"));
    }

    [Fact]
    public void The_query_is_left_alone() =>
        Assert.Equal("/b?x=/../%2F//\\", Normalize(PathNormalization.DecodeAndMergeSlashes, "/a/..//b?x=/../%2F//\\"));

    [Fact]
    public void An_ordinary_path_costs_nothing()
    {
        var head = new RequestHead();
        head.SetPath("/api/v1/items/0123-4567_89?x=1"u8);

        Assert.Equal(0, Allocations.Of(() => Assert.True(PathNormalization.DecodeAndMergeSlashes.Apply(head) == PathOutcome.Unchanged)));
    }

    private static string Normalize(PathNormalization rules, string path)
    {
        var head = new RequestHead();
        head.SetPath(H1Probe.Bytes(path));
        return rules.Apply(head) == PathOutcome.Refused ? "400" : H1Probe.Text(head.Path);
    }

    private static PathOutcome Outcome(PathNormalization rules, string path)
    {
        var head = new RequestHead();
        head.SetPath(H1Probe.Bytes(path));
        return rules.Apply(head);
    }

    private static IEnumerable<string[]> Rows() =>
        Source.Text("tests/Tests/Http/Cases/path-normalization.tsv").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[0] != '#').Select(line => line.Split('\t'));

    private static bool HasEncodedDotsWithParameters(string path) => path.Contains("%2e;", StringComparison.Ordinal);

    private static IEnumerable<string> RandomPaths(int count)
    {
        string[] tokens = ["/", "/", "\\", ".", "..", "%2e", "%2E", "%2f", "%5C", "%", "2", "e", "f", ";", "a", "?", "%25", "%32", "%65", "|", "%00", "%c0"];
        var random = new Random(3);
        for (var i = 0; i < count; i++) yield return "/" + string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => tokens[random.Next(tokens.Length)]));
    }
}
