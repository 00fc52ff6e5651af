using Mesh.Model.World;

namespace Mesh.Tests.Model.Worlds;

public sealed class HostnamesTests
{
    [Theory]
    [InlineData("a.b", "a.b", true)]
    [InlineData("*.b", "a.b", true)]
    [InlineData("*.b", "b", false)]
    [InlineData("*", "a", true)]
    [InlineData("*.b.c", "*.c", true)]
    [InlineData("*.b", "*.c", false)]
    public void Two_names_match_when_both_cover_some_host(string a, string b, bool expected)
    {
        Assert.Equal(expected, Hostnames.Matches(a, b));
        Assert.Equal(expected, Hostnames.Matches(b, a));
    }

    [Theory]
    [InlineData("a.b", "*.b", true)]
    [InlineData("*.a.b", "*.b", true)]
    [InlineData("*.b", "*.a.b", false)]
    [InlineData("*.b", "a.b", false)]
    [InlineData("a.b", "a.b", true)]
    public void One_name_lies_within_another_when_it_covers_nothing_else(string inner, string outer, bool expected) =>
        Assert.Equal(expected, Hostnames.IsWithin(inner, outer));

    [Theory]
    [InlineData("reviews", "reviews.shop.svc.cluster.local")]
    [InlineData("reviews.shop", "reviews.shop")]
    [InlineData("*.shop", "*.shop")]
    [InlineData("*", "*")]
    public void A_short_name_is_a_service_of_the_writers_namespace(string written, string meant) =>
        Assert.Equal(meant, Hostnames.Resolve(written, "shop", "cluster.local"));

    [Fact]
    public void Exact_names_come_first_then_longer_wildcards()
    {
        string[] names = ["*", "*.b", "x.b", "*.a.b"];
        Array.Sort(names, Hostnames.BySpecificity);
        Assert.Equal(["x.b", "*.a.b", "*.b", "*"], names);
    }
}
