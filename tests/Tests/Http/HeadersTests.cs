using Mesh.Http;

namespace Mesh.Tests.Http;

public sealed class HeadersTests
{
    [Fact]
    public void Names_are_found_whatever_their_case()
    {
        var headers = new Headers();
        headers.Append("X-Request-ID"u8, "1"u8);
        headers.Append("X-Unknown-Thing"u8, "2"u8);

        Assert.Equal("1", headers.GetText(KnownHeader.XRequestId));
        Assert.Equal("2", headers.GetText("x-UNKNOWN-thing"));
        Assert.True(headers.Has("x-request-id"u8));
        Assert.False(headers.Has("x-unknown"u8));
    }

    [Fact]
    public void Every_known_name_is_found_by_its_own_id()
    {
        foreach (var id in Enum.GetValues<KnownHeader>())
        {
            if (id == KnownHeader.None) continue;

            Assert.Equal(id, KnownHeaders.Find(KnownHeaders.Name(id)));
            Assert.Equal(id, KnownHeaders.Find(H1Probe.Bytes(KnownHeaders.Text(id).ToUpperInvariant())));
            Assert.Equal(id.ToString(), string.Concat(KnownHeaders.Text(id).Split('-').Select(part => char.ToUpperInvariant(part[0]) + part[1..])));
        }
    }

    [Fact]
    public void Set_overwrites_the_first_and_drops_the_rest()
    {
        var headers = new Headers();
        headers.Append("a"u8, "1"u8);
        headers.Append("b"u8, "2"u8);
        headers.Append("A"u8, "3"u8);
        headers.Append(KnownHeader.Via, "x"u8);
        headers.Append(KnownHeader.Via, "y"u8);

        headers.Set("a"u8, "9"u8);
        headers.Set(KnownHeader.Via, "z"u8);

        Assert.Equal("a: 9\nb: 2\nvia: z\n", headers.ToString());
        Assert.Equal(3, headers.Count);
    }

    [Fact]
    public void Remove_takes_every_value_and_what_is_added_later_is_found_again()
    {
        var headers = new Headers();
        headers.Append(KnownHeader.Via, "x"u8);
        headers.Append("own"u8, "1"u8);
        headers.Append(KnownHeader.Via, "y"u8);

        Assert.True(headers.Remove(KnownHeader.Via));
        Assert.True(headers.Remove("OWN"u8));
        Assert.False(headers.Remove(KnownHeader.Via));
        headers.Append(KnownHeader.Via, "z"u8);

        Assert.Equal("via: z\n", headers.ToString());
        Assert.Equal("z", headers.GetText(KnownHeader.Via));
    }

    [Fact]
    public void Several_values_are_kept_apart_and_joined_on_request()
    {
        var headers = new Headers();
        headers.Append("x-a"u8, "1"u8);
        headers.Append("x-b"u8, "2"u8);
        headers.Append("X-A"u8, "3"u8);

        Assert.Equal("1,3", headers.GetJoined(HeaderName.TryParse("X-a")!));
        Assert.Null(headers.GetJoined(HeaderName.TryParse("none")!));
    }

    [Fact]
    public void A_value_may_be_copied_from_another_field_of_the_same_headers()
    {
        var headers = new Headers();
        headers.Append("from"u8, new byte[3000].AsSpan().ToArray());
        headers.Set("from"u8, "short"u8);
        for (var i = 0; i < 100; i++) headers.Set(KnownHeader.XRequestId, headers.Get(KnownHeader.From));

        Assert.Equal("short", headers.GetText(KnownHeader.XRequestId));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("x y", false)]
    [InlineData("x:y", false)]
    [InlineData("ä", false)]
    [InlineData("X-Ok_1", true)]
    public void Only_tokens_are_names(string text, bool expected) => Assert.Equal(expected, HeaderName.TryParse(text) is not null);
}
