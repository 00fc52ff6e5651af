using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>Filters of a Gateway API rule in a VirtualService's terms.</summary>
internal static class ApiFilters
{
    private const int RedirectCodeDefault = 302;

    public static HeaderChanges? Headers(ImmutableArray<ApiFilter> filters)
    {
        var request = filters.Select(filter => filter.RequestHeaders).OfType<ApiHeaderFilter>().ToList();
        var response = filters.Select(filter => filter.ResponseHeaders).OfType<ApiHeaderFilter>().ToList();
        return request.Count == 0 && response.Count == 0 ? null : new(Change(request), Change(response));
    }

    /// <returns>Null for a filter that is not known: the rule then answers 500 rather than leave something out.</returns>
    public static HttpRule? Apply(HttpRule rule, ApiFilter filter, ApiRoute route, ApiInputs inputs, ref ApiCondition? problem) => filter switch
    {
        { Type: "RequestHeaderModifier" or "ResponseHeaderModifier" } => rule,
        { Redirect: { } redirect } => rule with { Redirect = Redirect(redirect) },
        { Type: "URLRewrite" } => rule with { Rewrite = Rewrite(filter) },
        { Mirror: { } mirror } => ApiBackends.Resolve(route, mirror.Backend, inputs, ref problem) is { IsBroken: false } to
            ? rule with { Mirrors = rule.Mirrors.Add(new(to.Destination, mirror.Share)) } : rule,
        { Cors: { } cors } => rule with { Cors = cors },
        _ => null,
    };

    private static HeaderChange? Change(List<ApiHeaderFilter> filters) => filters.Count == 0 ? null : new(
        [.. filters.SelectMany(filter => filter.Set)], [.. filters.SelectMany(filter => filter.Add)], [.. filters.SelectMany(filter => filter.Remove)]);

    private static Redirect Redirect(ApiRedirect redirect) => new(
        redirect.Path?.Type == "ReplaceFullPath" ? redirect.Path.FullPath : null,
        redirect.Path?.Type == "ReplacePrefixMatch" ? redirect.Path.PrefixMatch : null,
        redirect.Hostname, redirect.Port, redirect.Scheme.Length == 0 ? Resources.Redirect.ListenerPort : null, redirect.Scheme, redirect.Code ?? RedirectCodeDefault);

    private static Rewrite Rewrite(ApiFilter filter) => filter.RewritePath switch
    {
        { Type: "ReplaceFullPath" } full => new("", filter.RewriteHostname, "/.*", full.FullPath),
        { Type: "ReplacePrefixMatch" } prefix => new(Trimmed(prefix.PrefixMatch), filter.RewriteHostname, "", "") { IsSegmentPrefix = true },
        _ => new("", filter.RewriteHostname, "", ""),
    };

    private static string Trimmed(string prefix) => prefix.TrimEnd('/') is { Length: > 0 } some ? some : "/";
}
