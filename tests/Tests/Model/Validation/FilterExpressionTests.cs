using CsCheck;
using Mesh.Model.Validation;

namespace Mesh.Tests.Model.Validation;

public sealed class FilterExpressionTests
{
    [Theory]
    [InlineData("response.code >= 400")]
    [InlineData("response.code >= 400 && !(request.url_path.startsWith('/health') || connection.mtls)")]
    [InlineData("request.headers['x-a'] == \"b\" ? true : false")]
    [InlineData("has(request.auth) && 'x' in request.headers")]
    [InlineData("[1, 2u, -3, 1.5e3,].exists(x, x == 2)")]
    [InlineData("{'a': 1, \"b\": r'\\d'}.a - -1")]
    [InlineData("duration('1s') < request.duration // comment")]
    [InlineData("google.rpc.Code{value: 1}.value == 1")]
    [InlineData("xds.node.id")]
    public void What_CEL_parses_is_taken(string expression) => Assert.Null(FilterExpressions.Problem(expression));

    [Theory]
    [InlineData("", "the expression ends too early")]
    [InlineData("response.code >=", "the expression ends too early")]
    [InlineData("response.code = 200", "'=' at column 15 is not expected")]
    [InlineData("a b", "'b' at column 3 is not expected")]
    [InlineData("(a", "')' is missing at column 3")]
    [InlineData("a[1", "']' is missing at column 4")]
    [InlineData("a ? b", "':' is missing at column 6")]
    [InlineData("'open", "the string at column 1 is not closed")]
    [InlineData("a.", "a name is missing at column 3")]
    [InlineData("1x", "'1x' is no number")]
    [InlineData("&& a", "'&' at column 1 is not expected")]
    public void What_it_does_not_parse_is_refused_with_its_place(string expression, string problem) =>
        Assert.Equal($"must be a valid CEL expression, {problem}", FilterExpressions.Problem(expression));

    [Fact]
    public void Nesting_is_bounded() => Assert.Contains("nested deeper", FilterExpressions.Problem(new string('(', 10_000)));

    [Fact]
    public void Any_text_is_judged() =>
        Gen.String[Gen.Char["ab.()[]{}?:!&|<>=+-*/%'\"\\r0x1u,\n in"], 0, 80].Holds(text => { FilterExpressions.Problem(text); }, cases: 10_000);
}
