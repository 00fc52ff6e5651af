using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Mesh.Proxy.Security;
using static Mesh.Tests.Proxy.Security.JwtTests;

namespace Mesh.Tests.Proxy.Security;

/// <summary>What is tried against token checkers, and the answer that Envoy gives to each: alg none, key confusion, kid tricks, times, audiences, names given twice, odd JSON, size.</summary>
public sealed class JwtPlaybookTests
{
    private const string Form = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    private const string Fine = """{"iss":"i","sub":"s","exp":4102444800}""";

    [Theory]
    // No signature, or one of a kind that nobody asked for.
    [InlineData("""{"alg":"none"}""", "sign", "Jwt header [alg] is not supported")]
    [InlineData("""{"alg":"none"}""", "", Form)]
    [InlineData("""{"alg":"None"}""", "sign", "Jwt header [alg] is not supported")]
    [InlineData("""{"alg":"NONE"}""", "sign", "Jwt header [alg] is not supported")]
    [InlineData("""{"alg":"rs256","kid":"r"}""", "sign", "Jwt header [alg] is not supported")]
    [InlineData("""{"alg":"RS256","kid":"r"}""", "", Form)]
    [InlineData("""{"alg":"RS256","kid":"r"}""", "other key", "Jwt verification fails")]
    [InlineData("""{"alg":"RS256","kid":"r"}""", "zeros", "Jwt verification fails")]
    [InlineData("""{"alg":"RS512","kid":"r"}""", "sign", "Jwt verification fails")]
    [InlineData("""{"alg":"ES256","kid":"r"}""", "sign", "Jwt verification fails")]
    [InlineData("""{"alg":"HS256","kid":"r"}""", "hmac of the public key", "Jwt verification fails")]
    [InlineData("""{"alg":"HS256"}""", "hmac of the public key", "Jwt verification fails")]
    [InlineData("""{"alg":"HS256","kid":"e"}""", "hmac of the public key", "Jwt verification fails")]
    // Whose key: the set's, whatever the token says.
    [InlineData("""{"alg":"RS256","kid":"nobody"}""", "sign", "Jwks doesn't have key to match kid or alg from Jwt")]
    [InlineData("""{"alg":"RS256","kid":"../../dev/null"}""", "sign", "Jwks doesn't have key to match kid or alg from Jwt")]
    [InlineData("""{"alg":"RS256","kid":"r' OR '1'='1"}""", "sign", "Jwks doesn't have key to match kid or alg from Jwt")]
    [InlineData("""{"alg":"RS256","kid":5}""", "sign", "Jwt header [kid] field is not a string")]
    [InlineData("""{"alg":"RS256","kid":["r"]}""", "sign", "Jwt header [kid] field is not a string")]
    [InlineData("""{"alg":"RS256"}""", "sign", "OK")]
    [InlineData("""{"alg":"RS256","kid":""}""", "sign", "OK")]
    [InlineData("""{"alg":"RS256","kid":"nobody","jku":"https://evil.test/keys","x5u":"https://evil.test/chain"}""", "sign", "Jwks doesn't have key to match kid or alg from Jwt")]
    [InlineData("""{"alg":"RS256","kid":"r","jwk":{"kty":"oct","k":"AA"}}""", "other key", "Jwt verification fails")]
    // A header that cannot be read.
    [InlineData("""{"typ":"JWT"}""", "sign", "Jwt header [alg] field is required and must be a string")]
    [InlineData("""{"alg":1}""", "sign", "Jwt header [alg] field is required and must be a string")]
    [InlineData("""{"alg"}""", "sign", "Jwt header is an invalid JSON")]
    [InlineData("""["RS256"]""", "sign", "Jwt header is an invalid JSON")]
    [InlineData("""{"alg":"none","alg":"RS256"}""", "sign", "Jwt header is an invalid JSON")]
    public void Headers_and_signatures(string header, string signature, string answer) => Assert.Equal(answer, Ask(header, Fine, signature));

