using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Tests.Proxy.Http;

/// <summary>Istio: virtual hosts and route matching.</summary>
public sealed class RouteTests
{
    [Theory]
    [InlineData("shop.demo", "exact")]
    [InlineData("SHOP.demo:8080", "exact")]
    [InlineData("shop.demo:http", "any")]
    [InlineData("shop.demo:", "exact")]
    [InlineData("x.example.com", "suffix")]
    [InlineData("a.b.example.com", "longer suffix")]
    [InlineData(".example.com", "any")]
    [InlineData("example.com", "any")]
    [InlineData("api.anything", "prefix")]
    [InlineData("[::1]:80", "v6")]
    [InlineData("", "any")]
    [InlineData("shop.demo.", "any")]
    public void A_host_finds_its_virtual_host(string authority, string expected)
    {
        var table = new RouteTable
        {
            Name = "80",
            IgnorePortInHost = true,
            VirtualHosts = [Host("any", "*"), Host("prefix", "api.*"), Host("suffix", "*.example.com"), Host("longer suffix", "*.b.example.com"), Host("exact", "shop.demo"), Host("v6", "[::1]")],
        };
        Assert.Equal(expected, RouteIndex.Of(table).Find(Encoding.Latin1.GetBytes(authority))!.Host.Name);
    }

    [Fact]
    public void Without_a_virtual_host_for_all_a_stranger_finds_none() =>
        Assert.Null(RouteIndex.Of(new() { Name = "80", VirtualHosts = [Host("a", "a")] }).Find("b"u8));

    [Theory]
    [InlineData("Prefix", "/foo", "/foobar", true)]
    [InlineData("Prefix", "/foo", "/fo?o", false)]
    [InlineData("Path", "/foo", "/foo?x=/foo", true)]
    [InlineData("Path", "/foo", "/foo/", false)]
    [InlineData("SeparatedPrefix", "/foo", "/foo/bar", true)]
    [InlineData("SeparatedPrefix", "/foo", "/foo", true)]
    [InlineData("SeparatedPrefix", "/foo", "/foobar", false)]
    [InlineData("Regex", "/a|/b", "/b", true)]
    [InlineData("Regex", "/a|/b", "/bx", false)]
    [InlineData("Regex", "/v[0-9]+/.*", "/v12/x?y", true)]
    [InlineData("Template", "/v/{*}/x", "/v/1/x", true)]
    [InlineData("Template", "/v/{*}/x", "/v/1/2/x", false)]
    [InlineData("Template", "/v/{**}", "/v/1/2/x", true)]
    public void Paths_match_by_kind(string kind, string pattern, string path, bool expected) =>
        Assert.Equal(expected, new RouteMatch(new() { PathKind = Enum.Parse<PathMatchKind>(kind), Path = pattern }).IsMatch(Head(path)));

    [Fact]
    public void Case_is_ignored_only_where_asked()
    {
        Assert.True(new RouteMatch(new() { Path = "/Foo", IgnoreCase = true }).IsMatch(Head("/fOOx")));
        Assert.False(new RouteMatch(new() { Path = "/Foo" }).IsMatch(Head("/foo")));
    }

    public static TheoryData<string, string[], bool> Headers => new()
    {
        { "present", [], false },
        { "present", ["1"], true },
        { "absent", [], true },
        { "absent", ["1"], false },
        { "exact a,b", ["a", "b"], false },
        { "exact a", ["a", "b"], true },
        { "exact a,b", ["", "a,b"], true },
        { "not a", ["b"], true },
        { "not a", [], false },
        { "not a, missing is empty", [], true },
        { "range", ["42"], true },
        { "range", ["50"], false },
        { "range", ["x"], false },
    };

