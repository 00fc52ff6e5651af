using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>One match of one rule with what sorts it among its rivals on the same host.</summary>
internal sealed record ApiEntry(HttpRule Rule, ApiRoute Route, int RuleIndex)
{
    private HttpMatch Match => Rule.Match[0];

    /// <summary>Exact before prefix before regex, longer path, then with method, more headers, more query parameters; then age and name.</summary>
    public static int ByPrecedence(ApiEntry a, ApiEntry b)
    {
        var (x, y) = (a.Match, b.Match);
        var order = Kind(x).CompareTo(Kind(y));
        if (order == 0) order = Length(y).CompareTo(Length(x));
        if (order == 0) order = (y.Method is not null).CompareTo(x.Method is not null);
        if (order == 0) order = y.Headers.Length.CompareTo(x.Headers.Length);
        if (order == 0) order = y.QueryParams.Length.CompareTo(x.QueryParams.Length);
        if (order == 0) order = a.Route.Meta.Created.CompareTo(b.Route.Meta.Created);
        if (order == 0) order = string.CompareOrdinal($"{a.Route.Namespace}/{a.Route.Name}", $"{b.Route.Namespace}/{b.Route.Name}");
        return order != 0 ? order : a.RuleIndex.CompareTo(b.RuleIndex);
    }

    private static int Kind(HttpMatch match) => match.Uri?.Kind switch { MatchKind.Exact => 0, MatchKind.Prefix => 1, MatchKind.Regex => 2, _ => 3 };

    private static int Length(HttpMatch match) => match.Uri?.Value.Length ?? 0;
}

internal static class ApiRules
{
    private const int AttemptsDefault = 2;

    public static IEnumerable<ApiEntry> Of(ApiRoute route, ApiInputs inputs, List<ApiCondition> problems)
    {
        for (var r = 0; r < route.Rules.Length; r++)
        {
            var rule = route.Rules[r];
            ApiCondition? problem = null;
            var made = Rule(route, rule, r, inputs, ref problem);
            if (problem is not null) problems.Add(problem);
            // A GRPCRoute without a match speaks last, after every path.
            var matches = !rule.Matches.IsEmpty ? rule.Matches
                : route.Type == ApiRouteType.Grpc ? [new ApiRouteMatch("", null) { GrpcType = "Exact" }] : [new ApiRouteMatch("PathPrefix", "/")];
            foreach (var match in matches) yield return new(made with { Match = [Match(match)] }, route, r);
        }
    }

    private static HttpRule Rule(ApiRoute route, ApiRule rule, int index, ApiInputs inputs, ref ApiCondition? problem)
    {
        var made = new HttpRule(rule.Name.Length > 0 ? rule.Name : $"{route.Namespace}.{route.Name}.{index}") { Headers = ApiFilters.Headers(rule.Filters) };
        foreach (var filter in rule.Filters)
        {
            if (ApiFilters.Apply(made, filter, route, inputs, ref problem) is { } next)
            {
                made = next;
                continue;
            }
            problem = new("Accepted", false, "UnsupportedValue", $"filter {filter.Type} is not supported");
            return made with { DirectResponse = new(500, null, null) };
        }
        var shares = ImmutableArray.CreateBuilder<RouteDestination>();
        foreach (var backend in rule.Backends)
        {
            var share = ApiBackends.Resolve(route, backend, inputs, ref problem);
            if (share.Weight > 0) shares.Add(share);
        }
        if (made.Redirect is not null) return made;
        if (shares.Count == 0) return made with { DirectResponse = new(500, null, null) };

        var retry = rule.Retry is { } asked ? Retries(asked, rule.BackendTimeout) : null;
        return made with
        {
            Route = shares.ToImmutable(),
            Timeout = Positive(rule.RequestTimeout) ?? (retry is null ? Positive(rule.BackendTimeout) : null),
            Retries = retry,
        };
    }

    private static TimeSpan? Positive(TimeSpan? span) => span > TimeSpan.Zero ? span : null;

    private static Retry Retries(ApiRetry retry, TimeSpan? perTry) => new(
        retry.Attempts ?? AttemptsDefault, Positive(perTry), retry.Attempts == 0 ? "" :
        string.Join(',', ((IEnumerable<string>)["connect-failure", "refused-stream", "unavailable", "cancelled"]).Concat(retry.Codes.Select(code => $"{code}"))),
        false, null, retry.Backoff);

    private static HttpMatch Match(ApiRouteMatch match) => new("")
    {
        Uri = match.GrpcType.Length > 0 ? Grpc(match) : match.PathType switch
        {
            "Exact" => new(MatchKind.Exact, match.Path ?? "/"),
            "RegularExpression" => new(MatchKind.Regex, match.Path ?? "/"),
            // A slash at a prefix's end says nothing.
            _ => new(MatchKind.Prefix, match.Path is { Length: > 1 } path && path.EndsWith('/') ? path[..^1] : match.Path ?? "/"),
        },
        Method = match.Method.Length > 0 ? new(MatchKind.Exact, match.Method) : null,
        Headers = Named(match.Headers, lowerCase: true),
        QueryParams = Named(match.Query, lowerCase: false),
    };

    /// <returns>Null where only headers count.</returns>
    private static StringMatch? Grpc(ApiRouteMatch match)
    {
        var (service, method) = (match.GrpcService, match.GrpcMethod);
        if (service.Length == 0 && method.Length == 0) return null;
        if (match.GrpcType == "RegularExpression")
            return new(MatchKind.Regex, $"/{(service.Length > 0 ? service : "[^/]+")}/{(method.Length > 0 ? method : ".+")}");
        if (service.Length > 0) return method.Length > 0 ? new(MatchKind.Exact, $"/{service}/{method}") : new(MatchKind.Prefix, $"/{service}/");
        return new(MatchKind.Regex, $"/[^/]+/{System.Text.RegularExpressions.Regex.Escape(method)}");
    }

    private static ImmutableArray<NamedMatch> Named(ImmutableArray<ApiValueMatch> matches, bool lowerCase) => [.. matches
        .Select(match => (Name: lowerCase ? match.Name.ToLowerInvariant() : match.Name, match.Type, match.Value)).DistinctBy(match => match.Name)
        .OrderBy(match => match.Name, StringComparer.Ordinal)
        .Select(match => new NamedMatch(match.Name, new(match.Type == "RegularExpression" ? MatchKind.Regex : MatchKind.Exact, match.Value)))];
}
