using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Tests.Proxy.Security;

/// <summary>Istio: request authentication, tokens and what is said of bad ones.</summary>
public sealed class JwtTests
{
    internal static readonly RSA Rsa = RSA.Create(2048);
    internal static readonly ECDsa Ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    internal static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void A_token_signed_by_a_key_of_the_set_is_believed() => Assert.Equal(JwtStatus.Ok, Verify(Token(new { iss = "i", sub = "alice", exp = Soon })));

    [Fact]
    public void All_families_of_algorithms_are_known()
    {
        foreach (var alg in (string[])["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256"])
            Assert.Equal(JwtStatus.Ok, Verify(Token(new { iss = "i", exp = Soon }, alg: alg, kid: alg[0] == 'E' ? "e" : "r")));
    }

    [Theory]
    [InlineData("a.b", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")]
    [InlineData("a.b.c.d", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")]
    [InlineData("!.e30.c2ln", "Jwt header is an invalid Base64url encoded")]
    [InlineData("e30.e30.c2ln", "Jwt header [alg] field is required and must be a string")]
    [InlineData("bm8.e30.c2ln", "Jwt header is an invalid JSON")]
    public void A_malformed_token_is_told_what_is_wrong(string token, string words) =>
        Assert.Equal(words, JwtStatusText.Of(JsonWebToken.TryParse(Encoding.ASCII.GetBytes(token), out _)));

    [Fact]
    public void A_token_without_signature_algorithm_is_not_supported() => Assert.Equal(JwtStatus.UnsupportedAlgorithm, Verify(Token(new { iss = "i" }, alg: "none")));

    [Fact]
    public void A_public_key_is_not_taken_for_a_shared_secret()
    {
        var signed = Part(new { alg = "HS256", kid = "r" }) + "." + Part(new { iss = "i", exp = Soon });
        var mac = HMACSHA256.HashData(Rsa.ExportRSAPublicKey(), Encoding.ASCII.GetBytes(signed));
        Assert.Equal(JwtStatus.VerificationFails, Verify($"{signed}.{Base64Url.EncodeToString(mac)}"));
    }

    [Fact]
    public void Times_are_read_with_a_minute_of_grace()
    {
        Assert.Equal(JwtStatus.Ok, Verify(Token(new { iss = "i", exp = Now.ToUnixTimeSeconds() - 59 })));
        Assert.Equal(JwtStatus.Expired, Verify(Token(new { iss = "i", exp = Now.ToUnixTimeSeconds() - 61 })));
        Assert.Equal(JwtStatus.NotYetValid, Verify(Token(new { iss = "i", nbf = Now.ToUnixTimeSeconds() + 61 })));
    }

    [Fact]
    public void The_first_no_is_the_one_that_is_told()
    {
        var foreign = Token(new { iss = "other", exp = 1 });
        Assert.Equal(JwtStatus.UnknownIssuer, Verify(foreign));
        Assert.Equal(JwtStatus.AudienceNotAllowed, Verify(Token(new { iss = "i", aud = "b" }), audience: "a"));
        Assert.Equal(JwtStatus.Ok, Verify(Token(new { iss = "i", aud = new[] { "b", "https://a/" } }), audience: "http://a"));
    }

    [Fact]
    public void Words_behind_a_token_break_its_signature() => Assert.Equal(JwtStatus.VerificationFails, Verify(Token(new { iss = "i" }) + " extra"));

    [Fact]
    public void A_changed_payload_fails_and_an_unknown_key_is_named_as_such()
    {
        var token = Token(new { iss = "i" }).Split('.');
        Assert.Equal(JwtStatus.VerificationFails, Verify($"{token[0]}.{Part(new { iss = "i", admin = true })}.{token[2]}"));
        Assert.Equal(JwtStatus.NoFittingKey, Verify(Token(new { iss = "i" }, kid: "nobody")));
    }

    [Fact]
    public void A_remembered_token_still_expires()
    {
        var time = new ManualTime(Now);
        var verifier = new JwtVerifier(Provider(""), Keys(), time);
        var token = Encoding.ASCII.GetBytes(Token(new { iss = "i", exp = Soon }));
        Assert.Equal(JwtStatus.Ok, verifier.Verify(token, [], out _));
        Assert.Equal(JwtStatus.Ok, verifier.Verify(token, [], out _));
        time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(JwtStatus.Expired, verifier.Verify(token, [], out _));
    }

    [Theory]
    // RFC 8032, section 7.1, tests 1 to 3.
    [InlineData("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    [InlineData("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82", "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")]
    public void Edwards_signatures_verify_and_a_changed_bit_does_not(string key, string message, string signature)
    {
        var (k, m, s) = (Convert.FromHexString(key), Convert.FromHexString(message), Convert.FromHexString(signature));
        Assert.True(Ed25519.Verify(k, m, s));
        s[5] ^= 1;
        Assert.False(Ed25519.Verify(k, m, s));
    }

    internal static long Soon => Now.ToUnixTimeSeconds() + 3600;

    internal static JwtStatus Verify(string token, string audience = "") => new JwtVerifier(Provider(audience), Keys(), new ManualTime(Now)).Verify(Encoding.ASCII.GetBytes(token), [], out _);

    private static JwtProvider Provider(string audience) => new() { Name = "p", Issuer = "i", Audiences = audience.Length > 0 ? [audience] : [] };

    internal static string KeySet
    {
        get
        {
            var (rsa, ec) = (Rsa.ExportParameters(false), Ec.ExportParameters(false));
            return JsonSerializer.Serialize(new
            {
                keys = new object[]
                {
                    new { kty = "RSA", kid = "r", n = Base64Url.EncodeToString(rsa.Modulus), e = Base64Url.EncodeToString(rsa.Exponent) },
                    new { kty = "EC", kid = "e", crv = "P-256", x = Base64Url.EncodeToString(ec.Q.X), y = Base64Url.EncodeToString(ec.Q.Y) },
                    new { kty = "something new" },
                },
            });
        }
    }

    private static JsonWebKeys Keys() => JsonWebKeys.Parse(KeySet);

    internal static string Token(object claims, string alg = "RS256", string kid = "r")
    {
        var signed = Part(new { alg, kid }) + "." + Part(claims);
        var bytes = Encoding.ASCII.GetBytes(signed);
        var hash = alg.EndsWith("256", StringComparison.Ordinal) ? HashAlgorithmName.SHA256 : alg.EndsWith("384", StringComparison.Ordinal) ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA512;
        var signature = alg[0] switch
        {
            'E' => Ec.SignData(bytes, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
            'P' => Rsa.SignData(bytes, hash, RSASignaturePadding.Pss),
            'R' => Rsa.SignData(bytes, hash, RSASignaturePadding.Pkcs1),
            _ => [1],
        };
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    internal static string Part(object value) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value));
}

/// <summary>Time that stands still until it is moved.</summary>
internal sealed class ManualTime(DateTimeOffset start) : TimeProvider
{
    private DateTimeOffset now = start;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => now;

    public override long GetTimestamp() => now.Ticks;

    public void Advance(TimeSpan span) => now += span;
}
