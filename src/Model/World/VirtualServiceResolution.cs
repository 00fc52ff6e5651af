using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>VirtualServices with full names everywhere and with their delegates worked in. Unchanged ones stay the same objects.</summary>
public static class VirtualServiceResolution
{
    public static VirtualService Resolve(VirtualService vs, string domain)
    {
        string Host(string host) => Hostnames.Resolve(host, vs.Namespace, domain);
        string GatewayName(string name) => name == "mesh" || name.Contains('/', StringComparison.Ordinal) ? name : $"{vs.Namespace}/{name}";
        Destination To(Destination destination) => destination with { Host = Host(destination.Host) };
        RouteDestination Share(RouteDestination share) => share with { Destination = To(share.Destination) };
        L4Match Match(L4Match match) => match with { Gateways = [.. match.Gateways.Select(GatewayName)] };
        L4Rule Rule(L4Rule rule) => rule with { Match = [.. rule.Match.Select(Match)], Route = [.. rule.Route.Select(Share)] };

        return new(vs.Meta)
        {
            Hosts = [.. vs.Hosts.Select(Host)],
            Gateways = vs.Gateways.IsEmpty ? ["mesh"] : [.. vs.Gateways.Select(GatewayName)],
            ExportTo = vs.ExportTo,
            Semantics = vs.Semantics,
            Tls = [.. vs.Tls.Select(Rule)],
            Tcp = [.. vs.Tcp.Select(Rule)],
            Http = [.. vs.Http.Select(rule => rule with
            {
                Match = [.. rule.Match.Select(match => match with { Gateways = [.. match.Gateways.Select(GatewayName)] })],
                Route = [.. rule.Route.Select(Share)],
                Mirrors = [.. rule.Mirrors.Select(mirror => mirror with { Destination = To(mirror.Destination) })],
                Delegate = rule.Delegate is { } other ? other with { Namespace = other.Namespace.Length > 0 ? other.Namespace : vs.Namespace } : null,
            })],
        };
    }

    /// <summary>Replaces each rule that delegates by the delegate's rules, narrowed to what the root lets through.</summary>
    public static VirtualService WithDelegates(VirtualService root, Func<DelegateRef, VirtualService?> find)
    {
        if (root.Http.All(rule => rule.Delegate is null)) return root;
        var http = ImmutableArray.CreateBuilder<HttpRule>();
        foreach (var rule in root.Http)
        {
            if (rule.Delegate is null) http.Add(rule);
            else if (find(rule.Delegate) is { } other && Exports.Reach(other.ExportTo.IsEmpty ? ["*"] : other.ExportTo, other.Namespace, root.Namespace))
                http.AddRange(other.Http.Select(inner => Merge(rule, inner)).OfType<HttpRule>());
        }
        return new(root.Meta)
        {
            Hosts = root.Hosts, Gateways = root.Gateways, ExportTo = root.ExportTo, Semantics = root.Semantics, Tls = root.Tls, Tcp = root.Tcp, Http = http.ToImmutable(),
        };
    }

    /// <returns>Null when some match of the delegate's rule lies within none of the root's: then the whole rule is left out.</returns>
    private static HttpRule? Merge(HttpRule root, HttpRule inner)
    {
        if (inner.Delegate is not null) return null;
        var match = MergeMatches(root.Match, inner.Match);
        if (match is null) return null;
        return inner with
        {
            Name = root.Name.Length > 0 && inner.Name.Length > 0 ? $"{root.Name}-{inner.Name}" : root.Name.Length > 0 ? root.Name : inner.Name,
            Match = match.Value,
            Delegate = null,
            Redirect = inner.Redirect ?? root.Redirect,
            DirectResponse = inner.DirectResponse ?? root.DirectResponse,
            Rewrite = inner.Rewrite ?? root.Rewrite,
            Timeout = inner.Timeout ?? root.Timeout,
            Retries = inner.Retries ?? root.Retries,
            Fault = inner.Fault ?? root.Fault,
            Mirrors = inner.Mirrors.IsEmpty ? root.Mirrors : inner.Mirrors,
            Cors = inner.Cors ?? root.Cors,
            Headers = inner.Headers ?? root.Headers,
        };
    }

