using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Http.Fault.V3;
using Envoy.Type.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

internal static class Redirects
{
    public static RedirectAction Build(Redirect redirect, RouteContext context)
    {
        var made = new RedirectAction
        {
            HostRedirect = redirect.Authority,
            ResponseCode = redirect.Code switch
            {
                302 => RedirectAction.Types.RedirectResponseCode.Found,
                303 => RedirectAction.Types.RedirectResponseCode.SeeOther,
                307 => RedirectAction.Types.RedirectResponseCode.TemporaryRedirect,
                308 => RedirectAction.Types.RedirectResponseCode.PermanentRedirect,
                _ => RedirectAction.Types.RedirectResponseCode.MovedPermanently,
            },
        };
        if (redirect.PrefixRewrite is { } prefix) made.PrefixRewrite = prefix;
        else if (redirect.Uri is { Length: > 0 } uri)
        {
            if (uri.StartsWith("%PREFIX()%", StringComparison.Ordinal)) made.PrefixRewrite = uri["%PREFIX()%".Length..];
            else made.PathRedirect = uri;
        }
        if (redirect.Scheme.Length > 0) made.SchemeRedirect = redirect.Scheme;

        // Without a port Envoy keeps the one in Host; FROM_PROTOCOL_DEFAULT says no more than that in Istio either.
        var port = redirect.Port ?? (redirect.DerivePort is "FROM_REQUEST_PORT" or Redirect.ListenerPort ? context.Port : 0);
        if (port > 0 && !IsDefault(port, redirect, context)) made.PortRedirect = (uint)port;
        return made;
    }

    /// <summary>A port that the scheme implies is not written into the location. As in Istio, one that the caller wrote into Host then stays there.</summary>
    private static bool IsDefault(int port, Redirect redirect, RouteContext context)
    {
        var scheme = redirect.Scheme.Length > 0 ? redirect.Scheme : context.Https ? "https" : "http";
        return scheme == "http" && port == 80 || scheme == "https" && port == 443;
    }
}

internal static class Rewrites
{
    public static void Apply(RouteAction action, Rewrite? rewrite, HttpMatch? match)
    {
        if (rewrite is null) return;
        if (rewrite.HasRegex)
        {
            action.RegexRewrite = new() { Pattern = Protos.Regex(rewrite.RegexMatch), Substitution = rewrite.RegexRewrite };
            return;
        }
        if (rewrite.Uri.Length == 0) return;

        if (rewrite.IsSegmentPrefix) Segments(action, rewrite.Uri, match?.Uri);
        else action.PrefixRewrite = rewrite.Uri;
    }

    /// <summary>The whole path becomes <paramref name="path"/>, whatever matched (Gateway API's ReplaceFullPath).</summary>
    public static Rewrite FullPath(string path) => new("", "", "^[^?]*", Literal(path));

    private static void Segments(RouteAction action, string replacement, StringMatch? uri)
    {
        var prefix = uri?.Value.TrimEnd('/') ?? "";
        // "/a" to "/": neither "//x" nor an empty path may come out.
        if (replacement.TrimEnd('/').Length == 0)
            action.RegexRewrite = new() { Pattern = Protos.Regex($"^{System.Text.RegularExpressions.Regex.Escape(prefix)}(/?)(.*)"), Substitution = "/\\2" };
        else if (prefix.Length == 0) action.RegexRewrite = new() { Pattern = Protos.Regex("^/(.*)$"), Substitution = $"{Literal(replacement.TrimEnd('/'))}/\\1" };
        else action.PrefixRewrite = replacement.TrimEnd('/');
    }

    private static string Literal(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal);
}

internal static class Faults
{
    public static HTTPFault? Build(Fault fault)
    {
        var made = new HTTPFault();
        if (fault.Delay is { } delay)
            made.Delay = new() { FixedDelay = Protos.Span(delay), Percentage = Share(fault.DelayShare) };
        if (fault.AbortHttp is { } status) made.Abort = new() { HttpStatus = (uint)status, Percentage = Share(fault.AbortShare) };
        else if (fault.AbortGrpc is { } grpc) made.Abort = new() { GrpcStatus = GrpcStatusOf(grpc), Percentage = Share(fault.AbortShare) };
        return made.Delay is null && made.Abort is null ? null : made;
    }

    /// <summary>Percent to Envoy's millionths: four digits behind the point survive.</summary>
    public static FractionalPercent Share(double percent) =>
        new() { Numerator = (uint)Math.Round(percent * 10_000), Denominator = FractionalPercent.Types.DenominatorType.Million };

    private static uint GrpcStatusOf(string name) => name switch
    {
        "OK" => 0,
        "CANCELLED" => 1,
        "UNKNOWN" => 2,
        "INVALID_ARGUMENT" => 3,
        "DEADLINE_EXCEEDED" => 4,
        "NOT_FOUND" => 5,
        "ALREADY_EXISTS" => 6,
        "PERMISSION_DENIED" => 7,
        "RESOURCE_EXHAUSTED" => 8,
        "FAILED_PRECONDITION" => 9,
        "ABORTED" => 10,
        "OUT_OF_RANGE" => 11,
        "UNIMPLEMENTED" => 12,
        "INTERNAL" => 13,
        "UNAVAILABLE" => 14,
        "DATA_LOSS" => 15,
        "UNAUTHENTICATED" => 16,
        _ => uint.TryParse(name, out var number) ? number : 2,
    };
}

internal static class CorsRules
{
    public static Envoy.Extensions.Filters.Http.Cors.V3.CorsPolicy Build(Cors cors)
    {
        var made = new Envoy.Extensions.Filters.Http.Cors.V3.CorsPolicy
        {
            AllowMethods = string.Join(',', cors.AllowMethods),
            AllowHeaders = string.Join(',', cors.AllowHeaders),
            ExposeHeaders = string.Join(',', cors.ExposeHeaders),
            AllowCredentials = cors.AllowCredentials,
            FilterEnabled = new() { DefaultValue = new() { Numerator = 100 } },
            ForwardNotMatchingPreflights = cors.ForwardsUnmatchedPreflights,
        };
        if (cors.MaxAge is { } age) made.MaxAge = ((long)age.TotalSeconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        foreach (var origin in cors.AllowOrigins)
            made.AllowOriginStringMatch.Add(RouteMatches.Text(origin));
        return made;
    }
}
