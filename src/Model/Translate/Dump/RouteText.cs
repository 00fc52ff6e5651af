using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Http.Fault.V3;

namespace Mesh.Model.Translate;

/// <summary>Route tables: the names a host answers to, then its rules in order.</summary>
internal static class RouteText
{
    public static IEnumerable<string> Lines(RouteConfiguration table, bool withNames)
    {
        yield return table.Name;
        foreach (var host in table.VirtualHosts)
        {
            yield return $"  {DumpText.Join(host.Name, withNames ? string.Join(' ', host.Domains) : null, host.RequireTls == VirtualHost.Types.TlsRequirementType.All ? "https only" : null)}";
            foreach (var route in host.Routes) yield return $"    {Line(route)}";
        }
    }

    public static string Line(Route route) => DumpText.Join(
        Match(route.Match), "→", Action(route), Edits("request", route.RequestHeadersToAdd, route.RequestHeadersToRemove),
        Edits("response", route.ResponseHeadersToAdd, route.ResponseHeadersToRemove), Fault(route), Cors(route), route.Name is "" or "default" ? null : $"named {route.Name}");

    private static string Match(RouteMatch match)
    {
        var path = match.PathSpecifierCase switch
        {
            RouteMatch.PathSpecifierOneofCase.Path => $"path {match.Path}",
            RouteMatch.PathSpecifierOneofCase.SafeRegex => $"path ~ {match.SafeRegex.Regex}",
            RouteMatch.PathSpecifierOneofCase.PathSeparatedPrefix => $"below {match.PathSeparatedPrefix}",
            _ => $"prefix {match.Prefix}",
        };
        var more = match.Headers.Select(Header).Concat(match.QueryParameters.Select(query =>
            $"?{query.Name}{(query.StringMatch is { } text ? $" {DumpText.Of(text)}" : "")}")).Concat(match.DynamicMetadata.Select(claim =>
            $"{(claim.Invert ? "not " : "")}claim {string.Join('.', claim.Path.Skip(1).Select(part => part.Key))} {DumpText.Of(claim.Value.OrMatch.ValueMatchers[0].StringMatch)}"));
        return string.Join(", ", more.Prepend(match.CaseSensitive == false ? $"{path} (any case)" : path));
    }

    private static string Header(HeaderMatcher header) =>
        $"{(header.InvertMatch ? "not " : "")}{header.Name}{(header.StringMatch is { } text ? $" {DumpText.Of(text)}" : "")}";

    private static string Action(Route route)
    {
        if (route.Redirect is { } redirect)
            return DumpText.Join(
                $"redirect {redirect.ResponseCode}", redirect.SchemeRedirect, redirect.HostRedirect, redirect.PortRedirect > 0 ? $":{redirect.PortRedirect}" : null,
                redirect.PathRedirect, redirect.PrefixRewrite.Length > 0 ? $"prefix {redirect.PrefixRewrite}" : null);
        if (route.DirectResponse is { } direct) return $"answer {direct.Status}";

        var action = route.Route_;
        var target = action.ClusterSpecifierCase == RouteAction.ClusterSpecifierOneofCase.WeightedClusters
            ? string.Join(", ", action.WeightedClusters.Clusters.Select(cluster => DumpText.Join(
                $"{cluster.Weight} {cluster.Name}", Edits("request", cluster.RequestHeadersToAdd, cluster.RequestHeadersToRemove),
                Edits("response", cluster.ResponseHeadersToAdd, cluster.ResponseHeadersToRemove))))
            : action.Cluster;
        return DumpText.Join(
            target, action.Timeout?.ToTimeSpan() > TimeSpan.Zero ? $"timeout {DumpText.Of(action.Timeout)}" : null, Retry(action.RetryPolicy),
            action.PrefixRewrite.Length > 0 ? $"rewrite {action.PrefixRewrite}" : null,
            action.RegexRewrite is { } regex ? $"rewrite ~ {regex.Pattern.Regex} to {regex.Substitution}" : null,
            action.HostRewriteLiteral.Length > 0 ? $"host {action.HostRewriteLiteral}" : null,
            string.Join("  ", action.RequestMirrorPolicies.Select(mirror => $"mirror {DumpText.Of(mirror.RuntimeFraction.DefaultValue)} {mirror.Cluster}")),
            string.Join("  ", action.HashPolicy.Select(Hash)));
    }

    /// <summary>The default policy is not told; its absence is.</summary>
    private static string? Retry(RetryPolicy? policy)
    {
        if (policy is null) return "no retry";
        if (policy is { NumRetries: 2, RetryOn: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", PerTryTimeout: null, RetryBackOff: null, RetryPriority: null }
            && policy.RetriableStatusCodes.Count == 0) return null;
        return DumpText.Join(
            $"retry {policy.NumRetries} on {policy.RetryOn}", policy.RetriableStatusCodes.Count > 0 ? $"codes {string.Join(',', policy.RetriableStatusCodes)}" : null,
            policy.PerTryTimeout is { } each ? $"each {DumpText.Of(each)}" : null, policy.RetryBackOff is { } back ? $"backoff {DumpText.Of(back.BaseInterval)}" : null,
            policy.RetryPriority is null ? null : "elsewhere");
    }

    private static string Hash(RouteAction.Types.HashPolicy policy) => policy.PolicySpecifierCase switch
    {
        RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.Header => $"hash header {policy.Header.HeaderName}",
        RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.Cookie => $"hash cookie {policy.Cookie.Name}",
        RouteAction.Types.HashPolicy.PolicySpecifierOneofCase.QueryParameter => $"hash query {policy.QueryParameter.Name}",
        _ => "hash source address",
    };

    private static string? Edits(string side, IEnumerable<Envoy.Config.Core.V3.HeaderValueOption> add, IEnumerable<string> remove)
    {
        var all = add.Select(DumpText.Of).Concat(remove.Select(name => $"-{name}")).ToList();
        return all.Count == 0 ? null : $"{side} [{string.Join(", ", all)}]";
    }

    private static string? Fault(Route route)
    {
        if (!route.TypedPerFilterConfig.TryGetValue("envoy.filters.http.fault", out var any)) return null;
        var fault = any.Unpack<HTTPFault>();
        return DumpText.Join(
            fault.Delay is { } delay ? $"delay {DumpText.Of(delay.FixedDelay)} for {DumpText.Of(delay.Percentage)}" : null,
            fault.Abort is { } abort ? $"abort {(abort.ErrorTypeCase == FaultAbort.ErrorTypeOneofCase.GrpcStatus ? $"grpc {abort.GrpcStatus}" : $"{abort.HttpStatus}")} for {DumpText.Of(abort.Percentage)}" : null);
    }

    private static string? Cors(Route route)
    {
        if (!route.TypedPerFilterConfig.TryGetValue("envoy.filters.http.cors", out var any)) return null;
        var cors = any.Unpack<Envoy.Extensions.Filters.Http.Cors.V3.CorsPolicy>();
        return $"cors [{string.Join(", ", cors.AllowOriginStringMatch.Select(DumpText.Of))}]";
    }
}
