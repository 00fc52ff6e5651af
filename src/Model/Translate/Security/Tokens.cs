using System.Collections.Immutable;
using System.Text.Json;
using Envoy.Extensions.Filters.Http.JwtAuthn.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>RequestAuthentication to the token filter: a valid token of any issuer passes, an invalid one does not; none at all does unless a rule requires one.</summary>
internal static class Tokens
{
    /// <summary>Under which the filter leaves the claims for authorization and routing.</summary>
    public const string PayloadKey = "payload";

    // Stands in while the real keys cannot be had: tokens are refused, never believed.
    private const string NoKeys = """{"keys":[{"kty":"oct","kid":"none","alg":"HS256","k":"AA"}]}""";

    /// <param name="routesByClaims">The route is looked for again once the claims are known: a gateway's rules may name them.</param>
    public static HttpFilter? Filter(ImmutableArray<RequestAuthentication> policies, IReadOnlyDictionary<string, string> fetchedKeys, bool routesByClaims)
    {
        var rules = policies.SelectMany(policy => policy.Rules).ToImmutableArray();
        if (rules.IsEmpty) return null;

        var filter = new JwtAuthentication { BypassCorsPreflight = true };
        var each = new JwtRequirementAndList();
        var any = new JwtRequirementOrList();
        for (var i = 0; i < rules.Length; i++)
        {
            var name = $"origins-{i}";
            filter.Providers[name] = Provider(rules[i], fetchedKeys, routesByClaims);
            any.Requirements.Add(new JwtRequirement { ProviderName = name });
            each.Requirements.Add(new JwtRequirement { RequiresAny = new() { Requirements = { new JwtRequirement { ProviderName = name }, Missing } } });
        }
        if (rules.Length > 1) any.Requirements.Add(new JwtRequirement { RequiresAll = each });
        var requirement = rules.Length == 1 ? each.Requirements[0] : new() { RequiresAny = any };
        filter.Rules.Add(new RequirementRule { Match = new() { Prefix = "/" }, Requires = WithRequired(rules, requirement) });
        return HttpManagers.Filter("envoy.filters.http.jwt_authn", filter);
    }

    /// <summary>Rules whose token must be there come on top of what holds for all.</summary>
    private static JwtRequirement WithRequired(ImmutableArray<JwtRule> rules, JwtRequirement all)
    {
        var required = new JwtRequirementAndList();
        for (var i = 0; i < rules.Length; i++)
            if (rules[i].IsRequired) required.Requirements.Add(new JwtRequirement { ProviderName = $"origins-{i}" });
        if (required.Requirements.Count == 0) return all;
        if (rules.Length == 1) return required.Requirements[0];

        required.Requirements.Add(all);
        return new() { RequiresAll = required };
    }

    /// <summary>A set without one good key would make a proxy refuse the whole listener; it is replaced by one that fits no token.</summary>
    private static string Usable(string keys)
    {
        try
        {
            using var document = JsonDocument.Parse(keys);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("keys", out var list)
                && list.ValueKind == JsonValueKind.Array && list.EnumerateArray().Any(IsKey) ? keys : NoKeys;
        }
        catch (JsonException)
        {
            return NoKeys;
        }
    }

    private static bool IsKey(JsonElement key)
    {
        bool Has(string name) => key.TryGetProperty(name, out var part) && part.ValueKind == JsonValueKind.String && part.GetString() is { Length: > 0 };
        if (key.ValueKind != JsonValueKind.Object || !key.TryGetProperty("kty", out var type)) return false;
        return type.GetString() switch
        {
            "RSA" => Has("n") && Has("e"),
            "EC" => Has("x") && Has("y"),
            "oct" => Has("k"),
            "OKP" => Has("x"),
            _ => false,
        };
    }

    private static JwtRequirement Missing => new() { AllowMissing = new Empty() };

    private static JwtProvider Provider(JwtRule rule, IReadOnlyDictionary<string, string> fetchedKeys, bool routesByClaims)
    {
        var made = new JwtProvider
        {
            Issuer = rule.Issuer,
            LocalJwks = new() { InlineString = Usable(rule.KeysFrom is { } uri ? fetchedKeys.GetValueOrDefault(uri, NoKeys) : rule.Jwks) },
            Forward = rule.ForwardsToken,
            ForwardPayloadHeader = rule.PayloadHeader,
            PayloadInMetadata = PayloadKey,
            ClearRouteCache = routesByClaims,
            NormalizePayloadInMetadata = new() { SpaceDelimitedClaims = { rule.SpaceDelimitedClaims.IsEmpty ? ["scope", "permission"] : rule.SpaceDelimitedClaims } },
        };
        made.Audiences.Add(rule.Audiences);
        foreach (var (name, prefix) in rule.FromHeaders) made.FromHeaders.Add(new Envoy.Extensions.Filters.Http.JwtAuthn.V3.JwtHeader { Name = name, ValuePrefix = prefix });
        made.FromParams.Add(rule.FromParams);
        made.FromCookies.Add(rule.FromCookies);
        foreach (var (header, claim) in rule.ClaimHeaders) made.ClaimToHeaders.Add(new JwtClaimToHeader { HeaderName = header, ClaimName = claim });
        return made;
    }
}
