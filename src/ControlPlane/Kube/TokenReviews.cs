using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Ca;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>Asks the API server whose a token is. A good answer holds for a minute, so that a proxy's several calls cost one question.</summary>
internal sealed class TokenReviews(KubeApi api, TimeProvider time) : ITokenVerifier
{
    private const int TokenCharsMax = 16_384;
    private const int RememberedMax = 20_000;
    private static readonly TimeSpan Remember = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, (CallerIdentity Who, DateTimeOffset Until)> remembered = new(StringComparer.Ordinal);

    public async ValueTask<(CallerIdentity? Who, string Problem)> VerifyAsync(string token, CancellationToken cancellation)
    {
        if (token.Length is 0 or > TokenCharsMax) return (null, "the token is empty or too long");

        var key = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token)));
        var now = time.GetUtcNow();
        if (remembered.TryGetValue(key, out var known) && now < known.Until) return (known.Who, "");

        var review = new JsonObject
        {
            ["apiVersion"] = "authentication.k8s.io/v1",
            ["kind"] = "TokenReview",
            ["spec"] = new JsonObject { ["token"] = token, ["audiences"] = new JsonArray(LocalTokens.Audience) },
        };
        var answer = await api.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/tokenreviews", review, "application/json", cancellation);
        if (!answer.IsFine) return (null, $"the API server could not be asked about the token: {answer}");

        var status = answer.Body?["status"];
        if (status?["authenticated"]?.GetValue<bool>() != true) return (null, status?["error"]?.GetValue<string>() is { Length: > 0 } error ? error : "the token is not authenticated");
        // A server that does not know audiences answers without them, for any audience: that is no answer to our question.
        if (status["audiences"] is not JsonArray audiences || !audiences.Any(audience => audience?.GetValue<string>() == LocalTokens.Audience))
            return (null, $"the token is not for audience {LocalTokens.Audience}");
        if (status["user"]?["username"]?.GetValue<string>()?.Split(':') is not ["system", "serviceaccount", var space, var account] || !CallerIdentity.IsName(space) || !CallerIdentity.IsName(account))
            return (null, "the token belongs to no service account");

        if (remembered.Count >= RememberedMax) remembered.Clear();
        var who = new CallerIdentity(space, account);
        remembered[key] = (who, now + Remember);
        return (who, "");
    }
}