    private static ImmutableArray<HttpMatch>? MergeMatches(ImmutableArray<HttpMatch> root, ImmutableArray<HttpMatch> inner)
    {
        if (root.IsEmpty) return inner;
        if (inner.IsEmpty) return root;
        var merged = ImmutableArray.CreateBuilder<HttpMatch>();
        foreach (var innerMatch in inner)
        {
            var within = root.Where(rootMatch => !Conflicts(rootMatch, innerMatch)).ToList();
            if (within.Count == 0) return null;
            merged.AddRange(within.Select(rootMatch => Merge(rootMatch, innerMatch)));
        }
        return merged.ToImmutable();
    }

    private static HttpMatch Merge(HttpMatch root, HttpMatch inner) => inner with
    {
        Name = root.Name.Length > 0 && inner.Name.Length > 0 ? $"{root.Name}-{inner.Name}" : root.Name.Length > 0 ? root.Name : inner.Name,
        Uri = inner.Uri ?? root.Uri,
        Scheme = inner.Scheme ?? root.Scheme,
        Method = inner.Method ?? root.Method,
        Authority = inner.Authority ?? root.Authority,
        Headers = Join(root.Headers, inner.Headers),
        WithoutHeaders = Join(root.WithoutHeaders, inner.WithoutHeaders),
        QueryParams = Join(root.QueryParams, inner.QueryParams),
        Port = inner.Port > 0 ? inner.Port : root.Port,
        Gateways = inner.Gateways.IsEmpty ? root.Gateways : inner.Gateways,
        SourceLabels = LabelSet.Of(root.SourceLabels.Pairs.Where(pair => inner.SourceLabels[pair.Key] is null).Concat(inner.SourceLabels.Pairs)),
        SourceNamespace = inner.SourceNamespace.Length > 0 ? inner.SourceNamespace : root.SourceNamespace,
        IgnoreUriCase = inner.IgnoreUriCase || root.IgnoreUriCase,
    };

    private static ImmutableArray<NamedMatch> Join(ImmutableArray<NamedMatch> root, ImmutableArray<NamedMatch> inner) =>
        [.. root.Where(match => inner.All(other => other.Name != match.Name)).Concat(inner).OrderBy(match => match.Name, StringComparer.Ordinal)];

    private static bool Conflicts(HttpMatch root, HttpMatch inner)
    {
        if (root.IgnoreUriCase != inner.IgnoreUriCase) return true;
        if (Conflicts(root.Uri, inner.Uri) || Conflicts(root.Scheme, inner.Scheme) || Conflicts(root.Method, inner.Method) || Conflicts(root.Authority, inner.Authority))
            return true;
        if (Conflict(root.Headers, inner.Headers) || Conflict(root.WithoutHeaders, inner.WithoutHeaders) || Conflict(root.QueryParams, inner.QueryParams)) return true;
        if (root.Port != 0 && inner.Port != 0 && root.Port != inner.Port) return true;
        if (root.SourceNamespace.Length > 0 && root.SourceNamespace != inner.SourceNamespace) return true;
        if (!root.Gateways.IsEmpty && inner.Gateways.Any(gateway => !root.Gateways.Contains(gateway))) return true;
        return root.SourceLabels.Pairs.Any(pair => inner.SourceLabels[pair.Key] is { } other && other != pair.Value);
    }

    /// <summary>A name that both ask about; "is there" is no part of anything, nor has it parts.</summary>
    private static bool Conflict(ImmutableArray<NamedMatch> root, ImmutableArray<NamedMatch> inner) =>
        root.Any(match => inner.FirstOrDefault(other => other.Name == match.Name) is { } other
            && (match.Match is null || other.Match is null || Conflicts(match.Match, other.Match)));

    /// <summary>False when the inner condition is absent, or asks for a part of what the root asks for.</summary>
    private static bool Conflicts(StringMatch? root, StringMatch? inner)
    {
        if (root is null || inner is null) return false;
        if (root.Kind == MatchKind.Regex || inner.Kind == MatchKind.Regex) return true;   // whether one regex lies within another is not asked
        if (root.Kind == MatchKind.Prefix) return !inner.Value.StartsWith(root.Value, StringComparison.Ordinal);
        return inner.Kind == MatchKind.Prefix || root.Value != inner.Value;
    }
}
