using System.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;

namespace Mesh.Tests.Proxy.Downstream;

/// <summary>Which chain a server name leads to, and whether a host belongs to another chain than the one a connection has.</summary>
public sealed class FilterChainMatcherTests
{
    private static readonly FilterChain Shop = Named("shop", "shop.example.com", "www.example.com"), Wild = Named("wild", "*.example.com"),
        Deep = Named("deep", "*.eu.example.com"), Rest = Named("rest");

    private readonly FilterChainMatcher matcher = new(new()
    {
        Name = "edge", Address = SocketTarget.At(new(IPAddress.Loopback, 443)), Chains = [Wild, Shop, Rest, Deep],
    });

    [Theory]
    [InlineData("shop.example.com", "shop"), InlineData("www.example.com", "shop"), InlineData("other.example.com", "wild"), InlineData("a.b.example.com", "wild")]
    [InlineData("a.eu.example.com", "deep"), InlineData("example.com", "rest"), InlineData("", "rest"), InlineData("...", "rest"), InlineData("x.org", "rest")]
    public void The_exact_name_beats_the_longest_wildcard_beats_none(string serverName, string chain) => Assert.Equal(chain, Find(serverName)?.Name);

    [Fact]
    public void A_name_as_long_as_a_packet_finds_its_chain_too() => Assert.Equal("wild", Find(new string('a', 60_000) + ".example.com")?.Name);

    [Theory]
    [InlineData("other.example.com", true), InlineData("a.eu.example.com", true), InlineData("www.example.com", false), InlineData("x.org", false)]
    public void A_host_of_another_chain_is_elsewhere_and_one_that_nobody_names_is_not(string host, bool isElsewhere) =>
        Assert.Equal(isElsewhere, matcher.IsElsewhere(host, Shop));

    [Fact]
    public void A_wildcard_does_not_serve_the_host_that_another_chain_names() => Assert.True(matcher.IsElsewhere("shop.example.com", Wild));

    [Fact]
    public void A_chain_for_all_names_does_not_serve_a_named_host() => Assert.True(matcher.IsElsewhere("shop.example.com", Rest));

    private FilterChain? Find(string serverName)
    {
        var nowhere = new IPEndPoint(IPAddress.Loopback, 443);
        return matcher.Find(new(nowhere, nowhere, nowhere, serverName, "tls", []));
    }

    private static FilterChain Named(string name, params string[] serverNames) => new() { Name = name, Match = new() { ServerNames = [.. serverNames] } };
}
