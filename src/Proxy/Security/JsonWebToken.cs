using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>How the examination of a token ended. The words are part of what callers see.</summary>
internal enum JwtStatus
{
    Ok, Missing, NotYetValid, Expired, BadFormat, BadHeaderEncoding, BadHeaderJson, BadAlgorithm, UnsupportedAlgorithm, BadKeyId,
    BadPayloadEncoding, BadPayloadJson, BadIssuer, BadSubject, BadIssuedAt, WildIssuedAt, BadNotBefore, WildNotBefore, BadExpiry, WildExpiry, BadTokenId, BadAudience, BadSignatureEncoding,
    UnknownIssuer, AudienceNotAllowed, VerificationFails, NoFittingKey, KeysNotFetched, NoExpiry, LivesTooLong,
}

internal static class JwtStatusText
{
    public static string Of(JwtStatus status) => status switch
    {
        JwtStatus.Ok => "OK",
        JwtStatus.Missing => "Jwt is missing",
        JwtStatus.NotYetValid => "Jwt not yet valid",
        JwtStatus.Expired => "Jwt is expired",
        JwtStatus.BadFormat => "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
        JwtStatus.BadHeaderEncoding => "Jwt header is an invalid Base64url encoded",
        JwtStatus.BadHeaderJson => "Jwt header is an invalid JSON",
        JwtStatus.BadAlgorithm => "Jwt header [alg] field is required and must be a string",
        JwtStatus.UnsupportedAlgorithm => "Jwt header [alg] is not supported",
        JwtStatus.BadKeyId => "Jwt header [kid] field is not a string",
        JwtStatus.BadPayloadEncoding => "Jwt payload is an invalid Base64url encoded",
        JwtStatus.BadPayloadJson => "Jwt payload is an invalid JSON",
        JwtStatus.BadIssuer => "Jwt payload [iss] field is not a string",
        JwtStatus.BadSubject => "Jwt payload [sub] field is not a string",
        JwtStatus.BadIssuedAt => "Jwt payload [iat] field is not an integer",
        JwtStatus.WildIssuedAt => "Jwt payload [iat] field is not a positive 64 bit integer",
        JwtStatus.BadNotBefore => "Jwt payload [nbf] field is not an integer",
        JwtStatus.WildNotBefore => "Jwt payload [nbf] field is not a positive 64 bit integer",
        JwtStatus.BadExpiry => "Jwt payload [exp] field is not an integer",
        JwtStatus.WildExpiry => "Jwt payload [exp] field is not a positive 64 bit integer",
        JwtStatus.BadTokenId => "Jwt payload [jti] field is not a string",
        JwtStatus.BadAudience => "Jwt payload [aud] field is not a string or string list",
        JwtStatus.BadSignatureEncoding => "Jwt signature is an invalid Base64url encoded",
        JwtStatus.UnknownIssuer => "Jwt issuer is not configured",
        JwtStatus.AudienceNotAllowed => "Audiences in Jwt are not allowed",
        JwtStatus.VerificationFails => "Jwt verification fails",
        JwtStatus.NoFittingKey => "Jwks doesn't have key to match kid or alg from Jwt",
        JwtStatus.KeysNotFetched => "Jwks remote fetch is failed",
        JwtStatus.NoExpiry => "Jwt has no expiration",
        JwtStatus.LivesTooLong => "Jwt lifetime exceeds the allowed maximum",
        _ => throw new ArgumentOutOfRangeException(nameof(status)),
    };
}

/// <summary>A token taken apart. Nothing in it is believed until a key has verified <see cref="Signed"/>.</summary>
internal sealed class JsonWebToken
{
    public const int TokenBytesMax = 32 * 1024;
    private const int DepthMax = 32;

