namespace Mesh.Model.Validation.Rules;

/// <summary>RateLimit, our own.</summary>
internal static class RateLimits
{
    private const long NanosecondsMin = 50_000_000;
    private const string HeaderPrefix = "header:";

    public static void Check(Resource resource, Message spec, Report report)
    {
        Selectors.CheckTargets(spec, report, hasTargetRef: false);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var rule in spec.Children("rules"))
        {
            if (!names.Add(rule.Text("name"))) report.Error($"two rules are called \"{rule.Text("name")}\"", rule.At("name"));
            if (rule.Duration("per") is not >= NanosecondsMin) report.Error("per must be at least 50ms", rule.At("per"));
            foreach (var each in rule.Texts("each"))
                if (each != "client-address" && !(each.StartsWith(HeaderPrefix, StringComparison.Ordinal) && each.Length > HeaderPrefix.Length))
                    report.Error($"each: \"{each}\" is none of client-address, header:NAME", rule.At("each"));
            if (rule.Child("match") is not { } match) continue;
            foreach (var prefix in match.Texts("pathPrefixes"))
                if (!prefix.StartsWith('/')) report.Error($"path prefix \"{prefix}\" must start with /", match.At("pathPrefixes"));
        }
    }
}
