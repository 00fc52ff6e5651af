using System.Collections.Immutable;
using Envoy.Extensions.Filters.Http.JwtAuthn.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Extensions.Filters.Http.JwtAuthn.V3;

namespace Mesh.Proxy.Config;

/// <summary>Which tokens are believed and which requests need one.</summary>
internal static class JwtFromXds
{
    public static JwtSettings Read(JwtAuthentication proto)
    {
        if (proto.FilterStateRules is not null) throw new ConfigRefusedException("filter_state_rules", "are not supported");

        var providers = proto.Providers.ToImmutableDictionary(
            pair => pair.Key, pair => In($"providers[{pair.Key}]", pair.Value, provider => Provider(pair.Key, provider)), StringComparer.Ordinal);
        var requirements = proto.RequirementMap.ToImmutableDictionary(
            pair => pair.Key, pair => In($"requirement_map[{pair.Key}]", pair.Value, r => Requirement(r, providers) ?? throw new ConfigRefusedException("is empty")), StringComparer.Ordinal);
        return new()
        {
            Providers = providers,
            Requirements = requirements,
            Rules = Each("rules", proto.Rules, rule => Rule(rule, providers, requirements)),
            BypassCorsPreflight = proto.BypassCorsPreflight,
            StripFailureResponse = proto.StripFailureResponse,
        };
    }

    private static JwtRule Rule(RequirementRule proto, ImmutableDictionary<string, Config.JwtProvider> providers, ImmutableDictionary<string, Config.JwtRequirement> requirements)
    {
        var match = RouteFromXds.Match(proto.Match);
        return proto.RequirementTypeCase switch
        {
            RequirementRule.RequirementTypeOneofCase.RequirementName => requirements.TryGetValue(proto.RequirementName, out var named)
                ? new(match, named)
                : throw new ConfigRefusedException("requirement_name", $"'{proto.RequirementName}' is not in requirement_map"),
            RequirementRule.RequirementTypeOneofCase.Requires => new(match, In("requires", proto.Requires, r => Requirement(r, providers))),
            _ => new(match, null),
        };
    }

    private static Config.JwtRequirement? Requirement(Proto.JwtRequirement proto, ImmutableDictionary<string, Config.JwtProvider> providers)
    {
        return proto.RequiresTypeCase switch
        {
            Proto.JwtRequirement.RequiresTypeOneofCase.ProviderName => new Config.JwtRequirement.Provider(Known(proto.ProviderName), []),
            Proto.JwtRequirement.RequiresTypeOneofCase.ProviderAndAudiences =>
                new Config.JwtRequirement.Provider(Known(proto.ProviderAndAudiences.ProviderName), [.. proto.ProviderAndAudiences.Audiences]),
            Proto.JwtRequirement.RequiresTypeOneofCase.RequiresAny => new Config.JwtRequirement.AnyOf(Inner(proto.RequiresAny.Requirements)),
            Proto.JwtRequirement.RequiresTypeOneofCase.RequiresAll => new Config.JwtRequirement.AllOf(Inner(proto.RequiresAll.Requirements)),
            Proto.JwtRequirement.RequiresTypeOneofCase.AllowMissing => new Config.JwtRequirement.AllowMissing(),
            Proto.JwtRequirement.RequiresTypeOneofCase.AllowMissingOrFailed => new Config.JwtRequirement.AllowMissingOrFailed(),
            _ => null,
        };

        string Known(string name) => providers.ContainsKey(name) ? name : throw new ConfigRefusedException("provider_name", $"'{name}' is not among the providers");

        ImmutableArray<Config.JwtRequirement> Inner(IReadOnlyList<Proto.JwtRequirement> inner) =>
            Each("requirements", inner, r => Requirement(r, providers) ?? throw new ConfigRefusedException("an empty requirement"));
    }

    private static Config.JwtProvider Provider(string name, Proto.JwtProvider proto) => new()
    {
        Name = name,
        Issuer = proto.Issuer,
        Audiences = [.. proto.Audiences],
        FromHeaders = [.. proto.FromHeaders.Select(header => new JwtHeaderSource(header.Name.ToLowerInvariant(), header.ValuePrefix))],
        FromParameters = [.. proto.FromParams],
        FromCookies = [.. proto.FromCookies],
        Forward = proto.Forward,
        ForwardPayloadHeader = proto.ForwardPayloadHeader.ToLowerInvariant(),
        PadForwardPayload = proto.PadForwardPayloadHeader,
        ClaimHeaders = [.. proto.ClaimToHeaders.Select(claim => new JwtClaimHeader(claim.HeaderName.ToLowerInvariant(), claim.ClaimName))],
        PayloadInMetadata = proto.PayloadInMetadata,
        HeaderInMetadata = proto.HeaderInMetadata,
        SpaceDelimitedClaims = proto.NormalizePayloadInMetadata is { } normalize ? [.. normalize.SpaceDelimitedClaims] : [],
        ClockSkew = TimeSpan.FromSeconds(proto.ClockSkewSeconds == 0 ? 60 : proto.ClockSkewSeconds),
        ClearRouteCache = proto.ClearRouteCache,
        RequireExpiration = proto.RequireExpiration,
        LifetimeMax = Limit(proto.MaxLifetime),
        Keys = proto.JwksSourceSpecifierCase == Proto.JwtProvider.JwksSourceSpecifierOneofCase.LocalJwks ? new(Text(proto.LocalJwks)) : null,
        Remote = proto.JwksSourceSpecifierCase switch
        {
            Proto.JwtProvider.JwksSourceSpecifierOneofCase.RemoteJwks => new(
                proto.RemoteJwks.HttpUri.Uri, proto.RemoteJwks.HttpUri.Cluster,
                Limit(proto.RemoteJwks.HttpUri.Timeout) ?? TimeSpan.FromSeconds(5), Limit(proto.RemoteJwks.CacheDuration) ?? TimeSpan.FromMinutes(10)),
            Proto.JwtProvider.JwksSourceSpecifierOneofCase.LocalJwks => null,
            _ => throw new ConfigRefusedException("local_jwks", "neither keys nor an address to fetch them from is given"),
        },
    };
}
