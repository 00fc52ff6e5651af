using System.Collections.Immutable;

namespace Mesh.Model.Resources;

/// <summary>Which Gateway, Service or GatewayClass a policy is attached to.</summary>
public sealed record TargetRef(string Group, string Kind, string Name)
{
    public static ImmutableArray<TargetRef> ReadAll(Fields spec)
    {
        var all = spec.Each("targetRefs", Read);
        return spec.Has("targetRef") ? all.Add(Read(spec["targetRef"])) : all;
    }

    private static TargetRef Read(Fields f) => new(f.Text("group"), f.Text("kind"), f.Text("name"));
}

public enum MutualTlsMode { Unset, Disable, Permissive, Strict }

public sealed class PeerAuthentication(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Selector { get; } = root["spec"]["selector"].Labels("matchLabels");
    public MutualTlsMode Mode { get; } = root["spec"]["mtls"].Enum("mode", MutualTlsMode.Unset);
    public ImmutableSortedDictionary<int, MutualTlsMode> Ports { get; } = ReadPorts(root["spec"]["portLevelMtls"]);

    private static ImmutableSortedDictionary<int, MutualTlsMode> ReadPorts(Fields map)
    {
        var ports = ImmutableSortedDictionary.CreateBuilder<int, MutualTlsMode>();
        foreach (var (key, value) in map.Entries())
        {
            if (int.TryParse(key, out var port)) ports[port] = value.Enum("mode", MutualTlsMode.Unset);
            else value.Refuse("the key must be a port number");
        }
        return ports.ToImmutable();
    }
}

public sealed record JwtHeader(string Name, string Prefix);

public sealed record ClaimHeader(string Header, string Claim);

public sealed record JwtRule(string Issuer)
{
    public ImmutableArray<string> Audiences { get; init; } = [];
    public string JwksUri { get; init; } = "";
    public string Jwks { get; init; } = "";
    public ImmutableArray<JwtHeader> FromHeaders { get; init; } = [];
    public ImmutableArray<string> FromParams { get; init; } = [];
    public ImmutableArray<string> FromCookies { get; init; } = [];
    public string PayloadHeader { get; init; } = "";
    public ImmutableArray<ClaimHeader> ClaimHeaders { get; init; } = [];
    public bool ForwardsToken { get; init; }
    public TimeSpan? Timeout { get; init; }
    public ImmutableArray<string> SpaceDelimitedClaims { get; init; } = [];

    /// <summary>Not only must a token of this issuer be good where there is one: there must be one.</summary>
    public bool IsRequired { get; init; }

    /// <summary>Where the keys are fetched: the URI that is written, else what the issuer says of itself (OpenID discovery). Null when they are written in the rule.</summary>
    public string? KeysFrom => Jwks.Length > 0 ? null : JwksUri.Length > 0 ? JwksUri : $"{Issuer.TrimEnd('/')}/.well-known/openid-configuration";

    public static JwtRule Read(Fields f) => new(f.Text("issuer"))
    {
        Audiences = f.Texts("audiences"),
        JwksUri = f.Text("jwksUri", f.Text("jwks_uri")),
        Jwks = f.Text("jwks"),
        FromHeaders = f.Each("fromHeaders", h => new JwtHeader(h.Text("name"), h.Text("prefix"))),
        FromParams = f.Texts("fromParams"),
        FromCookies = f.Texts("fromCookies"),
        PayloadHeader = f.Text("outputPayloadToHeader"),
        ClaimHeaders = f.Each("outputClaimToHeaders", c => new ClaimHeader(c.Text("header"), c.Text("claim"))),
        ForwardsToken = f.Bool("forwardOriginalToken"),
        Timeout = f.Duration("timeout"),
        SpaceDelimitedClaims = f.Texts("spaceDelimitedClaims"),
        IsRequired = f.Text("presence") == "REQUIRED",
    };
}

public sealed class RequestAuthentication(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Selector { get; } = root["spec"]["selector"].Labels("matchLabels");
    public ImmutableArray<TargetRef> Targets { get; } = TargetRef.ReadAll(root["spec"]);
    public ImmutableArray<JwtRule> Rules { get; } = root["spec"].Each("jwtRules", JwtRule.Read);
}

public enum AuthorizationAction { Allow, Deny, Audit, Custom }

/// <summary>A list and its <c>not</c> twin.</summary>
public sealed record ValueList(ImmutableArray<string> Values, ImmutableArray<string> NotValues)
{
    public bool IsEmpty => Values.IsEmpty && NotValues.IsEmpty;

    public static ValueList Read(Fields f, string key) => new(f.Texts(key), f.Texts($"not{char.ToUpperInvariant(key[0])}{key[1..]}"));
}

public sealed record AuthorizationSource(
    ValueList Principals, ValueList RequestPrincipals, ValueList Namespaces, ValueList ServiceAccounts, ValueList TrustDomains, ValueList IpBlocks,
    ValueList RemoteIpBlocks)
{
    public static AuthorizationSource Read(Fields f) => new(
        ValueList.Read(f, "principals"), ValueList.Read(f, "requestPrincipals"), ValueList.Read(f, "namespaces"), ValueList.Read(f, "serviceAccounts"),
        ValueList.Read(f, "trustDomains"), ValueList.Read(f, "ipBlocks"), ValueList.Read(f, "remoteIpBlocks"));
}

public sealed record AuthorizationOperation(ValueList Hosts, ValueList Ports, ValueList Methods, ValueList Paths)
{
    public static AuthorizationOperation Read(Fields f) =>
        new(ValueList.Read(f, "hosts"), ValueList.Read(f, "ports"), ValueList.Read(f, "methods"), ValueList.Read(f, "paths"));
}

public sealed record AuthorizationCondition(string Key, ImmutableArray<string> Values, ImmutableArray<string> NotValues);

public sealed record AuthorizationRule(
    ImmutableArray<AuthorizationSource> From, ImmutableArray<AuthorizationOperation> To, ImmutableArray<AuthorizationCondition> When);

public sealed class AuthorizationPolicy(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Selector { get; } = root["spec"]["selector"].Labels("matchLabels");
    public ImmutableArray<TargetRef> Targets { get; } = TargetRef.ReadAll(root["spec"]);
    public AuthorizationAction Action { get; } = root["spec"].Enum("action", AuthorizationAction.Allow);
    public string Provider { get; } = root["spec"]["provider"].Text("name");
    // As Go reads a boolean, which is how the annotation is checked.
    public bool IsDryRun => Meta.Annotations["istio.io/dry-run"] is "1" or "t" or "T" or "true" or "TRUE" or "True";
    public ImmutableArray<AuthorizationRule> Rules { get; } = root["spec"].Each("rules", r => new AuthorizationRule(
        r.Each("from", s => AuthorizationSource.Read(s["source"])),
        r.Each("to", o => AuthorizationOperation.Read(o["operation"])),
        r.Each("when", c => new AuthorizationCondition(c.Text("key"), c.Texts("values"), c.Texts("notValues")))));
}
