using System.Collections.Immutable;
using System.Text;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>Is this token one of this provider's, valid now, for us, and signed by it? The order of the questions is Envoy's, since callers see the first "no".</summary>
internal sealed class JwtVerifier
{
    /// <summary>So many verified tokens are remembered; beyond it all are forgotten and verified again.</summary>
    private const int RememberedMax = 2048;

    private readonly JwtProvider provider;
    private readonly JsonWebKeys? keys;
    private readonly TimeProvider time;
    // Loop thread only. The signature of a remembered token is not verified again; its times are looked at every time.
    private readonly Dictionary<string, JsonWebToken> remembered = new(StringComparer.Ordinal);
    private readonly Dictionary<string, JsonWebToken>.AlternateLookup<ReadOnlySpan<char>> byText;

    public JwtVerifier(JwtProvider provider, JsonWebKeys? keys, TimeProvider time)
    {
        (this.provider, this.keys, this.time) = (provider, keys, time);
        byText = remembered.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public JwtProvider Provider => provider;

    public JwtStatus Verify(ReadOnlySpan<byte> text, ImmutableArray<string> audiences, out JsonWebToken token)
    {
        Span<char> chars = text.Length <= 2048 ? stackalloc char[text.Length] : new char[text.Length];
        Encoding.Latin1.GetChars(text, chars);
        var isRemembered = byText.TryGetValue(chars, out token!);
        if (!isRemembered && JsonWebToken.TryParse(text, out token) is not JwtStatus.Ok and var broken) return broken;
        if (provider.Issuer.Length > 0 && token.Issuer != provider.Issuer) return JwtStatus.UnknownIssuer;
        if (Time(token) is not JwtStatus.Ok and var untimely) return untimely;
        if (!IsFor(token, audiences.IsDefaultOrEmpty ? provider.Audiences : audiences)) return JwtStatus.AudienceNotAllowed;
        if (isRemembered) return JwtStatus.Ok;
        if (keys is null) return JwtStatus.KeysNotFetched;

        var status = keys.Verify(token);
        if (status == JwtStatus.Ok) Remember(chars, token);
        return status;
    }

    private JwtStatus Time(JsonWebToken token)
    {
        var (now, skew) = (time.GetUtcNow().ToUnixTimeSeconds(), (long)provider.ClockSkew.TotalSeconds);
        if (token.NotBefore > now + skew) return JwtStatus.NotYetValid;
        if (token.ExpiresAt != 0 && now > token.ExpiresAt + skew) return JwtStatus.Expired;
        if (provider.RequireExpiration && token.ExpiresAt == 0) return JwtStatus.NoExpiry;
        if (provider.LifetimeMax is { } most && (token.ExpiresAt == 0 || token.ExpiresAt - Math.Max(token.IssuedAt, token.NotBefore) > most.TotalSeconds)) return JwtStatus.LivesTooLong;
        return JwtStatus.Ok;
    }

    private static bool IsFor(JsonWebToken token, ImmutableArray<string> wanted)
    {
        if (wanted.IsEmpty) return true;
        foreach (var audience in token.Audiences)
            foreach (var one in wanted)
                if (Bare(audience).SequenceEqual(Bare(one))) return true;
        return false;
    }

    // Scheme and trailing slash do not tell audiences apart, as in Envoy.
    private static ReadOnlySpan<char> Bare(string audience)
    {
        var text = audience.AsSpan();
        if (text.StartsWith("https://")) text = text["https://".Length..];
        else if (text.StartsWith("http://")) text = text["http://".Length..];
        return text.TrimEnd('/');
    }

    private void Remember(ReadOnlySpan<char> text, JsonWebToken token)
    {
        if (remembered.Count >= RememberedMax) remembered.Clear();
        remembered[text.ToString()] = token;
    }
}
