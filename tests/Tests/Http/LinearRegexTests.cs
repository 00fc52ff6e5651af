using Mesh.Http.Text;

namespace Mesh.Tests.Http;

/// <summary>Istio: regex is RE2, and the whole text must match.</summary>
public sealed class LinearRegexTests
{
    [Theory]
    [InlineData("/a.*", "/abc", true)]
    [InlineData("/a", "/abc", false)]
    [InlineData("a|b", "b", true)]
    [InlineData("a|b", "ab", false)]
    [InlineData("^/v[12]/x$", "/v1/x", true)]
    [InlineData("^/v[12]/x$", "/v1/x\n", false)]
    [InlineData(@"\d+", "123", true)]
    [InlineData(@"\d+", "\u0663", false)]
    [InlineData(@"\w+", "\u00e9", false)]
    [InlineData(@"[\w-]+", "a-b", true)]
    [InlineData(@"[^\d]+", "a-b", true)]
    [InlineData(@"[\D]+", "a1b", false)]
    [InlineData(@"[\S]+", "a b", false)]
    [InlineData(@"(?i)abc", "ABC", true)]
    [InlineData(@"(?i:a)b", "AB", false)]
    [InlineData(@"(?P<name>a+)b", "aab", true)]
    [InlineData(@"(?<name>a+)b", "aab", true)]
    [InlineData(@"[[:alpha:]]+[[:^alpha:]]", "abc1", true)]
    [InlineData(@"[[:word:]/]+", "a_/1", true)]
    [InlineData(@"\pL+", "\u00e9", true)]
    [InlineData(@"\p{Lu}\P{Lu}", "Aa", true)]
    [InlineData(@"\p{^Lu}", "a", true)]
    [InlineData(@"\Qa.b\E+", "a.bbb", true)]
    [InlineData(@"\Qa.b", "a.b", true)]
    [InlineData(@"a{2,3}", "aaa", true)]
    [InlineData(@"a{,3}", "a{,3}", true)]
    [InlineData(@"a{2}?", "aa", true)]
    [InlineData(@"\x41\x{42}\103", "ABC", true)]
    [InlineData(@"[\x41-\x43]+", "ABC", true)]
    [InlineData(@"[a-z-[x]+", "a-[x", true)]
    [InlineData(@"[]a]+", "]a", true)]
    [InlineData(@"[^]a]+", "b", true)]
    [InlineData(@"a.c", "a\nc", false)]
    [InlineData(@"(?s)a.c", "a\nc", true)]
    [InlineData(@"(?m)a$\nb", "a\nb", true)]
    [InlineData(@"((a)(b))*", "abab", true)]
    [InlineData(@"[.*+?()|{}^$]+", ".*+?()|{}^$", true)]
    [InlineData(@"\.\*\-\/", ".*-/", true)]
    [InlineData("[[:]+", "[:", true)]
    [InlineData("", "", true)]
    [InlineData("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false)]
    public void Matches_as_RE2_does(string pattern, string text, bool expected)
    {
        Assert.True(LinearRegex.TryParse(pattern, out var regex, out var error), error);

        Assert.Equal(expected, regex.IsFullMatch(System.Text.Encoding.UTF8.GetBytes(text)));
    }

    [Theory]
    [InlineData("a(?=b)", "look-ahead")]
    [InlineData("a(?!b)", "look-ahead")]
    [InlineData("(?<=a)b", "look-behind")]
    [InlineData("(?<!a)b", "look-behind")]
    [InlineData("(?>a)", "RE2")]
    [InlineData("(?#x)a", "RE2")]
    [InlineData("(?x)a", "RE2")]
    [InlineData(@"(a)\1", "back-references")]
    [InlineData(@"\k<a>", "not in RE2")]
    [InlineData(@"a\Z", "not in RE2")]
    [InlineData(@"\G", "not in RE2")]
    [InlineData("a**", "repetition of nothing")]
    [InlineData("*a", "repetition of nothing")]
    [InlineData("a++", "repetition of nothing")]
    [InlineData("a{1001}", "more than 1000")]
    [InlineData("((a{100}){100}){100}", "too large")]
    [InlineData("(a", "not closed")]
    [InlineData("a)", "not opened")]
    [InlineData("[a", "not closed")]
    [InlineData("[b-a]", "wrong way round")]
    [InlineData("[[:nope:]]", "no class")]
    [InlineData(@"\p{Greek}", "not supported")]
    [InlineData(@"a\", "backslash at the end")]
    public void What_RE2_refuses_is_refused_with_a_reason(string pattern, string reason)
    {
        Assert.False(LinearRegex.TryParse(pattern, out _, out var error));
        Assert.Contains(reason, error);
    }

    [Fact]
    public void A_pattern_beyond_1024_characters_is_refused()
    {
        Assert.True(LinearRegex.TryParse(new string('a', 1024), out _, out _));
        Assert.False(LinearRegex.TryParse(new string('a', 1025), out _, out _));
    }

    [Theory]
    [InlineData(@"^/service/([^/]+)(/.*)$", @"\2/instance/\1", "/service/foo/v1/api", "/v1/api/instance/foo")]
    [InlineData("one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz")]
    [InlineData("(?i)/xxx/", "/yyy/", "/aaa/XxX/bbb", "/aaa/yyy/bbb")]
    [InlineData("(a)", @"$1\1\\", "a", @"$1a\")]
    public void Rewrites_replace_every_match_with_groups(string pattern, string rewrite, string path, string expected)
    {
        Assert.True(LinearRegex.TryParse(pattern, out var regex, out var error), error);

        Assert.Null(regex.CheckRewrite(rewrite));
        Assert.Equal(expected, regex.Replace(path, rewrite));
    }

    [Theory]
    [InlineData("(a)", @"\2")]
    [InlineData("(a)", @"\x")]
    [InlineData("(a)", @"\")]
    public void A_rewrite_that_cannot_work_is_found_out(string pattern, string rewrite)
    {
        Assert.True(LinearRegex.TryParse(pattern, out var regex, out _));
        Assert.NotNull(regex.CheckRewrite(rewrite));
    }

    [Fact]
    public void Random_patterns_never_throw()
    {
        const string Alphabet = @"ab(){}[]|*+?.^$\dwpQE:<>=!,-1 0";
        var random = new Random(5);
        for (var i = 0; i < 5000; i++)
        {
            var pattern = new string(Enumerable.Range(0, random.Next(14)).Select(_ => Alphabet[random.Next(Alphabet.Length)]).ToArray());
            if (LinearRegex.TryParse(pattern, out var regex, out var error)) regex.IsFullMatch("ab"u8);
            else Assert.NotEmpty(error);
        }
    }

    [Fact]
    public void What_is_not_UTF_8_never_matches()
    {
        Assert.True(LinearRegex.TryParse(".*", out var regex, out _));
        Assert.False(regex.IsFullMatch([(byte)'a', 0xC3, 0x28]));
    }

    [Fact]
    public void A_match_allocates_nothing_once_it_is_warm()
    {
        Assert.True(LinearRegex.TryParse("/api/v[0-9]+/items/.*", out var regex, out _));

        Assert.Equal(0, Allocations.Of(() => Assert.True(regex.IsFullMatch("/api/v12/items/77?x=1"u8)), rounds: 1000));
    }
}
