using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Tests.Proxy.Security;

namespace Mesh.Tests.Proxy.Http;

/// <summary>Where tokens are found in a request, and what the server behind sees of them. Istio: request authentication, sources and outputs.</summary>
public sealed class TokenPlacesTests
{
    private static readonly long Later = DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    [Fact]
    public void Of_several_good_tokens_the_header_has_all_and_the_first_places_is_the_last_word()
    {
        var provider = Provider() with { FromHeaders = [new("x-token", ""), new("x-auth", "Tok ")], ForwardPayloadHeader = "x-payload" };
        var (alice, bob) = (Token("alice"), Token("bob"));
        // Places are looked at in the order of their names, from the last to the first.
        Assert.Equal([Payload(alice), Payload(bob)], PayloadsOf(Seen(provider, $"x-token: {alice}\r\nx-auth: Tok {bob}\r\n")));
        Assert.Equal([Payload(bob), Payload(alice)], PayloadsOf(Seen(provider, $"x-token: {alice}\r\nx-token: {bob}\r\n")));
    }

    [Fact]
    public void One_bad_token_beside_a_good_one_is_refused()
    {
        var provider = Provider() with { FromHeaders = [new("x-token", "")] };
        Assert.StartsWith("HTTP/1.1 401 ", Seen(provider, $"x-token: {Token("alice")}\r\nx-token: nonsense\r\n"));
    }

    [Fact]
    public void A_refusal_names_the_path_as_it_was_asked_for_though_a_good_token_in_it_was_seen_first()
    {
        var good = Token("alice");
        var answer = Seen(Provider(), "authorization: Bearer x.y.z\r\n", $"/q?access_token={good}");
        Assert.StartsWith("HTTP/1.1 401 ", answer);
        Assert.Contains($"realm=\"http://a{$"/q?access_token={good}"[..256]}\", error=\"invalid_token\"\r\n", answer);
    }

    [Fact]
    public void Credentials_that_are_no_token_stay_when_the_token_came_by_another_way()
    {
        var seen = Seen(Provider(), "authorization: Basic eDp5\r\n", $"/x?a=%20b&access%5Ftoken={Token("alice").Replace(".", "%2E", StringComparison.Ordinal)}&c=d%26e&f");
        Assert.Contains("GET /x?a=%20b&c=d%26e&f HTTP/1.1\r\n", seen);
        Assert.Contains("authorization: Basic eDp5\r\n", seen);
    }

    [Fact]
    public void A_token_is_taken_out_unless_it_is_to_go_on()
    {
        var header = $"authorization: Bearer {Token("alice")}\r\n";
        Assert.DoesNotContain("authorization", Seen(Provider(), header));
        Assert.Contains(header, Seen(Provider() with { Forward = true }, header));
    }

    [Fact]
    public void Claims_become_headers_of_one_line_each_and_forged_ones_go()
    {
        var provider = Provider() with { ClaimHeaders = [new("x-name", "name"), new("x-n", "n"), new("x-big", "big")] };
        var seen = Seen(provider, $"authorization: Bearer {JwtTests.Token(new { iss = "i", exp = Later, name = "a\r\nx-role: admin", n = 42, big = 1e30 })}\r\nx-name: forged\r\n");
        Assert.Contains("x-name: a  x-role: admin\r\n", seen);
        Assert.DoesNotContain("forged", seen);
        Assert.Contains("x-n: 42\r\n", seen);
        Assert.Contains("x-big: 1000000000000000019884624838656.000000\r\n", seen);
    }

    [Theory]
    [InlineData("?a=1&tok=x&b=2", "x", "?a=1&b=2"), InlineData("?t%6Fk=x%2Ey&b", "x.y", "?b"), InlineData("?tok", "", ""), InlineData("?tok=1&tok=2", "1", "")]
    [InlineData("?token=x", null, "?token=x"), InlineData("?a=tok", null, "?a=tok"), InlineData("", null, ""), InlineData("?", null, ""), InlineData("?to%6=x", null, "?to%6=x")]
    public void A_parameter_is_found_and_taken_out_by_its_decoded_name(string query, string? value, string rest)
    {
        Assert.Equal(value, QueryString.FindDecoded(Encoding.ASCII.GetBytes(query), "tok"u8) is { } found ? Encoding.ASCII.GetString(found) : null);
        Assert.Equal(rest, Encoding.ASCII.GetString(QueryString.Without(Encoding.ASCII.GetBytes(query), "tok"u8)));
    }

    private static JwtProvider Provider() => new() { Name = "p", Issuer = "i", Keys = new(JwtTests.KeySet) };

    private static string Token(string subject) => JwtTests.Token(new { iss = "i", sub = subject, exp = Later });

    private static string Payload(string token) => token.Split('.')[1];

    private static IEnumerable<string> PayloadsOf(string seen) =>
        seen.Split("\r\n").Where(line => line.StartsWith("x-payload: ", StringComparison.Ordinal)).Select(line => line["x-payload: ".Length..]);

    /// <summary>What the server echoes of the request, or the proxy's own refusal.</summary>
    private static string Seen(JwtProvider provider, string headers, string path = "/")
    {
        using var rig = new ProxyRig();
        rig.EchoServer();
        var jwt = new JwtSettings
        {
            Providers = ImmutableDictionary<string, JwtProvider>.Empty.Add("p", provider),
            Rules = [new(new() { Path = "/" }, new JwtRequirement.AnyOf([new JwtRequirement.Provider("p", []), new JwtRequirement.AllowMissing()]))],
        };
        rig.Serve(http: s => s with { Filters = [new JwtFilter("jwt", jwt)] });
        return rig.Call($"GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    }
}
