using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>Which tokens are looked for, by whom they must be signed, and which requests need one.</summary>
internal sealed record JwtSettings
{
    public CompiledCell Cell { get; } = new();
    public ImmutableDictionary<string, JwtProvider> Providers { get; init; } = ImmutableDictionary<string, JwtProvider>.Empty;
    /// <summary>First match decides; no match, no requirement.</summary>
    public ImmutableArray<JwtRule> Rules { get; init; } = [];
    public ImmutableDictionary<string, JwtRequirement> Requirements { get; init; } = ImmutableDictionary<string, JwtRequirement>.Empty;
    public bool BypassCorsPreflight { get; init; }
    public bool StripFailureResponse { get; init; }
}

internal sealed record JwtRule(RouteMatchSettings Match, JwtRequirement? Requirement);

internal sealed record JwtProvider
{
    public required string Name { get; init; }
    public string Issuer { get; init; } = "";
    public ImmutableArray<string> Audiences { get; init; } = [];
    public ImmutableArray<JwtHeaderSource> FromHeaders { get; init; } = [];
    public ImmutableArray<string> FromParameters { get; init; } = [];
    public ImmutableArray<string> FromCookies { get; init; } = [];
    /// <summary>Keep the token in the request to the upstream.</summary>
    public bool Forward { get; init; }
    public string ForwardPayloadHeader { get; init; } = "";
    public bool PadForwardPayload { get; init; }
    public ImmutableArray<JwtClaimHeader> ClaimHeaders { get; init; } = [];
    /// <summary>The metadata key under which the claims are left.</summary>
    public string PayloadInMetadata { get; init; } = "";
    public string HeaderInMetadata { get; init; } = "";
    public ImmutableArray<string> SpaceDelimitedClaims { get; init; } = [];
    public TimeSpan ClockSkew { get; init; } = TimeSpan.FromSeconds(60);
    public bool ClearRouteCache { get; init; }
    public bool RequireExpiration { get; init; }
    public TimeSpan? LifetimeMax { get; init; }

    // One of the two.
    public JsonWebKeySet? Keys { get; init; }
    public RemoteKeys? Remote { get; init; }
}

internal sealed record JwtHeaderSource(string Name, string Prefix);

internal sealed record JwtClaimHeader(string Header, string Claim);

internal sealed record RemoteKeys(string Uri, string Cluster, TimeSpan Timeout, TimeSpan CacheDuration);

/// <summary>The text of a JWKS, parsed at configuration time; a set without a usable key is refused there.</summary>
internal sealed record JsonWebKeySet(string Json);

internal abstract record JwtRequirement
{
    /// <summary>A token of this provider; <paramref name="Audiences"/> replace the provider's own when not empty.</summary>
    public sealed record Provider(string Name, ImmutableArray<string> Audiences) : JwtRequirement;
    public sealed record AnyOf(ImmutableArray<JwtRequirement> Inner) : JwtRequirement;
    public sealed record AllOf(ImmutableArray<JwtRequirement> Inner) : JwtRequirement;
    /// <summary>A request without a token passes; a bad token does not.</summary>
    public sealed record AllowMissing : JwtRequirement;
    public sealed record AllowMissingOrFailed : JwtRequirement;
}
