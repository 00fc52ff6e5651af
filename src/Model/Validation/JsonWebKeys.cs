using System.Text.Json;

namespace Mesh.Model.Validation;

/// <summary>Inline key sets: do they parse, and do they hold what should stay secret?</summary>
public static class JsonWebKeys
{
    public static string? Problem(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object) return "failed to unmarshal JWK set: want an object with \"keys\"";
            foreach (var key in Keys(document.RootElement))
                if (KeyProblem(key) is { } problem) return $"failed to unmarshal JWK set: {problem}";
            return null;
        }
        catch (JsonException e)
        {
            return $"failed to unmarshal JWK set: not JSON at byte {e.BytePositionInLine}";
        }
    }

    public static IEnumerable<string> PrivateKeys(string text)
    {
        if (text.Length == 0 || Problem(text) is not null) yield break;

        using var document = JsonDocument.Parse(text);
        var index = 0;
        foreach (var key in Keys(document.RootElement))
        {
            if (Text(key, "kty") == "oct" || key.TryGetProperty("d", out _))
                yield return $"jwks key at index {index} contains private key material; only public keys are used for verification";
            index++;
        }
    }

    private static IEnumerable<JsonElement> Keys(JsonElement root)
    {
        if (!root.TryGetProperty("keys", out var keys)) return [root];
        return keys.ValueKind == JsonValueKind.Array ? keys.EnumerateArray() : [];
    }

    private static string? KeyProblem(JsonElement key)
    {
        if (key.ValueKind != JsonValueKind.Object) return "a key is no object";
        var type = Text(key, "kty");
        string[]? needed = type switch
        {
            "RSA" => ["n", "e"],
            "EC" => ["crv", "x", "y"],
            "OKP" => ["crv", "x"],
            "oct" => ["k"],
            _ => null,
        };
        if (needed is null) return $"invalid key type from JSON ({type})";
        return needed.FirstOrDefault(name => Text(key, name).Length == 0) is { } missing ? $"required field {missing} is missing" : null;
    }

    private static string Text(JsonElement key, string name) =>
        key.ValueKind == JsonValueKind.Object && key.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
