using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Envoy.Type.Matcher.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>A VirtualService's match to Envoy's.</summary>
internal static class RouteMatches
{
    private const string ClaimPrefix = "@request.auth.claims";

    /// <returns>Null for a match that no proxy can be told, since it asks nothing of a claim; leaving its condition out would let everybody through.</returns>
    public static RouteMatch? Build(HttpMatch? match, RouteSemantics semantics)
    {
        var made = new RouteMatch();
        if (match is null)
        {
            made.Prefix = "/";
            return made;
        }
        Path(made, match, semantics);
        foreach (var (name, value) in match.Headers)
            if (!Header(made, name, value, inverted: false)) return null;
        foreach (var (name, value) in match.WithoutHeaders)
            if (!Header(made, name, value, inverted: true)) return null;
        if (match.Method is not null) made.Headers.Add(HeaderOf(":method", match.Method));
        if (match.Authority is not null) made.Headers.Add(HeaderOf(":authority", match.Authority));
        if (match.Scheme is not null) made.Headers.Add(HeaderOf(":scheme", match.Scheme));
        foreach (var (name, value) in match.QueryParams) made.QueryParameters.Add(Query(name, value));
        return made;
    }

    /// <summary>True for a rule that takes every request: nothing after it on the same host is ever reached.</summary>
    public static bool TakesAll(Route route)
    {
        var match = route.Match;
        if (match.Headers.Count > 0 || match.QueryParameters.Count > 0 || match.DynamicMetadata.Count > 0) return false;
        return match.PathSpecifierCase switch
        {
            RouteMatch.PathSpecifierOneofCase.Prefix => match.Prefix == "/",
            RouteMatch.PathSpecifierOneofCase.PathSeparatedPrefix => match.PathSeparatedPrefix == "/",
            RouteMatch.PathSpecifierOneofCase.SafeRegex => match.SafeRegex.Regex == ".*",
            _ => false,
        };
    }

    private static void Path(RouteMatch made, HttpMatch match, RouteSemantics semantics)
    {
        switch (match.Uri)
        {
            case null:
                made.Prefix = "/";
                break;
            case { Kind: MatchKind.Exact }:
                made.Path = match.Uri.Value;
                break;
            case { Kind: MatchKind.Prefix } when semantics == RouteSemantics.Istio || match.Uri.Value == "/":
                made.Prefix = match.Uri.Value;
                break;
            case { Kind: MatchKind.Prefix }:
                made.PathSeparatedPrefix = match.Uri.Value.TrimEnd('/');
                break;
            default:
                made.SafeRegex = Protos.Regex(match.Uri.Value);
                break;
        }
        if (match.IgnoreUriCase) made.CaseSensitive = false;
    }

    private static bool Header(RouteMatch made, string name, StringMatch? value, bool inverted)
    {
        if (name.StartsWith(ClaimPrefix, StringComparison.OrdinalIgnoreCase))
        {
            if (Claim(name[ClaimPrefix.Length..], value, inverted) is not { } claim) return false;
            made.DynamicMetadata.Add(claim);
            return true;
        }
        var matcher = HeaderOf(name, value);
        if (inverted)
        {
            matcher.InvertMatch = true;
            if (matcher.HeaderMatchSpecifierCase != HeaderMatcher.HeaderMatchSpecifierOneofCase.PresentMatch) matcher.TreatMissingHeaderAsEmpty = true;
        }
        made.Headers.Add(matcher);
        return true;
    }

    private static HeaderMatcher HeaderOf(string name, StringMatch? value)
    {
        var made = new HeaderMatcher { Name = name };
        if (value is null || value.MatchesAll) made.PresentMatch = true;
        else made.StringMatch = Text(value);
        return made;
    }

    private static QueryParameterMatcher Query(string name, StringMatch? value)
    {
        var made = new QueryParameterMatcher { Name = name };
        if (value is null || value.MatchesAll) made.PresentMatch = true;
        else made.StringMatch = Text(value);
        return made;
    }

    public static StringMatcher Text(StringMatch match) => match.Kind switch
    {
        MatchKind.Exact => new() { Exact = match.Value },
        MatchKind.Prefix => new() { Prefix = match.Value },
        _ => new() { SafeRegex = Protos.Regex(match.Value) },
    };

    /// <summary>
    /// A claim as <c>.a.b</c> or <c>[a][b]</c>, single value or one of a list. Null for a condition that says nothing: Envoy would refuse the whole table.
    /// </summary>
    private static MetadataMatcher? Claim(string path, StringMatch? value, bool inverted)
    {
        var segments = path.StartsWith('[')
            ? [.. path.TrimStart('[').TrimEnd(']').Split("][")]
            : path.TrimStart('.').Split('.').ToImmutableArray();
        if (value is null or { MatchesAll: true } || segments.IsEmpty || segments[0].Length == 0) return null;

        var made = new MetadataMatcher { Filter = "envoy.filters.http.jwt_authn", Invert = inverted };
        made.Path.Add(new MetadataMatcher.Types.PathSegment { Key = "payload" });
        foreach (var segment in segments) made.Path.Add(new MetadataMatcher.Types.PathSegment { Key = segment });
        var text = new ValueMatcher { StringMatch = Text(value) };
        made.Value = new() { OrMatch = new() { ValueMatchers = { text, new ValueMatcher { ListMatch = new() { OneOf = text } } } } };
        return made;
    }
}
