using System.Collections.Immutable;
using Envoy.Config.Rbac.V3;
using Envoy.Extensions.Path.Match.UriTemplate.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using HttpRbac = Envoy.Extensions.Filters.Http.Rbac.V3;
using Network = Envoy.Extensions.Filters.Network.Rbac.V3;

namespace Mesh.Proxy.Config;

/// <summary>Who may do what. Anything not understood is refused: a rule half read would let the wrong ones in.</summary>
internal static class AuthorizationFromXds
{
    private const int DepthMax = 32;

    public static AuthorizationSettings Read(HttpRbac.RBAC proto)
    {
        if (proto.Matcher is not null || proto.ShadowMatcher is not null) throw new ConfigRefusedException("matcher", "matching trees are not supported; use rules");
        return new()
        {
            Rules = In("rules", proto.Rules, Policies),
            Shadow = In("shadow_rules", proto.ShadowRules, Policies),
            ShadowPrefix = proto.ShadowRulesStatPrefix,
            StatPrefix = proto.RulesStatPrefix,
            TrackPerRuleStats = proto.TrackPerRuleStats,
        };
    }

    public static AuthorizationSettings Read(Network.RBAC proto)
    {
        if (proto.Matcher is not null || proto.ShadowMatcher is not null) throw new ConfigRefusedException("matcher", "matching trees are not supported; use rules");
        return new()
        {
            Rules = In("rules", proto.Rules, Policies),
            Shadow = In("shadow_rules", proto.ShadowRules, Policies),
            ShadowPrefix = proto.ShadowRulesStatPrefix,
            StatPrefix = proto.StatPrefix,
        };
    }

    private static AuthorizationPolicies? Policies(RBAC? proto)
    {
        if (proto is null) return null;

        // By name, as the field's own map is: of several policies that match, the first by name is the one reported.
        var policies = ImmutableArray.CreateBuilder<AuthorizationPolicy>(proto.Policies.Count);
        foreach (var (name, policy) in proto.Policies.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (policy.Permissions.Count == 0 || policy.Principals.Count == 0) throw new ConfigRefusedException($"policies[{name}]", "needs at least one permission and one principal");
            policies.Add(In($"policies[{name}]", policy, p => new AuthorizationPolicy(
                name,
                Each("permissions", p.Permissions, permission => Permission(permission, 0)),
                Each("principals", p.Principals, principal => Principal(principal, 0)))));
        }
        return new((AuthorizationAction)proto.Action, policies.ToImmutable());
    }

    private static AuthorizationRule Permission(Permission proto, int depth)
    {
        if (depth > DepthMax) throw new ConfigRefusedException($"rules are nested deeper than {DepthMax}");
        return proto.RuleCase switch
        {
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.AndRules => new(AuthorizationRuleKind.And) { Inner = Each("and_rules", proto.AndRules.Rules, r => Permission(r, depth + 1)) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.OrRules => new(AuthorizationRuleKind.Or) { Inner = Each("or_rules", proto.OrRules.Rules, r => Permission(r, depth + 1)) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.Any => AuthorizationRule.Any,
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.Header => new(AuthorizationRuleKind.Header) { Header = In("header", proto.Header, MatchersFromXds.Header) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.UrlPath => new(AuthorizationRuleKind.Path) { Text = In("url_path", proto.UrlPath.Path, MatchersFromXds.Text) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.DestinationIp => new(AuthorizationRuleKind.DestinationIp) { Range = In("destination_ip", proto.DestinationIp, Range) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.DestinationPort => new(AuthorizationRuleKind.DestinationPort) { Ports = new((int)proto.DestinationPort, (int)proto.DestinationPort + 1) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.DestinationPortRange =>
                new(AuthorizationRuleKind.DestinationPortRange) { Ports = new(proto.DestinationPortRange.Start, proto.DestinationPortRange.End) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.SourcedMetadata => Metadata(proto.SourcedMetadata),
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.NotRule => AuthorizationRule.Not(In("not_rule", proto.NotRule, r => Permission(r, depth + 1))),
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.RequestedServerName => new(AuthorizationRuleKind.ServerName) { Text = In("requested_server_name", proto.RequestedServerName, MatchersFromXds.Text) },
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.Matcher => In("matcher", proto.Matcher, Matcher),
            Envoy.Config.Rbac.V3.Permission.RuleOneofCase.UriTemplate => In("uri_template", proto.UriTemplate, Matcher),
            _ => throw new ConfigRefusedException("a permission without a rule"),
        };
    }

    private static AuthorizationRule Principal(Principal proto, int depth)
    {
        if (depth > DepthMax) throw new ConfigRefusedException($"rules are nested deeper than {DepthMax}");
        return proto.IdentifierCase switch
        {
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.AndIds => new(AuthorizationRuleKind.And) { Inner = Each("and_ids", proto.AndIds.Ids, p => Principal(p, depth + 1)) },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.OrIds => new(AuthorizationRuleKind.Or) { Inner = Each("or_ids", proto.OrIds.Ids, p => Principal(p, depth + 1)) },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.Any => AuthorizationRule.Any,
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.Authenticated => new(AuthorizationRuleKind.Authenticated)
            {
                Text = proto.Authenticated.PrincipalName is { } name ? In("authenticated.principal_name", name, MatchersFromXds.Text) : null,
            },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.DirectRemoteIp => new(AuthorizationRuleKind.DirectRemoteIp) { Range = In("direct_remote_ip", proto.DirectRemoteIp, Range) },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.RemoteIp => new(AuthorizationRuleKind.RemoteIp) { Range = In("remote_ip", proto.RemoteIp, Range) },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.Header => new(AuthorizationRuleKind.Header) { Header = In("header", proto.Header, MatchersFromXds.Header) },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.UrlPath => new(AuthorizationRuleKind.Path) { Text = In("url_path", proto.UrlPath.Path, MatchersFromXds.Text) },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.SourcedMetadata => Metadata(proto.SourcedMetadata),
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.FilterState => new(AuthorizationRuleKind.FilterState)
            {
                Key = proto.FilterState.Key, Text = In("filter_state.string_match", proto.FilterState.StringMatch, MatchersFromXds.Text),
            },
            Envoy.Config.Rbac.V3.Principal.IdentifierOneofCase.NotId => AuthorizationRule.Not(In("not_id", proto.NotId, p => Principal(p, depth + 1))),
            _ => throw new ConfigRefusedException("a principal without an identifier"),
        };
    }

    private static AuthorizationRule Metadata(SourcedMetadata proto) => proto.MetadataSource == MetadataSource.Dynamic
        ? new(AuthorizationRuleKind.Metadata) { Metadata = In("sourced_metadata.metadata_matcher", proto.MetadataMatcher, MatchersFromXds.Metadata) }
        : throw new ConfigRefusedException("sourced_metadata.metadata_source", $"{proto.MetadataSource} is not supported");

    private static AuthorizationRule Matcher(Envoy.Config.Core.V3.TypedExtensionConfig matcher)
    {
        var type = TypeOf(matcher.TypedConfig);
        return type == "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
            ? new(AuthorizationRuleKind.PathTemplate) { Key = Unpack(matcher.TypedConfig, UriTemplateMatchConfig.Parser).PathTemplate }
            : throw new ConfigRefusedException($"matcher '{type}' is not supported");
    }
}
