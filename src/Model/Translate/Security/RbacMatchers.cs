using System.Collections.Immutable;
using System.Globalization;
using Envoy.Config.Rbac.V3;
using Envoy.Config.Route.V3;
using Envoy.Type.Matcher.V3;

namespace Mesh.Model.Translate;

/// <summary>Single values of an AuthorizationPolicy to Envoy's matchers. A star stands alone (present) or at one end.</summary>
internal static class RbacMatchers
{
    private const string Spiffe = "spiffe://";

    public static StringMatcher Text(string value, string prefix = "")
    {
        if (value == "*") return new() { SafeRegex = Protos.Regex(".+") };
        if (value.StartsWith('*'))
            return prefix.Length == 0 ? new() { Suffix = value[1..] } : new() { SafeRegex = Protos.Regex($"{Escape(prefix)}.*{Escape(value[1..])}") };
        return value.EndsWith('*') ? new() { Prefix = prefix + value[..^1] } : new() { Exact = prefix + value };
    }

    public static HeaderMatcher Header(string name, string value)
    {
        if (value == "*") return new() { Name = name, PresentMatch = true };
        return new() { Name = name, StringMatch = Text(value) };
    }

    /// <summary>The authority is compared without regard to case; its port is part of it.</summary>
    public static HeaderMatcher Host(string value)
    {
        if (value == "*") return new() { Name = ":authority", PresentMatch = true };
        var text = Text(value);
        text.IgnoreCase = true;
        return new() { Name = ":authority", StringMatch = text };
    }

    public static Permission Path(string value)
    {
        if (!value.Contains('{', StringComparison.Ordinal)) return new() { UrlPath = new() { Path = Text(value) } };
        var template = value.Replace("{**}", "**", StringComparison.Ordinal).Replace("{*}", "*", StringComparison.Ordinal);
        return new()
        {
            UriTemplate = Protos.Extension("uri-template", new Envoy.Extensions.Path.Match.UriTemplate.V3.UriTemplateMatchConfig { PathTemplate = template }),
        };
    }

    public static Permission? Port(string value) =>
        uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port <= 65535 ? new() { DestinationPort = port } : null;

    public static Principal Peer(string value) => Authenticated(Text(value, Spiffe));

    public static Principal Namespace(string value) => Authenticated(new() { SafeRegex = Protos.Regex($".*/ns/{Stars(value)}/.*") });

    /// <summary><c>namespace/name</c>, or a name in the policy's own namespace.</summary>
    public static Principal ServiceAccount(string value, string policyNamespace)
    {
        var slash = value.IndexOf('/', StringComparison.Ordinal);
        var (ns, name) = slash < 0 ? (policyNamespace, value) : (value[..slash], value[(slash + 1)..]);
        return Authenticated(new() { SafeRegex = Protos.Regex($"{Spiffe}.+/ns/{Stars(ns)}/sa/{Stars(name)}") });
    }

    public static Principal TrustDomain(string value) => Authenticated(new() { SafeRegex = Protos.Regex($"{Spiffe}{Stars(value)}/.*") });

    public static Principal DirectIp(string value) => new() { DirectRemoteIp = Protos.Cidr(value) };

    public static Principal RemoteIp(string value) => new() { RemoteIp = Protos.Cidr(value) };

    /// <summary>Issuer and subject of the token, which Envoy keeps apart: the last slash parts them.</summary>
    public static Principal TokenPrincipal(string value)
    {
        if (value == "*") return Both(new() { SafeRegex = Protos.Regex(".+") }, new() { SafeRegex = Protos.Regex(".+") });
        var slash = value.LastIndexOf('/');
        if (value.EndsWith('*'))
            return slash < 0 ? Claim(["iss"], Text(value)) : Either(Both(Protos.Exact(value[..slash]), Rest(value[(slash + 1)..])), Claim(["iss"], Text(value)));
        if (value.StartsWith('*'))
            return slash < 0 ? Claim(["sub"], Text(value)) : Both(Rest(value[..slash]), Protos.Exact(value[(slash + 1)..]));
        return slash < 0 ? Claim(["iss"], Protos.Exact(value)) : Both(Protos.Exact(value[..slash]), Protos.Exact(value[(slash + 1)..]));

        static StringMatcher Rest(string part) => Text(part.Length == 0 ? "*" : part);
        static Principal Both(StringMatcher issuer, StringMatcher subject) =>
            new() { AndIds = new() { Ids = { Claim(["iss"], issuer), Claim(["sub"], subject) } } };
        static Principal Either(Principal a, Principal b) => new() { OrIds = new() { Ids = { a, b } } };
    }

    /// <summary>A claim as text, or as one of a list.</summary>
    public static Principal Claim(ImmutableArray<string> path, StringMatcher value)
    {
        var matcher = new MetadataMatcher { Filter = "envoy.filters.http.jwt_authn" };
        matcher.Path.Add(new MetadataMatcher.Types.PathSegment { Key = Tokens.PayloadKey });
        foreach (var segment in path) matcher.Path.Add(new MetadataMatcher.Types.PathSegment { Key = segment });
        var text = new ValueMatcher { StringMatch = value };
        matcher.Value = new() { OrMatch = new() { ValueMatchers = { text, new ValueMatcher { ListMatch = new() { OneOf = text } } } } };
        return new() { SourcedMetadata = new() { MetadataMatcher = matcher } };
    }

    /// <summary>What a filter before this one has left under a key; <c>[v]</c> stands for one of a list.</summary>
    public static Permission LeftByFilter(string filter, string key, string value)
    {
        var isList = value.StartsWith('[') && value.EndsWith(']');
        var one = new ValueMatcher { StringMatch = Text(isList ? value.Trim('[', ']') : value) };
        return new()
        {
            SourcedMetadata = new()
            {
                MetadataMatcher = new()
                {
                    Filter = filter,
                    Path = { new MetadataMatcher.Types.PathSegment { Key = key } },
                    Value = isList ? new() { ListMatch = new() { OneOf = one } } : one,
                },
            },
        };
    }

    private static Principal Authenticated(StringMatcher name) => new() { Authenticated = new() { PrincipalName = name } };

    /// <summary>A star inside a name stands for anything but a slash.</summary>
    private static string Stars(string value) => string.Join("[^/]*", value.Split('*').Select(Escape));

    private static string Escape(string value) => System.Text.RegularExpressions.Regex.Escape(value);
}
