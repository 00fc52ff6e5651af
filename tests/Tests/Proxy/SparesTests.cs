using Mesh.Proxy;

namespace Mesh.Tests.Proxy;

public sealed class SparesTests
{
    [Fact]
    public void What_was_given_back_last_is_given_out_first()
    {
        var spares = new Spares<string>(4, 0);
        spares.Keep("cold");
        spares.Keep("warm");

        Assert.Equal("warm", spares.TryTake());
        Assert.Equal("cold", spares.TryTake());
        Assert.Null(spares.TryTake());
    }

    [Fact]
    public void No_more_are_kept_than_the_bound_says()
    {
        var spares = new Spares<string>(2, 0);
        foreach (var one in (string[])["a", "b", "c"]) spares.Keep(one);

        Assert.Equal(2, spares.Count);
    }

    [Fact]
    public void After_a_burst_only_those_remain_that_are_used_since()
    {
        var spares = new Spares<string>(100, 0);
        for (var i = 0; i < 50; i++) spares.Keep($"{i}");
        spares.LetGoOfUnused(); // the burst lies within the time that ends here

        var (one, other) = (spares.TryTake()!, spares.TryTake()!);
        spares.Keep(one);
        spares.Keep(other);
        spares.LetGoOfUnused();

        Assert.Equal(2, spares.Count);
    }

    [Fact]
    public void What_nobody_uses_is_let_go_wholly()
    {
        var spares = new Spares<string>(100, 0);
        spares.Keep("a");
        spares.LetGoOfUnused();
        spares.LetGoOfUnused();

        Assert.Equal(0, spares.Count);
    }

    [Fact]
    public void A_few_stay_however_long_nobody_uses_them()
    {
        var spares = new Spares<string>(100, 3);
        for (var i = 0; i < 50; i++) spares.Keep($"{i}");
        spares.LetGoOfUnused();
        spares.LetGoOfUnused();

        Assert.Equal(3, spares.Count);
        Assert.False(spares.HasMany);
    }
}
