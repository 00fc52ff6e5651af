using System.Collections.Immutable;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Tests.Proxy;

/// <summary>Answers of the proxy's own, as recorded from Envoy: their framing, their headers, and what of the connection they leave.</summary>
public sealed class OwnAnswerTests
{
    private static readonly HeaderEditSet Unmarked = new([], [HeaderEdit.Remove("content-type")]);

    [Theory]
    [InlineData(201, true), InlineData(304, true), InlineData(300, true), InlineData(200, false), InlineData(404, false)]
    public void A_fixed_answer_whose_code_promises_an_address_names_the_requests_own(int status, bool names)
    {
        var answer = Call(new DirectResponse(status, default), "GET /x?y HTTP/1.1\r\nHost: shop:8080\r\n\r\n");

        Assert.Equal(names, answer.Contains("location: http://shop:8080/x?y\r\n"));
    }

    [Fact]
    public void An_answer_to_HEAD_without_a_length_says_what_GET_would_have_said() =>
        Assert.Contains("transfer-encoding: chunked\r\n", Call(new Mesh.Proxy.Config.Redirect { Path = "/n" }, "HEAD /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"));

    [Fact]
    public void An_answer_to_HEAD_tells_the_length_of_the_body_it_leaves_out()
    {
        var answer = Call(new DirectResponse(200, "hello"u8.ToArray()), "HEAD /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n");

        Assert.Contains("content-length: 5\r\n", answer);
        Assert.EndsWith("\r\n\r\n", answer);
    }

    [Fact]
    public void A_request_answered_before_its_body_was_read_ends_the_connection()
    {
        var answer = Call(new DirectResponse(403, default), "POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabc");

        Assert.Contains("connection: close\r\n", answer);
        Assert.DoesNotContain("connection: close\r\n", Call(new DirectResponse(403, default), "POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"));
    }

    [Fact]
    public void The_type_of_an_answers_text_cannot_be_taken_away_but_replaced()
    {
        var page = new DirectResponse(200, "<p>"u8.ToArray());

        Assert.Contains("content-type: text/plain\r\n", Call(page, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Unmarked));
        Assert.Contains("content-type: text/html\r\n", Call(page, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Edits("content-type", "text/html")));
    }

    [Fact]
    public void A_route_that_answers_by_itself_has_no_cross_origin_policy()
    {
        var cors = ImmutableDictionary<string, FilterOverride>.Empty.Add("cors", new FilterOverride.Cors(new() { AllowOrigins = [StringMatch.Exact("https://a.example.com")] }));

        var answer = Call(new DirectResponse(200, default), "GET / HTTP/1.1\r\nHost: a\r\norigin: https://a.example.com\r\n\r\n", overrides: cors, filters: new CorsFilter("cors"));

        Assert.DoesNotContain("access-control", answer);
    }

    [Fact]
    public void A_filter_that_never_saw_the_request_does_not_touch_the_answer()
    {
        var cors = ImmutableDictionary<string, FilterOverride>.Empty.Add("cors", new FilterOverride.Cors(new() { AllowOrigins = [StringMatch.Exact("https://a.example.com")] }));
        var abort = new FaultFilter("fault", new() { AbortHttpStatus = 503, AbortShare = Fraction.All });

        var answer = Call(new Forward { Clusters = [new() { Name = "server" }] }, "GET / HTTP/1.1\r\nHost: a\r\norigin: https://a.example.com\r\n\r\n", overrides: cors, filters: [abort, new CorsFilter("cors")]);

        Assert.StartsWith("HTTP/1.1 503 ", answer);
        Assert.DoesNotContain("access-control", answer);
    }

    [Theory]
    [InlineData("OPTIONS", true), InlineData("PATCH", true), InlineData("POST", true), InlineData("GET", false), InlineData("DELETE", false)]
    public void A_request_without_a_body_says_so_where_its_method_may_have_one(string method, bool says)
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        rig.Serve();

        Assert.Equal(says, rig.Call($"{method} / HTTP/1.1\r\nHost: a\r\n\r\n").Split("\r\n\r\n")[1].Contains("content-length: 0"));
    }

    [Theory]
    [InlineData("one", false, true), InlineData("two", false, true), InlineData("one,two", false, false), InlineData("three", false, false)]
    [InlineData("one", true, false), InlineData("three", true, true), InlineData("one,two", true, true)]
    public void Of_several_fields_of_one_name_any_may_fit_and_an_inverted_match_wants_none_to(string value, bool invert, bool expected)
    {
        var head = new RequestHead();
        head.Headers.Append("x-a"u8, "one"u8);
        head.Headers.Append("x-a"u8, "two"u8);
        var match = new HeaderMatch { Name = "x-a", Kind = HeaderMatchKind.Value, Value = StringMatch.Exact(value), Invert = invert };

        Assert.Equal(expected, new HeaderPredicate(match).IsMatch(head));
    }

    private static HeaderEditSet Edits(string name, string value) => new([], [new(name, new(value), HeaderEditKind.OverwriteIfExistsOrAdd)]);

    private static string Call(RouteAction action, string request, HeaderEditSet? edits = null, ImmutableDictionary<string, FilterOverride>? overrides = null, params HttpFilterSettings[] filters)
    {
        using var rig = new ProxyRig();
        rig.Serve(http: s => s with { Filters = [.. filters] });
        var table = rig.Snapshot.Routes["80"];
        var host = table.VirtualHosts[0];
        var route = host.Routes[0] with { Action = action, FilterOverrides = overrides ?? ImmutableDictionary<string, FilterOverride>.Empty };
        if (edits is not null) route = route with { Headers = edits };
        rig.Use(rig.Snapshot with { Routes = rig.Snapshot.Routes.SetItem("80", table with { VirtualHosts = [host with { Routes = [route] }] }) });
        return rig.Call(request);
    }
}
