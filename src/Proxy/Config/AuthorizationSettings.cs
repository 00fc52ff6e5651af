using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

internal enum AuthorizationAction { Allow, Deny, Log }

/// <summary>Role-based access control: an action, and named policies of which any one may match.</summary>
internal sealed record AuthorizationSettings
{
    public CompiledCell Cell { get; } = new();
    /// <summary>Null: nothing is enforced (only shadow rules, or nothing at all).</summary>
    public AuthorizationPolicies? Rules { get; init; }
    /// <summary>Evaluated and recorded, never enforced (dry run, and the condition of ext_authz).</summary>
    public AuthorizationPolicies? Shadow { get; init; }
    /// <summary>Prefix of the metadata keys and counters of the shadow rules.</summary>
    public string ShadowPrefix { get; init; } = "";
    public string StatPrefix { get; init; } = "";
    public TimeSpan? DelayDeny { get; init; }
    public bool TrackPerRuleStats { get; init; }
}

internal sealed record AuthorizationPolicies(AuthorizationAction Action, ImmutableArray<AuthorizationPolicy> Policies);

/// <summary>Matches when any permission and any principal match.</summary>
internal sealed record AuthorizationPolicy(string Name, ImmutableArray<AuthorizationRule> Permissions, ImmutableArray<AuthorizationRule> Principals);

internal enum AuthorizationRuleKind
{
    Any, And, Or, Not,
    // What is done.
    Header, Path, DestinationIp, DestinationPort, DestinationPortRange, ServerName, Metadata,
    // Who does it.
    Authenticated, SourceIp, DirectRemoteIp, RemoteIp, FilterState,
    // A path with {*} and {**}.
    PathTemplate,
}

/// <summary>One node of a rule: permission and principal are the same tree, differing in which leaves occur.</summary>
internal sealed record AuthorizationRule(AuthorizationRuleKind Kind)
{
    public static readonly AuthorizationRule Any = new(AuthorizationRuleKind.Any);

    public ImmutableArray<AuthorizationRule> Inner { get; init; } = [];
    public HeaderMatch? Header { get; init; }
    /// <summary>For path, server name, authenticated principal (null there: any) and filter state.</summary>
    public StringMatch? Text { get; init; }
    public AddressRange Range { get; init; }
    public PortRange Ports { get; init; }
    public MetadataMatch? Metadata { get; init; }
    /// <summary>The filter-state key, or the path template.</summary>
    public string Key { get; init; } = "";

    public static AuthorizationRule And(params ImmutableArray<AuthorizationRule> inner) => new(AuthorizationRuleKind.And) { Inner = inner };
    public static AuthorizationRule Or(params ImmutableArray<AuthorizationRule> inner) => new(AuthorizationRuleKind.Or) { Inner = inner };
    public static AuthorizationRule Not(AuthorizationRule inner) => new(AuthorizationRuleKind.Not) { Inner = [inner] };
}
