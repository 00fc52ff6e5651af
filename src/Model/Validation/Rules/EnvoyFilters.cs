using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>An EnvoyFilter: patches whose target, match and operation must go together.</summary>
internal static class EnvoyFilters
{
    private const int ProxyVersionLengthMax = 1024;
    private const string ConnectionManager = "envoy.filters.network.http_connection_manager";

    /// <summary>Names that filters had before they were named after their packages.</summary>
    private static readonly Dictionary<string, string> OldNames = new()
    {
        ["envoy.buffer"] = "envoy.filters.http.buffer",
        ["envoy.cors"] = "envoy.filters.http.cors",
        ["envoy.csrf"] = "envoy.filters.http.csrf",
        ["envoy.http_dynamo_filter"] = "envoy.filters.http.dynamo",
        ["envoy.fault"] = "envoy.filters.http.fault",
        ["envoy.grpc_http1_bridge"] = "envoy.filters.http.grpc_http1_bridge",
        ["envoy.grpc_json_transcoder"] = "envoy.filters.http.grpc_json_transcoder",
        ["envoy.grpc_web"] = "envoy.filters.http.grpc_web",
        ["envoy.gzip"] = "envoy.filters.http.gzip",
        ["envoy.health_check"] = "envoy.filters.http.health_check",
        ["envoy.ip_tagging"] = "envoy.filters.http.ip_tagging",
        ["envoy.lua"] = "envoy.filters.http.lua",
        ["envoy.rate_limit"] = "envoy.filters.http.ratelimit",
        ["envoy.router"] = "envoy.filters.http.router",
        ["envoy.squash"] = "envoy.filters.http.squash",
        ["envoy.listener.http_inspector"] = "envoy.filters.listener.http_inspector",
        ["envoy.listener.original_dst"] = "envoy.filters.listener.original_dst",
        ["envoy.listener.original_src"] = "envoy.filters.listener.original_src",
        ["envoy.listener.proxy_protocol"] = "envoy.filters.listener.proxy_protocol",
        ["envoy.listener.tls_inspector"] = "envoy.filters.listener.tls_inspector",
        ["envoy.client_ssl_auth"] = "envoy.filters.network.client_ssl_auth",
        ["envoy.ext_authz"] = "envoy.filters.network.ext_authz",
        ["envoy.http_connection_manager"] = ConnectionManager,
        ["envoy.mongo_proxy"] = "envoy.filters.network.mongo_proxy",
        ["envoy.ratelimit"] = "envoy.filters.network.ratelimit",
        ["envoy.redis_proxy"] = "envoy.filters.network.redis_proxy",
        ["envoy.tcp_proxy"] = "envoy.filters.network.tcp_proxy",
    };

    public static void Check(Resource resource, Message spec, Report report)
    {
        report.Warn("EnvoyFilter exposes internal implementation details that may change at any time. Prefer other APIs if possible, and exercise extreme caution, especially around upgrades.");
        if (!Selectors.CheckWorkloadSelector(spec.Child("workloadSelector"), "Envoy filter", report)) return;

        foreach (var patch in spec.Children("configPatches")) CheckPatch(patch, report);
    }

    private static void CheckPatch(Message entry, Report report)
    {
        var match = entry.Child("match");
        if (match?.Enum("context") == "WAYPOINT") return;

        var (target, patch) = (entry.Enum("applyTo"), entry.Child("patch"));
        if (FirstProblem(entry, target, patch) is { } problem)
        {
            report.Error($"Envoy filter: {problem}", patch?.Source ?? entry.Source);
            return;
        }
        if (match?.Child("proxy")?.Text("proxyVersion") is { Length: > 0 } version && !CheckVersion(version, match.At("proxy"), report)) return;

        var isListener = target is "LISTENER" or "FILTER_CHAIN" or "NETWORK_FILTER" or "HTTP_FILTER";
        var kind = match?.Which("object_types");
        if (isListener && kind is not null && !CheckListenerMatch(match!, target, report)) return;
        if (target is "ROUTE_CONFIGURATION" or "VIRTUAL_HOST" or "HTTP_ROUTE" && kind is not (null or "routeConfiguration"))
            report.Error("Envoy filter: applyTo for http route class objects cannot have non route configuration match", match!.Source);
        if (target == "CLUSTER" && kind is not (null or "cluster"))
            report.Error("Envoy filter: applyTo for cluster class objects cannot have non cluster match", match!.Source);

        if (patch!.Raw("value") is MapNode value) EnvoyValues.Check(target, value, report);
    }

    private static string? FirstProblem(Message entry, string target, Message? patch)
    {
        if (target == "INVALID") return "missing applyTo";
        if (patch is null) return "missing patch";
        if (patch.Enum("operation") == "INVALID") return "missing patch operation";
        return patch.Enum("operation") != "REMOVE" && patch.Raw("value") is null ? "missing patch value for non-remove operation" : null;
    }

    private static bool CheckVersion(string version, Node? at, Report report)
    {
        if (version.Length > ProxyVersionLengthMax)
        {
            report.Warn($"Envoy filter: proxyVersion match exceeds {ProxyVersionLengthMax} characters and will be ignored", at);
            return true;
        }
        if (Re2Syntax.Problem(version) is not { } problem) return true;

        report.Error($"Envoy filter: invalid regex for proxy version, [{problem}]", at);
        return false;
    }

    /// <returns>False when the patch is not to be looked at further.</returns>
    private static bool CheckListenerMatch(Message match, string target, Report report)
    {
        if (match.Child("listener") is not { } listener)
        {
            report.Error("Envoy filter: applyTo for listener class objects cannot have non listener match", match.Source);
            return false;
        }
        if (listener.Child("filterChain")?.Child("filter") is not { } filter) return true;

        if (target is "LISTENER" or "FILTER_CHAIN") report.Warn($"Envoy filter: filter match has no effect when used with {target}", filter.Source);
        var (name, sub) = (filter.Text("name"), filter.Child("subFilter"));
        var problem = name.Length == 0 ? "filter match has no name to match on"
            : sub is null ? null
            : target != "HTTP_FILTER" ? "subfilter match can be used with applyTo HTTP_FILTER only"
            : name is not (ConnectionManager or "envoy.http_connection_manager") ? $"subfilter match requires filter match with {ConnectionManager}"
            : sub.Text("name").Length == 0 ? "subfilter match has no name to match on"
            : null;
        if (problem is not null)
        {
            report.Error($"Envoy filter: {problem}", filter.Source);
            return false;
        }
        WarnOfOldName(name, filter, report);
        if (sub is not null) WarnOfOldName(sub.Text("name"), sub, report);
        return true;
    }

    private static void WarnOfOldName(string name, Message at, Report report)
    {
        if (OldNames.TryGetValue(name, out var current)) report.Warn($"using deprecated filter name \"{name}\"; use \"{current}\" instead", at.At("name"));
    }
}