    private static readonly string[] Algorithms =
        ["ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];

    private JsonWebToken() { }

    public string Algorithm { get; private init; } = "";
    public string KeyId { get; private init; } = "";
    public string Issuer { get; private init; } = "";
    public ImmutableArray<string> Audiences { get; private init; } = [];
    /// <summary>Seconds since 1970; zero when the token does not say.</summary>
    public long IssuedAt { get; private init; }
    public long NotBefore { get; private init; }
    public long ExpiresAt { get; private init; }
    public MetadataValue Header { get; private init; } = MetadataValue.Null;
    public MetadataValue Claims { get; private init; } = MetadataValue.Null;
    /// <summary>Header and payload as they came: what the signature is over.</summary>
    public byte[] Signed { get; private init; } = [];
    public byte[] Signature { get; private init; } = [];
    /// <summary>The payload as it came, in base64url.</summary>
    public byte[] PayloadText { get; private init; } = [];

    public static JwtStatus TryParse(ReadOnlySpan<byte> text, out JsonWebToken token)
    {
        token = null!;
        var first = text.IndexOf((byte)'.');
        var second = first < 0 ? -1 : text[(first + 1)..].IndexOf((byte)'.');
        if (text.Length > TokenBytesMax || first <= 0 || second <= 0 || text[(first + second + 2)..] is not [_, ..] rest || rest.Contains((byte)'.')) return JwtStatus.BadFormat;

        var payloadText = text.Slice(first + 1, second);
        var signatureText = text[(first + second + 2)..];
        if (!TryDecode(text[..first], out var headerBytes)) return JwtStatus.BadHeaderEncoding;
        if (TryJson(headerBytes) is not { } header) return JwtStatus.BadHeaderJson;
        if (header["alg"] is not { Text: { } algorithm }) return JwtStatus.BadAlgorithm;
        if (!Algorithms.Contains(algorithm)) return JwtStatus.UnsupportedAlgorithm;
        if (header["kid"] is { Text: null }) return JwtStatus.BadKeyId;

        if (!TryDecode(payloadText, out var payloadBytes)) return JwtStatus.BadPayloadEncoding;
        if (TryJson(payloadBytes) is not { } claims) return JwtStatus.BadPayloadJson;
        if (claims["iss"] is { Text: null }) return JwtStatus.BadIssuer;
        if (claims["sub"] is { Text: null }) return JwtStatus.BadSubject;
        if (!TryTime(claims, "iat", out var issued)) return issued < 0 ? JwtStatus.WildIssuedAt : JwtStatus.BadIssuedAt;
        if (!TryTime(claims, "nbf", out var notBefore)) return notBefore < 0 ? JwtStatus.WildNotBefore : JwtStatus.BadNotBefore;
        if (!TryTime(claims, "exp", out var expires)) return expires < 0 ? JwtStatus.WildExpiry : JwtStatus.BadExpiry;
        if (claims["jti"] is { Text: null }) return JwtStatus.BadTokenId;
        if (!TryAudiences(claims["aud"], out var audiences)) return JwtStatus.BadAudience;
        if (!TryDecode(signatureText, out var signature)) return JwtStatus.BadSignatureEncoding;

        token = new()
        {
            Algorithm = algorithm,
            KeyId = header["kid"]?.Text ?? "",
            Issuer = claims["iss"]?.Text ?? "",
            Audiences = audiences,
            IssuedAt = issued,
            NotBefore = notBefore,
            ExpiresAt = expires,
            Header = header,
            Claims = claims,
            Signed = text[..(first + second + 1)].ToArray(),
            Signature = signature,
            PayloadText = payloadText.ToArray(),
        };
        return JwtStatus.Ok;
    }

    /// <summary>Base64 in its URL alphabet, with or without padding. White space is passed over, as Envoy's decoder does: words behind a token become part of its signature and break it.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> text, out byte[] bytes)
    {
        bytes = [];
        var room = new byte[text.Length * 3 / 4 + 3];
        var (length, bits, count, padding) = (0, 0, 0, 0);
        foreach (var b in text)
        {
            if (b is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n') continue;
            if (b == '=')
            {
                if (++padding > 2) return false;
                continue;
            }
            var digit = Digit(b);
            if (digit < 0 || padding > 0) return false;
            bits = bits << 6 | digit;
            if (++count % 4 != 0) continue;
            room[length++] = (byte)(bits >> 16);
            room[length++] = (byte)(bits >> 8);
            room[length++] = (byte)bits;
            bits = 0;
        }
        // Bits left over in the last character are not looked at; a single character has too few for a byte.
        switch (count % 4)
        {
            case 1: return false;
            case 2: room[length++] = (byte)(bits >> 4); break;
            case 3:
                room[length++] = (byte)(bits >> 10);
                room[length++] = (byte)(bits >> 2);
                break;
        }
        bytes = room[..length];
        return true;
    }

    private static int Digit(byte b) => b switch
    {
        >= (byte)'A' and <= (byte)'Z' => b - 'A',
        >= (byte)'a' and <= (byte)'z' => b - 'a' + 26,
        >= (byte)'0' and <= (byte)'9' => b - '0' + 52,
        (byte)'-' => 62,
        (byte)'_' => 63,
        _ => -1,
    };

    private static readonly MetadataValue Empty = new() { Fields = ImmutableDictionary<string, MetadataValue>.Empty };

    private static MetadataValue? TryJson(byte[] bytes)
    {
        try
        {
            // Of a name given twice one reader takes the first and another the last: nobody here takes either.
            using var document = JsonDocument.Parse(bytes, new() { MaxDepth = DepthMax, AllowDuplicateProperties = false });
            return document.RootElement.ValueKind switch
            {
                JsonValueKind.Object => Value(document.RootElement),
                JsonValueKind.Null => Empty, // as protobuf's reader has it: nothing is claimed
                _ => null,
            };
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static MetadataValue Value(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return new() { Text = element.GetString() };
            case JsonValueKind.Number: return new() { Number = element.GetDouble() };
            case JsonValueKind.True or JsonValueKind.False: return new() { Flag = element.GetBoolean() };
            case JsonValueKind.Array: return new() { Items = [.. element.EnumerateArray().Select(Value)] };
            case JsonValueKind.Object:
                var fields = ImmutableDictionary.CreateBuilder<string, MetadataValue>(StringComparer.Ordinal);
                foreach (var property in element.EnumerateObject()) fields[property.Name] = Value(property.Value);
                return new() { Fields = fields.ToImmutable() };
            default: return MetadataValue.Null;
        }
    }

    /// <param name="seconds">Negative when it is a number, but none that could be a time.</param>
    private static bool TryTime(MetadataValue claims, string name, out long seconds)
    {
        seconds = 0;
        if (claims[name] is not { } value) return true;
        if (value.Number is not { } number) return false;
        seconds = -1;
        if (number < 0 || number >= 9.2e18) return false;
        seconds = (long)number;
        return true;
    }

    private static bool TryAudiences(MetadataValue? value, out ImmutableArray<string> audiences)
    {
        audiences = [];
        switch (value)
        {
            case null: return true;
            case { Text: { } one }: audiences = [one]; return true;
            case { Items: { } items } when items.All(item => item.Text is not null): audiences = [.. items.Select(item => item.Text!)]; return true;
            default: return false;
        }
    }
}