    [Theory]
    [InlineData("""{"iss":"j","iss":"i","sub":"s"}""", "Jwt payload is an invalid JSON")]
    [InlineData("""{"iss":"i","iss":"j","sub":"s"}""", "Jwt payload is an invalid JSON")]
    [InlineData("""{"iss":"i","a":{"b":1,"b":2}}""", "Jwt payload is an invalid JSON")]
    [InlineData("""{"iss":""", "Jwt payload is an invalid JSON")]
    [InlineData("""["i"]""", "Jwt payload is an invalid JSON")]
    [InlineData("""{"iss":"i"} x""", "Jwt payload is an invalid JSON")]
    [InlineData("", Form)]
    [InlineData("null", "Jwt issuer is not configured")]
    [InlineData("{}", "Jwt issuer is not configured")]
    [InlineData("""{"iss":"I"}""", "Jwt issuer is not configured")]
    [InlineData("""{"iss":"i/"}""", "Jwt issuer is not configured")]
    [InlineData("""{"iss":["i"]}""", "Jwt payload [iss] field is not a string")]
    [InlineData("""{"iss":"i","sub":5}""", "Jwt payload [sub] field is not a string")]
    [InlineData("""{"iss":"i","jti":5}""", "Jwt payload [jti] field is not a string")]
    [InlineData("""{"iss":"i","aud":5}""", "Jwt payload [aud] field is not a string or string list")]
    [InlineData("""{"iss":"i","aud":["a",5]}""", "Jwt payload [aud] field is not a string or string list")]
    [InlineData("""{"iss":"i","aud":["c"]}""", "Audiences in Jwt are not allowed")]
    [InlineData("""{"iss":"i","aud":"A"}""", "Audiences in Jwt are not allowed")]
    [InlineData("""{"iss":"i"}""", "Audiences in Jwt are not allowed")]
    [InlineData("""{"iss":"i","aud":["c","a"]}""", "OK")]
    [InlineData("""{"iss":"i","aud":"a","exp":1000}""", "Jwt is expired")]
    [InlineData("""{"iss":"i","aud":"a","exp":"4102444800"}""", "Jwt payload [exp] field is not an integer")]
    [InlineData("""{"iss":"i","aud":"a","exp":-1}""", "Jwt payload [exp] field is not a positive 64 bit integer")]
    [InlineData("""{"iss":"i","aud":"a","exp":1e30}""", "Jwt payload [exp] field is not a positive 64 bit integer")]
    [InlineData("""{"iss":"i","aud":"a","exp":true}""", "Jwt payload [exp] field is not an integer")]
    [InlineData("""{"iss":"i","aud":"a","nbf":4102444800}""", "Jwt not yet valid")]
    [InlineData("""{"iss":"i","aud":"a","nbf":"x"}""", "Jwt payload [nbf] field is not an integer")]
    [InlineData("""{"iss":"i","aud":"a","iat":"x"}""", "Jwt payload [iat] field is not an integer")]
    [InlineData("""{"iss":"i","aud":"a","iat":4102444800}""", "OK")]
    [InlineData("""{"iss":"i","aud":"a"}""", "OK")]
    public void Claims(string payload, string answer) => Assert.Equal(answer, Ask("""{"alg":"RS256","kid":"r"}""", payload, "sign", audience: "a"));

    [Theory]
    [InlineData("..", Form)]
    [InlineData(".e30.c2ln", Form)]
    [InlineData("abc", Form)]
    [InlineData("x.y.z", "Jwt header is an invalid Base64url encoded")]
    [InlineData("eyJhbGciOiJSUzI1NiJ9.e30.!!!!", "Jwt signature is an invalid Base64url encoded")]
    [InlineData("eyJhbGciOiJSUzI1NiJ9.e30.+/+/", "Jwt signature is an invalid Base64url encoded")]
    [InlineData("eyJhbGciOiJSUzI1NiJ9.!.c2ln", "Jwt payload is an invalid Base64url encoded")]
    public void Forms(string token, string answer) => Assert.Equal(answer, JwtStatusText.Of(Verify(token)));

    [Fact]
    public void A_token_beyond_32_KiB_and_one_nested_a_thousand_deep_cost_nothing_but_a_no()
    {
        Assert.Equal(Form, Ask("""{"alg":"RS256","kid":"r"}""", $$"""{"iss":"i","x":"{{new string('x', 40_000)}}"}""", "zeros"));
        Assert.Equal("Jwt payload is an invalid JSON", Ask("""{"alg":"RS256","kid":"r"}""", $$"""{"iss":"i","x":{{new string('[', 1000)}}{{new string(']', 1000)}}}""", "zeros"));
    }

    [Fact]
    public void A_changed_byte_of_any_part_is_noticed()
    {
        var token = Token(new { iss = "i", exp = Soon });
        for (var i = 0; i < token.Length - 1; i += 7)
        {
            if (token[i] == '.') continue;
            var changed = token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..];
            Assert.NotEqual(JwtStatus.Ok, Verify(changed));
        }
    }

    private static string Ask(string header, string payload, string signature, string audience = "")
    {
        var signed = $"{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header))}.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload))}";
        var bytes = Encoding.ASCII.GetBytes(signed);
        using var stranger = RSA.Create(2048);
        var mark = signature switch
        {
            "sign" => Rsa.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "other key" => stranger.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "hmac of the public key" => HMACSHA256.HashData(Encoding.ASCII.GetBytes(Rsa.ExportSubjectPublicKeyInfoPem()), bytes),
            "zeros" => new byte[256],
            _ => [],
        };
        return JwtStatusText.Of(Verify($"{signed}.{Base64Url.EncodeToString(mark)}", audience));
    }
}
