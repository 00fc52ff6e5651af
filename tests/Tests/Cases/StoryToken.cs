using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Tests.Cases;

/// <summary>
/// A signed token in a call: <c>{token iss=a sub=alice exp=-30s}</c>, with times from now. The rule's keys are
/// <c>{"keys":[{"kty":"oct","kid":"story","alg":"HS256","k":"dGhlIHNlY3JldCBvZiBhbGwgc3Rvcmllcw"}]}</c>.
/// </summary>
internal static class StoryToken
{
    private static readonly byte[] Secret = "the secret of all stories"u8.ToArray();

    /// <returns>The header's value.</returns>
    public static string Of(string claims, DateTimeOffset now)
    {
        var payload = new JsonObject();
        foreach (var claim in claims.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = (claim[..claim.IndexOf('=', StringComparison.Ordinal)], claim[(claim.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            payload[name] = name is "exp" or "nbf" or "iat" ? now.ToUnixTimeSeconds() + int.Parse(value.TrimEnd('s'), CultureInfo.InvariantCulture) : value;
        }
        var signed = $"{Part("""{"alg":"HS256","kid":"story"}""")}.{Part(payload.ToJsonString())}";
        return $"Bearer {signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(Secret, Encoding.ASCII.GetBytes(signed)))}";
    }

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
