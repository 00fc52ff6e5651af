using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>The keys of a JWKS that can be used, parsed once.</summary>
internal sealed class JsonWebKeys
{
    private const int KeysMax = 256;

    private JsonWebKeys(ImmutableArray<SigningKey> keys) => Keys = keys;

    public ImmutableArray<SigningKey> Keys { get; }

    /// <exception cref="ConfigRefusedException">The text is no key set. Keys of kinds unknown here are passed over.</exception>
    public static JsonWebKeys Parse(string json)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            throw new ConfigRefusedException("jwks", $"is not JSON: {e.Message}", e);
        }
        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("keys", out var list) || list.ValueKind != JsonValueKind.Array)
                throw new ConfigRefusedException("jwks", "has no list 'keys'");

            var keys = ImmutableArray.CreateBuilder<SigningKey>();
            foreach (var one in list.EnumerateArray().Take(KeysMax))
                if (SigningKey.TryRead(one) is { } key) keys.Add(key);
            return new(keys.ToImmutable());
        }
    }

    /// <summary>Null when a key verifies the signature; otherwise whether a key fitted at all.</summary>
    public JwtStatus Verify(JsonWebToken token)
    {
        var fitted = false;
        foreach (var key in Keys)
        {
            if (token.KeyId.Length > 0 && key.Id.Length > 0 && key.Id != token.KeyId) continue;
            if (key.Algorithm.Length > 0 && key.Algorithm != token.Algorithm) continue;

            fitted = true;
            if (key.Verifies(token)) return JwtStatus.Ok;
        }
        return fitted ? JwtStatus.VerificationFails : JwtStatus.NoFittingKey;
    }
}

/// <summary>One key. The algorithm family is the key's own: a token cannot have an RSA key read as a shared secret.</summary>
internal abstract class SigningKey
{
    public string Id { get; private init; } = "";
    /// <summary>Empty: any of the key's family.</summary>
    public string Algorithm { get; private init; } = "";

    public abstract bool Verifies(JsonWebToken token);

    public static SigningKey? TryRead(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object) return null;
        var (id, algorithm) = (Text(element, "kid"), Text(element, "alg"));
        try
        {
            return Text(element, "kty") switch
            {
                "RSA" => new RsaKey(Bytes(element, "n"), Bytes(element, "e")) { Id = id, Algorithm = algorithm },
                "EC" => new EcKey(Text(element, "crv"), Bytes(element, "x"), Bytes(element, "y")) { Id = id, Algorithm = algorithm },
                "oct" => new SecretKey(Bytes(element, "k")) { Id = id, Algorithm = algorithm },
                "OKP" when Text(element, "crv") == "Ed25519" => new EdKey(Bytes(element, "x")) { Id = id, Algorithm = algorithm },
                _ => null,
            };
        }
        catch (CryptographicException)
        {
            // A key that cannot be read verifies nothing; the others of the set still do.
            return null;
        }
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static byte[] Bytes(JsonElement element, string name) =>
        JsonWebToken.TryDecode(Encoding.UTF8.GetBytes(Text(element, name)), out var bytes) && bytes.Length > 0 ? bytes : throw new CryptographicException($"'{name}' is missing");

    private sealed class RsaKey : SigningKey
    {
        private const int BitsMin = 2048;

        private readonly RSA rsa;

        public RsaKey(byte[] modulus, byte[] exponent)
        {
            rsa = RSA.Create(new RSAParameters { Modulus = modulus, Exponent = exponent });
            if (rsa.KeySize < BitsMin) throw new CryptographicException($"RSA key of {rsa.KeySize} bits");
        }

        public override bool Verifies(JsonWebToken token) => token.Algorithm switch
        {
            "RS256" => rsa.VerifyData(token.Signed, token.Signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1),
            "RS384" => rsa.VerifyData(token.Signed, token.Signature, HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1),
            "RS512" => rsa.VerifyData(token.Signed, token.Signature, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1),
            "PS256" => rsa.VerifyData(token.Signed, token.Signature, HashAlgorithmName.SHA256, RSASignaturePadding.Pss),
            "PS384" => rsa.VerifyData(token.Signed, token.Signature, HashAlgorithmName.SHA384, RSASignaturePadding.Pss),
            "PS512" => rsa.VerifyData(token.Signed, token.Signature, HashAlgorithmName.SHA512, RSASignaturePadding.Pss),
            _ => false,
        };
    }

    private sealed class EcKey : SigningKey
    {
        private readonly ECDsa ecdsa;
        private readonly string algorithm;
        private readonly HashAlgorithmName hash;

        public EcKey(string curve, byte[] x, byte[] y)
        {
            (var named, algorithm, hash) = curve switch
            {
                "P-256" => (ECCurve.NamedCurves.nistP256, "ES256", HashAlgorithmName.SHA256),
                "P-384" => (ECCurve.NamedCurves.nistP384, "ES384", HashAlgorithmName.SHA384),
                "P-521" => (ECCurve.NamedCurves.nistP521, "ES512", HashAlgorithmName.SHA512),
                _ => throw new CryptographicException($"curve '{curve}'"),
            };
            ecdsa = ECDsa.Create(new ECParameters { Curve = named, Q = new() { X = x, Y = y } });
        }

        public override bool Verifies(JsonWebToken token) =>
            token.Algorithm == algorithm && ecdsa.VerifyData(token.Signed, token.Signature, hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    private sealed class SecretKey(byte[] secret) : SigningKey
    {
        public override bool Verifies(JsonWebToken token)
        {
            var mac = token.Algorithm switch
            {
                "HS256" => HMACSHA256.HashData(secret, token.Signed),
                "HS384" => HMACSHA384.HashData(secret, token.Signed),
                "HS512" => HMACSHA512.HashData(secret, token.Signed),
                _ => [],
            };
            return mac.Length > 0 && CryptographicOperations.FixedTimeEquals(mac, token.Signature);
        }
    }

    private sealed class EdKey(byte[] key) : SigningKey
    {
        public override bool Verifies(JsonWebToken token) => token.Algorithm == "EdDSA" && Ed25519.Verify(key, token.Signed, token.Signature);
    }
}
