using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;

namespace Mesh.Tests.Proxy.Observe;

public sealed class ExpressionTests
{
    [Theory]
    [InlineData("1 + 2 * 3 == 7", true)]
    [InlineData("(1 + 2) * 3 == 9 && !(2 > 3)", true)]
    [InlineData("'abc'.startsWith('ab') && \"abc\".endsWith('c') && 'abc'.contains('b')", true)]
    [InlineData("'v12'.matches('v[0-9]+')", true)]
    [InlineData("5 in [1, 5]", true)]
    [InlineData("'x' in ['y']", false)]
    [InlineData("size('four') == 4", true)]
    [InlineData("1 > 2 ? false : true", true)]
    [InlineData("duration('1.5s') > duration('200ms')", true)]
    [InlineData("timestamp('2026-01-02T00:00:00Z') > timestamp('2026-01-01T23:59:59Z')", true)]
    [InlineData("'x-a' in nothing.headers", false)]
    [InlineData("-3 < 2 && 7 % 4 == 3", true)]
    [InlineData("1 == 'a'", false)]
    [InlineData("1 / 0 == 1", false)]
    [InlineData("1 / 0 == 1 || true", true)]
    [InlineData("1 / 0 == 1 && false", false)]
    public void Constant_expressions_have_their_value(string text, bool expected) => Assert.Equal(expected, Expression.Parse(text).IsTrue(default));

    [Theory]
    [InlineData("1 +")]
    [InlineData("foo(1)")]
    [InlineData("'open")]
    [InlineData("(1")]
    [InlineData("1 2")]
    [InlineData("'a'.matches('(')")]
    public void What_does_not_parse_is_refused(string text) => Assert.ThrowsAny<Exception>(() => Expression.Parse(text));

    [Fact]
    public void Nesting_has_a_bound() =>
        Assert.Throws<ConfigRefusedException>(() => Expression.Parse(new string('(', 1000) + "1" + new string(')', 1000)));

    [Fact]
    public void Formats_are_read_and_unknown_operators_refused()
    {
        Assert.Equal("100% sure"u8.ToArray(), LineFormat.Compile("100%% sure").Constant);
        Assert.NotNull(LineFormat.Compile("%START_TIME(%Y-%m-%d)%").Single);
        Assert.Equal(3, LineFormat.Compile("%REQ(X-A?X-B):3%").Single!.LengthMax);
        Assert.NotNull(LineFormat.Compile(LineFormat.Istio));
        foreach (var bad in (string[])["%NOPE%", "%REQ(x)", "%REQ()%", "%REQ(x):y%"]) Assert.Throws<ConfigRefusedException>(() => LineFormat.Compile(bad));
    }

    [Fact]
    public void Times_are_written_as_strftime_has_them()
    {
        var line = new ByteLine(new byte[200]);
        new TimeFormat("%Y-%m-%dT%H:%M:%S.%3fZ %s %j %a %b %e %%").Write(ref line, new(2026, 1, 2, 3, 4, 5, 67, TimeSpan.Zero));
        Assert.Equal("2026-01-02T03:04:05.067Z 1767323045 002 Fri Jan  2 %", System.Text.Encoding.ASCII.GetString(line.Written));
    }

    [Fact]
    public void Json_text_stays_json_whatever_the_bytes()
    {
        var line = new ByteLine(new byte[200]);
        JsonLine.AppendEscaped(ref line, [.. "a\"\\\n\u0001é"u8, 0xFF, (byte)'z']);
        Assert.Equal("a\\\"\\\\\\n\\u0001é\uFFFDz", System.Text.Encoding.UTF8.GetString(line.Written));
    }

    [Fact]
    public void A_line_longer_than_its_room_is_cut_and_says_so()
    {
        var line = new ByteLine(new byte[4]);
        line.Append("abc"u8);
        line.Append("def"u8);
        Assert.True(line.IsCut);
        Assert.Equal("abcd"u8.ToArray(), line.Written.ToArray());
    }
}
