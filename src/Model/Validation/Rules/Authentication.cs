using System.Globalization;
using Mesh.Model.Yaml;

namespace Mesh.Model.Validation.Rules;

/// <summary>PeerAuthentication and RequestAuthentication.</summary>
internal static class Authentication
{
    public static void CheckPeer(Resource resource, Message spec, Report report)
    {
        var hasLabels = spec.Child("selector")?.Map("matchLabels").Count > 0;
        var ports = spec.Map("portLevelMtls");
        if (!hasLabels && ports.Count > 0) report.Error("mesh/namespace peer authentication cannot have port level mTLS", spec.At("portLevelMtls"));
        if (spec.Has("portLevelMtls") && ports.Count == 0) report.Error("port level mTLS, if defined, must have at least one element", spec.At("portLevelMtls"));
        foreach (var (port, _) in ports)
            if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535)
                report.Error("port must be in range 1..65535", (spec.At("portLevelMtls") as MapNode)?[port]);
        Selectors.CheckSelector(spec.Child("selector"), report);
    }

    public static void CheckRequest(Resource resource, Message spec, Report report)
    {
        Selectors.CheckTargets(spec, report);
        foreach (var rule in spec.Children("jwtRules"))
        {
            CheckRule(rule, report);
            foreach (var warning in JsonWebKeys.PrivateKeys(rule.Text("jwks"))) report.Warn(warning, rule.At("jwks"));
        }
    }

    private static void CheckRule(Message rule, Report report)
    {
        foreach (var _ in rule.Texts("audiences").Where(a => a.Length == 0)) report.Error("audience must be non-empty string", rule.At("audiences"));
        if (!rule.Has("issuer") && !rule.Has("jwksUri")) report.Error("issuer or jwksUri must be non-empty string", rule.Source);
        if (rule.Has("jwksUri")) report.Error(UriProblem(rule.Text("jwksUri")), rule.At("jwksUri"));
        if (rule.Has("jwks") && JsonWebKeys.Problem(rule.Text("jwks")) is { } problem) report.Error($"jwks parse error: {problem}", rule.At("jwks"));
        foreach (var location in rule.Children("fromHeaders"))
            if (!location.Has("name")) report.Error("location header name must be non-empty string", location.Source);
        foreach (var _ in rule.Texts("fromParams").Where(p => p.Length == 0)) report.Error("location query must be non-empty string", rule.At("fromParams"));
        foreach (var _ in rule.Texts("fromCookies").Where(c => c.Length == 0)) report.Error("cookie name must be non-empty string", rule.At("fromCookies"));
        foreach (var output in rule.Children("outputClaimToHeaders"))
            report.Error(output.Has("claim") && output.Has("header")
                ? HeaderNames.ForClaims(output.Text("header"))
                : "outputClaimToHeaders header and claim value must be non-empty string", output.Source);
        TrafficPolicies.Duration(rule, "timeout", report);
    }

    private static string? UriProblem(string uri)
    {
        var colon = uri.IndexOf("://", StringComparison.Ordinal);
        var scheme = colon < 0 ? "" : uri[..colon];
        if (scheme.ToLowerInvariant() is not ("http" or "https")) return $"URI scheme \"{scheme}\" is not supported";
        return Uri.TryCreate(uri, UriKind.Absolute, out _) ? null : $"parse \"{uri}\": not a URL";
    }
}
