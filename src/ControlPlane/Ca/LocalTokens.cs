using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Mesh.ControlPlane.Ca;

/// <summary>Who somebody is: a service account in a namespace.</summary>
public sealed record CallerIdentity(string Namespace, string ServiceAccount)
{
    public string Spiffe(string trustDomain) => $"spiffe://{trustDomain}/ns/{Namespace}/sa/{ServiceAccount}";

    /// <summary>The identity in a SPIFFE id of Kubernetes' form; null for any other text or trust domain.</summary>
    public static CallerIdentity? FromSpiffe(string uri, string trustDomain)
    {
        var prefix = $"spiffe://{trustDomain}/ns/";
        if (!uri.StartsWith(prefix, StringComparison.Ordinal)) return null;
        var parts = uri[prefix.Length..].Split('/');
        return parts is [var space, "sa", var account] && IsName(space) && IsName(account) ? new(space, account) : null;
    }

    /// <summary>As Kubernetes allows names: they are put into URIs and must not be able to change them.</summary>
    public static bool IsName(string text) =>
        text.Length is > 0 and <= 253 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.') && text[0] is not ('-' or '.');
}

/// <summary>
/// Identities for processes of this machine, where no API server gives tokens: a JWT signed by a key that only the control plane's user can read.
/// </summary>
internal sealed class LocalTokens(ECDsa key, TimeProvider time)
{
    public const string Audience = "istio-ca";
    private const string Issuer = "mesh.local";
    private const int CharsMax = 4_096;

    public static LocalTokens Kept(string folder, TimeProvider time)
    {
        var path = Path.Combine(folder, "token-key.pem");
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(path)) key.ImportFromPem(File.ReadAllText(path));
        else PrivateFile.Write(path, key.ExportPkcs8PrivateKeyPem());
        return new(key, time);
    }

    public static LocalTokens Fresh(TimeProvider time) => new(ECDsa.Create(ECCurve.NamedCurves.nistP256), time);

    public string Issue(CallerIdentity who, TimeSpan lifetime)
    {
        var now = time.GetUtcNow();
        var header = Part("""{"alg":"ES256","typ":"JWT"}""");
        var claims = new Dictionary<string, object>
        {
            ["iss"] = Issuer,
            ["aud"] = Audience,
            ["sub"] = $"system:serviceaccount:{who.Namespace}:{who.ServiceAccount}",
            ["iat"] = now.ToUnixTimeSeconds(),
            ["exp"] = (now + lifetime).ToUnixTimeSeconds(),
        };
        var content = $"{header}.{Part(JsonSerializer.Serialize(claims))}";
        return $"{content}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256))}";
    }

    /// <returns>Null and a sentence when the token is not ours, is over, or is for somebody else.</returns>
    public CallerIdentity? Verify(string token, out string problem)
    {
        problem = "the token is not one of ours";
        var parts = token.Length > CharsMax ? [] : token.Split('.');
        if (parts.Length != 3) return null;

        try
        {
            var signature = Base64Url.DecodeFromChars(parts[2]);
            if (!key.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), signature, HashAlgorithmName.SHA256)) return null;

            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
            var root = claims.RootElement;
            if (root.GetProperty("iss").GetString() != Issuer || root.GetProperty("aud").GetString() != Audience)
            {
                problem = $"the token is not for audience {Audience}";
                return null;
            }
            if (root.GetProperty("exp").GetInt64() <= time.GetUtcNow().ToUnixTimeSeconds())
            {
                problem = "the token has expired";
                return null;
            }
            return FromSubject(root.GetProperty("sub").GetString() ?? "");
        }
        catch (Exception e) when (e is FormatException or JsonException or KeyNotFoundException or InvalidOperationException or CryptographicException)
        {
            return null;
        }
    }

    /// <summary><c>system:serviceaccount:NAMESPACE:NAME</c>, as Kubernetes calls a service account's user.</summary>
    internal static CallerIdentity? FromSubject(string subject) =>
        subject.Split(':') is ["system", "serviceaccount", var space, var account] && CallerIdentity.IsName(space) && CallerIdentity.IsName(account)
            ? new(space, account) : null;

    private static string Part(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