    [Theory, MemberData(nameof(Headers))]
    public void Headers_match_by_kind(string kind, string[] values, bool expected)
    {
        var match = new HeaderMatch { Name = "x-h" };
        match = kind switch
        {
            "present" => match,
            "absent" => match with { PresentWanted = false },
            "exact a,b" => match with { Kind = HeaderMatchKind.Value, Value = StringMatch.Exact("a,b") },
            "exact a" => match with { Kind = HeaderMatchKind.Value, Value = StringMatch.Exact("a") },
            "not a" => match with { Kind = HeaderMatchKind.Value, Value = StringMatch.Exact("a"), Invert = true },
            "not a, missing is empty" => match with { Kind = HeaderMatchKind.Value, Value = StringMatch.Exact("a"), Invert = true, TreatMissingAsEmpty = true },
            _ => match with { Kind = HeaderMatchKind.Range, Range = new(40, 50) },
        };
        var head = Head("/");
        foreach (var value in values) head.Headers.Append("X-H"u8, Encoding.ASCII.GetBytes(value));
        Assert.Equal(expected, new HeaderPredicate(match).IsMatch(head));
    }

    [Theory]
    [InlineData("/?tier=gold&tier=tin", true)]
    [InlineData("/?tier=tin&tier=gold", false)]
    [InlineData("/?Tier=gold", false)]
    [InlineData("/?x=1", false)]
    [InlineData("/", false)]
    public void The_first_query_parameter_of_a_name_counts(string path, bool expected) =>
        Assert.Equal(expected, new RouteMatch(new() { Path = "/", Queries = [new("tier", StringMatch.Exact("gold"))] }).IsMatch(Head(path)));

    [Fact]
    public void Names_without_value_are_asked_for_presence() =>
        Assert.True(new RouteMatch(new() { Path = "/", Queries = [new("debug", null)] }).IsMatch(Head("/?debug")));

    [Theory]
    [InlineData("connect-failure,refused-stream", RetryOnWords.ConnectOrRefused)]
    [InlineData(" 5xx , nonsense", RetryOnWords.Errors)]
    [InlineData("", RetryOnWords.Nothing)]
    public void Retry_words_are_read_and_unknown_ones_passed_over(string text, RetryOnWords expected) =>
        Assert.Equal(expected switch
        {
            RetryOnWords.ConnectOrRefused => RetryOn.ConnectFailure | RetryOn.RefusedStream,
            RetryOnWords.Errors => RetryOn.ServerError,
            _ => RetryOn.None,
        }, RetryWords.Parse(text));

    public enum RetryOnWords { Nothing, ConnectOrRefused, Errors }

    [Theory]
    [InlineData("300m", 300)]
    [InlineData("5S", 5000)]
    [InlineData("1M", 60000)]
    [InlineData("x", -1)]
    [InlineData("5", -1)]
    [InlineData("123456789S", -1)]
    public void Grpc_timeouts_are_read(string text, int milliseconds)
    {
        var head = Head("/");
        head.Headers.Append(KnownHeader.GrpcTimeout, Encoding.ASCII.GetBytes(text));
        Assert.Equal(milliseconds < 0 ? null : TimeSpan.FromMilliseconds(milliseconds), Timeouts.GrpcTimeout(head));
    }

    [Fact]
    public void A_shadow_bears_its_suffix_before_the_port()
    {
        Assert.Equal("shop-shadow:80", Encoding.ASCII.GetString(Router.ShadowAuthority("shop:80"u8)));
        Assert.Equal("shop-shadow", Encoding.ASCII.GetString(Router.ShadowAuthority("shop"u8)));
    }

    [Fact]
    public void Cookies_are_found_with_and_without_quotes()
    {
        var headers = new Headers();
        headers.Append(KnownHeader.Cookie, "a=1; user=\"bob\""u8);
        headers.Append(KnownHeader.Cookie, "b=2"u8);
        Assert.True(HashPolicies.TryFindCookie(headers, "user", out var user));
        Assert.Equal("bob", Encoding.ASCII.GetString(user));
        Assert.True(HashPolicies.TryFindCookie(headers, "b", out _));
        Assert.False(HashPolicies.TryFindCookie(headers, "ser", out _));
        Assert.Equal("c=\"v\"; Max-Age=60; Path=/; HttpOnly", HashPolicies.SetCookie("c", "v", "/", TimeSpan.FromMinutes(1), []));
    }

    private static VirtualHost Host(string name, params string[] domains) => new() { Name = name, Domains = [.. domains] };

    private static RequestHead Head(string path)
    {
        var head = new RequestHead();
        head.SetMethod(Method.Get);
        head.SetPath(Encoding.ASCII.GetBytes(path));
        head.SetAuthority("shop"u8);
        return head;
    }
}
