using Envoy.Config.Rbac.V3;
using Envoy.Config.Route.V3;

namespace Mesh.Model.Translate;

/// <summary>Principals and permissions in words.</summary>
internal static class AccessText
{
    public static string Of(Principal principal) => principal.IdentifierCase switch
    {
        Principal.IdentifierOneofCase.AndIds => All(principal.AndIds.Ids.Select(Of)),
        Principal.IdentifierOneofCase.OrIds => Any(principal.OrIds.Ids.Select(Of)),
        Principal.IdentifierOneofCase.NotId => $"not {Of(principal.NotId)}",
        Principal.IdentifierOneofCase.Authenticated => $"peer {DumpText.Of(principal.Authenticated.PrincipalName)}",
        Principal.IdentifierOneofCase.DirectRemoteIp => $"ip {principal.DirectRemoteIp.AddressPrefix}/{principal.DirectRemoteIp.PrefixLen}",
        Principal.IdentifierOneofCase.RemoteIp => $"client ip {principal.RemoteIp.AddressPrefix}/{principal.RemoteIp.PrefixLen}",
        Principal.IdentifierOneofCase.Header => Of(principal.Header),
        Principal.IdentifierOneofCase.SourcedMetadata =>
            $"claim {string.Join('.', principal.SourcedMetadata.MetadataMatcher.Path.Skip(1).Select(part => part.Key))} {DumpText.Of(principal.SourcedMetadata.MetadataMatcher.Value.OrMatch.ValueMatchers[0].StringMatch)}",
        _ => "anybody",
    };

    public static string Of(Permission permission) => permission.RuleCase switch
    {
        Permission.RuleOneofCase.AndRules => All(permission.AndRules.Rules.Select(Of)),
        Permission.RuleOneofCase.OrRules => Any(permission.OrRules.Rules.Select(Of)),
        Permission.RuleOneofCase.NotRule => $"not {Of(permission.NotRule)}",
        Permission.RuleOneofCase.Header => Of(permission.Header),
        Permission.RuleOneofCase.UrlPath => $"path {DumpText.Of(permission.UrlPath.Path)}",
        Permission.RuleOneofCase.DestinationPort => $"port {permission.DestinationPort}",
        Permission.RuleOneofCase.DestinationIp => $"to {permission.DestinationIp.AddressPrefix}/{permission.DestinationIp.PrefixLen}",
        Permission.RuleOneofCase.RequestedServerName => $"sni {DumpText.Of(permission.RequestedServerName)}",
        Permission.RuleOneofCase.UriTemplate => $"path like {permission.UriTemplate.TypedConfig.Unpack<Envoy.Extensions.Path.Match.UriTemplate.V3.UriTemplateMatchConfig>().PathTemplate}",
        _ => "do anything",
    };

    private static string Of(HeaderMatcher header) => $"{header.Name} {(header.StringMatch is { } text ? DumpText.Of(text) : "present")}";

    private static string All(IEnumerable<string> parts) => Joined(parts, " and ");

    private static string Any(IEnumerable<string> parts) => Joined(parts, " or ");

    private static string Joined(IEnumerable<string> parts, string word)
    {
        var all = parts.ToList();
        return all.Count == 1 ? all[0] : $"({string.Join(word, all)})";
    }
}
