using System.Globalization;
using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>One HTTP route of a VirtualService.</summary>
internal static class HttpRoutes
{
    private const int DirectResponseBytesMax = 1024 * 1024;
    private const int DirectResponseBytesLarge = 100 * 1024;

    private static readonly HashSet<string> CorsMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];

    private static readonly HashSet<string> GrpcStatuses =
    [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "UNAUTHENTICATED",
        "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    ];

    public static void Check(Message route, bool isDelegate, Report report)
    {
        CheckConflicts(route, isDelegate, report);
        foreach (var match in route.Children("match")) CheckMatch(match, report);
        CheckHeaders(route.Child("headers"), report);
        CheckCors(route.Child("corsPolicy"), report);
        CheckFault(route.Child("fault"), report);
        CheckMirrors(route, report);
        if (route.Child("redirect") is { } redirect) report.Error(RedirectProblem(redirect, route.Children("match")), redirect.Source);
        CheckDirectResponse(route.Child("directResponse"), report);
        Retries.Check(route.Child("retries"), report);
        if (route.Child("rewrite") is { } rewrite) report.Error(RewriteProblem(rewrite), rewrite.Source);
        CheckAuthority(route, report);
        CheckDestinations(route.Children("route"), report);
        if (route.Duration("timeout") is { } timeout) report.Error(Names.Duration(timeout), route.At("timeout"));
    }

    /// <summary>Weighted destinations of any protocol.</summary>
    public static void CheckDestinations(IReadOnlyList<Message> destinations, Report report)
    {
        var total = 0L;
        foreach (var weighted in destinations)
        {
            if (!weighted.Has("destination")) report.Error("destination is required", weighted.Source);
            if (weighted.Type.Find("headers") is not null) CheckHeaders(weighted.Child("headers"), report);
            CheckDestination(weighted.Child("destination"), report);

            var weight = weighted.Number("weight");
            if (weight < 0) report.Error($"weight {weight} < 0", weighted.At("weight"));
            total += weight;
        }
        if (destinations.Count > 1 && total == 0) report.Error("total destination weight = 0", destinations[0].Source);
    }

    public static void CheckDestination(Message? destination, Report report)
    {
        if (destination is null) return;

        var host = destination.Text("host");
        report.Error(host == "*" ? $"invalid destination host {host}" : Names.WildcardDomain(host), destination.At("host"));
        if (destination.Has("subset")) report.Error(SubsetName(destination.Text("subset")), destination.At("subset"));
        if (destination.Child("port") is { } port) report.Error(Names.Port(port.Number("number")), port.Source);
    }

    public static string? SubsetName(string name) =>
        name.Length == 0 ? "subset name cannot be empty" : Names.IsLabel(name) ? null : $"subset name is invalid: {name}";

    private static void CheckConflicts(Message route, bool isDelegate, Report report)
    {
        if (!isDelegate && route.Has("delegate"))
        {
            if (route.Has("redirect")) report.Error($"root HTTP route {route.Text("name")} must not specify redirect", route.At("redirect"));
            if (route.Has("route")) report.Error($"root HTTP route {route.Text("name")} must not specify route", route.At("route"));
            return;
        }
        if (isDelegate && route.Has("delegate")) report.Error("delegate HTTP route cannot contain delegate", route.At("delegate"));

        if (route.Has("redirect"))
        {
            Both("route", "HTTP route cannot contain both route and redirect");
            Both("fault", "HTTP route cannot contain both fault and redirect");
            Both("rewrite", "HTTP route rule cannot contain both rewrite and redirect");
            Both("directResponse", "HTTP route rule cannot contain both direct_response and redirect");
        }
        else if (route.Has("directResponse"))
        {
            Both("route", "HTTP route cannot contain both route and direct_response");
            Both("fault", "HTTP route cannot contain both fault and direct_response");
            Both("rewrite", "HTTP route rule cannot contain both rewrite and direct_response");
        }
        else if (!route.Has("route"))
        {
            report.Error("HTTP route, redirect or direct_response is required", route.Source);
        }
        if (route.Has("mirror")) Both("mirrors", "HTTP route cannot contain both mirror and mirrors");

        void Both(string field, string problem)
        {
            if (route.Has(field)) report.Error(problem, route.At(field));
        }
    }

    private static void CheckMatch(Message match, Report report)
    {
        foreach (var (name, value) in match.Map("headers"))
        {
            var at = (match.At("headers") as MapNode)?[name];
            report.Error(HeaderNames.ForMatch(name), at);
            report.Error(StringMatch((Message)value, "headers"), at);
            CheckClaim(name, (Message)value, report, at);
        }
        foreach (var (name, value) in match.Map("withoutHeaders"))
        {
            var at = (match.At("withoutHeaders") as MapNode)?[name];
            report.Error(HeaderNames.ForMatch(name), at);
            if (((Message)value).Text("regex") != "*") report.Error(StringMatch((Message)value, "withoutHeaders"), at); // * means: is present
            CheckClaim(name, (Message)value, report, at);
        }
        report.Error(RegexMatch(match.Child("uri"), "uri"), match.At("uri")); // an empty prefix of a path matches all
        report.Error(StringMatch(match.Child("scheme"), "scheme"), match.At("scheme"));
        report.Error(StringMatch(match.Child("method"), "method"), match.At("method"));
        report.Error(StringMatch(match.Child("authority"), "authority"), match.At("authority"));
        foreach (var (_, value) in match.Map("queryParams")) report.Error(StringMatch((Message)value, "queryParams"), match.At("queryParams"));

        if (match.Has("port")) report.Error(Names.Port(match.Number("port")), match.At("port"));
        Selectors.CheckLabelMap(match, "sourceLabels", report);
        VirtualServices.GatewayNames(match, report, warnings: false);
        var space = match.Text("sourceNamespace");
        if (space.Length > 0 && !Names.IsLabel(space)) report.Error($"sourceNamespace match {space} is invalid", match.At("sourceNamespace"));
    }

    private static void CheckClaim(string name, Message match, Report report, Node? at)
    {
        if (HeaderNames.IsJwtClaim(name) && (match.Which("match_type") is null || match.Text("regex") == "*"))
            report.Warn($"the match on \"{name}\" says no value: no proxy can be told it, and the hosts of this VirtualService are answered 404; give \"exact\", \"prefix\" or \"regex\"", at);
    }

    private static string? StringMatch(Message? match, string where) =>
        match?.Which("match_type") == "prefix" && match.Text("prefix").Length == 0 ? $"\"{where}\": prefix string match should not be empty" : RegexMatch(match, where);

    private static string? RegexMatch(Message? match, string where)
    {
        if (match?.Which("match_type") != "regex") return null;
        return match.Text("regex") is { Length: > 0 } pattern ? Regex(pattern, where) : $"\"{where}\": regex string match should not be empty";
    }

    private static string? Regex(string pattern, string where)
    {
        if (pattern.Length > Re2Syntax.LengthMax) return $"\"{where}\": regex is too large, max length allowed is {Re2Syntax.LengthMax}";
        return Re2Syntax.Problem(pattern) is { } problem
            ? $"\"{where}\": {problem}; Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
            : null;
    }

    private static void CheckHeaders(Message? headers, Report report)
    {
        if (headers?.Child("request") is { } request)
        {
            Change(request, "add", HeaderNames.ForRequestChange);
            Change(request, "set", HeaderNames.ForRequestChange);
            Remove(request);
        }
        if (headers?.Child("response") is { } response)
        {
            Change(response, "add", HeaderNames.ForOtherChange);
            Change(response, "set", HeaderNames.ForOtherChange);
            Remove(response);
        }

        void Change(Message operations, string field, Func<string, string?> nameProblem)
        {
            foreach (var (name, value) in operations.TextMap(field))
            {
                var at = (operations.At(field) as MapNode)?[name];
                report.Error(nameProblem(name), at);
                report.Error(HeaderNames.Value(value), at);
            }
        }

        void Remove(Message operations)
        {
            foreach (var name in operations.Texts("remove")) report.Error(HeaderNames.ForOtherChange(name), operations.At("remove"));
        }
    }

    /// <summary>The authority may be set once: by rewrite, set or add.</summary>
    private static void CheckAuthority(Message route, Report report)
    {
        var current = route.Child("rewrite")?.Text("authority") ?? "";
        if (route.Child("headers")?.Child("request") is not { } request) return;

        foreach (var (name, value) in request.TextMap("set").Concat(request.TextMap("add")))
        {
            if (!HeaderNames.IsAuthority(name)) continue;
            if (current.Length > 0)
            {
                report.Error($"authority header cannot be set multiple times: have \"{current}\", attempting to set \"{value}\"", request.Source);
                return;
            }
            current = value;
        }
    }

    private static void CheckCors(Message? cors, Report report)
    {
        if (cors is null) return;

        foreach (var origin in cors.Children("allowOrigins"))
        {
            if (origin.Which("match_type") is not { } which || origin.Text(which).Length == 0) report.Error("'' is not a valid match type for CORS allow origins", origin.Source);
            else report.Error(RegexMatch(origin, "corsPolicy.allowOrigins"), origin.Source);
        }
        foreach (var method in cors.Texts("allowMethods"))
            if (!CorsMethods.Contains(method)) report.Error($"\"{method}\" is not a supported HTTP method", cors.At("allowMethods"));
        foreach (var name in cors.Texts("allowHeaders")) report.Error(HeaderNames.ForCors(name), cors.At("allowHeaders"));
        foreach (var name in cors.Texts("exposeHeaders")) report.Error(HeaderNames.ForCors(name), cors.At("exposeHeaders"));

        if (cors.Duration("maxAge") is not { } age) return;
        report.Error(Names.Duration(age), cors.At("maxAge"));
        if (age % Schema.GoDuration.Second > 0) report.Error("max_age duration is accurate only to seconds precision", cors.At("maxAge"));
    }

    private static void CheckFault(Message? fault, Report report)
    {
        if (fault is null) return;

        var (abort, delay) = (fault.Child("abort"), fault.Child("delay"));
        if (abort is null && delay is null) report.Error("HTTP fault injection must have an abort and/or a delay", fault.Source);
        if (abort is not null)
        {
            report.Error(Percentage(abort), abort.At("percentage"));
            switch (abort.Which("error_type"))
            {
                case "grpcStatus" when !GrpcStatuses.Contains(abort.Text("grpcStatus")):
                    report.Error($"gRPC status \"{abort.Text("grpcStatus")}\" is not supported. See https://github.com/grpc/grpc/blob/master/doc/statuscodes.md "
                        + "for a list of supported codes, for example 'NOT_FOUND'", abort.At("grpcStatus"));
                    break;
                case "http2Error": report.Error("HTTP/2 abort fault injection not supported yet", abort.At("http2Error")); break;
                case "httpStatus": report.Error(Status(abort.Number("httpStatus")), abort.At("httpStatus")); break;
                default: break;
            }
        }
        if (delay is null) return;

        report.Error(Percentage(delay), delay.At("percentage"));
        if (delay.Which("http_delay_type") is not { } kind) return;
        report.Error(Names.Duration(delay.Duration(kind) ?? 0), delay.At(kind));
        if (kind == "exponentialDelay") report.Error("exponentialDelay not supported yet", delay.At(kind));
    }

    private static string? Percentage(Message message)
    {
        var value = message.Child("percentage")?.Double("value") ?? 0;
        return value is < 0 or > 100 or > 0 and < 0.0001 ? $"percentage {Number(value)} is neither 0.0, nor in range [0.0001, 100.0]" : null;
    }

    private static string? Status(long status) => status is < 200 or > 600 ? $"HTTP status {status} is not in range 200-599" : null;

    private static void CheckMirrors(Message route, Report report)
    {
        if (route.Has("mirrorPercent"))
        {
            var percent = route.Number("mirrorPercent");
            if (percent > 100) report.Error($"mirror_percent must have a max value of 100 (it has {percent})", route.At("mirrorPercent"));
            report.Warn("using deprecated setting \"mirrorPercent\", use \"mirrorPercentage\" instead", route.At("mirrorPercent"));
        }
        if (route.Child("mirrorPercentage") is { } percentage) report.Error(InHundred("mirror_percentage", percentage.Double("value")), percentage.Source);
        CheckDestination(route.Child("mirror"), report);
        foreach (var mirror in route.Children("mirrors"))
        {
            if (!mirror.Has("destination"))
            {
                report.Error("destination is required for mirrors", mirror.Source);
                continue;
            }
            CheckDestination(mirror.Child("destination"), report);
            if (mirror.Child("percentage") is { } share) report.Error(InHundred("mirror percentage", share.Double("value")), share.Source);
        }
    }

    private static string? InHundred(string what, double value) => value switch
    {
        > 100 => string.Create(CultureInfo.InvariantCulture, $"{what} must have a max value of 100 (it has {value:F6})"),
        < 0 => string.Create(CultureInfo.InvariantCulture, $"{what} must have a min value of 0 (it has {value:F6})"),
        _ => null,
    };

    private static string? RedirectProblem(Message redirect, IReadOnlyList<Message> matches)
    {
        var (uri, prefix, authority, scheme) = (redirect.Text("uri"), redirect.Text("prefixRewrite"), redirect.Text("authority"), redirect.Text("scheme"));
        if (uri.Length > 0 && prefix.Length > 0) return "redirect may only specify one of uri or prefix_rewrite";
        if (prefix.Length > 0 && matches.Any(m => m.Child("uri") is { } u && u.Which("match_type") != "prefix"))
            return "redirect prefix_rewrite requires all URI matches to use prefix match type";
        if (uri.Length == 0 && prefix.Length == 0 && authority.Length == 0 && scheme.Length == 0 && redirect.Which("redirect_port") is null)
            return "redirect must specify URI, authority, scheme, or port";

        var code = redirect.Number("redirectCode");
        if (code != 0 && code is < 300 or > 399) return $"{code} is not a valid redirect code, must be 3xx";
        if (scheme is not ("" or "http" or "https")) return "invalid redirect scheme, must be \"http\" or \"https\"";
        return redirect.Number("port") > 0 ? Names.Port(redirect.Number("port")) : null;
    }

    private static void CheckDirectResponse(Message? response, Report report)
    {
        if (response is null) return;

        if (response.Child("body") is { } body)
        {
            var size = System.Text.Encoding.UTF8.GetByteCount(body.Text("string"));
            if (body.Which("specifier") == "bytes") size = body.Text("bytes").Length * 3 / 4;
            if (size > DirectResponseBytesMax) report.Error("large direct_responses may impact control plane performance, must be less than 1MB", body.Source);
            else if (size > DirectResponseBytesLarge) report.Warn("large direct_responses may impact control plane performance", body.Source);
        }
        report.Error(Status(response.Number("status")), response.At("status"));
    }

    private static string? RewriteProblem(Message rewrite)
    {
        var uri = rewrite.Text("uri");
        var pattern = rewrite.Child("uriRegexRewrite");
        if (uri.Length > 0 && pattern is not null) return "rewrite may only contain one of URI or UriRegexRewrite";
        if (uri.Length == 0 && pattern is null && rewrite.Text("authority").Length == 0)
            return "rewrite must specify at least one of URI, UriRegexRewrite, or authority. Only one of URI or UriRegexRewrite may be specified";
        if (pattern is null) return null;

        var problem = pattern.Text("match").Length == 0 || pattern.Text("rewrite").Length == 0
            ? "UriRegexRewrite requires both Rewrite and Match fields to be specified"
            : Regex(pattern.Text("match"), "HTTPRewrite.UriRegexRewrite.Match");
        return problem is null ? null : $"UriRegexRewrite has errors\n{problem}";
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture).ToLowerInvariant();
}
