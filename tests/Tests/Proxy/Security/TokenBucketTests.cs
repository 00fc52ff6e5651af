using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

public sealed class TokenBucketTests
{
    [Fact]
    public void A_bucket_holds_no_more_than_its_size_and_fills_over_time()
    {
        var bucket = new SharedTokenBucket(new(3, 1, TimeSpan.FromSeconds(1)), 100);

        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => bucket.TryTake(100)));
        Assert.False(bucket.TryTake(100.5));
        Assert.True(bucket.TryTake(101));
        Assert.False(bucket.TryTake(101));
        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => bucket.TryTake(1000)));
    }

    [Fact]
    public void What_is_left_and_when_there_is_more_can_be_told()
    {
        var bucket = new SharedTokenBucket(new(10, 10, TimeSpan.FromSeconds(5)), 0);
        for (var i = 0; i < 10; i++) bucket.TryTake(0);

        Assert.Equal(0u, bucket.TokensLeft(0));
        Assert.Equal(4u, bucket.TokensLeft(2));
        Assert.Equal(0.5, bucket.SecondsToNext(0), 3);
    }
}
