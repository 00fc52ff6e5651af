using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>What a policy applies to: labels, target references, exportTo. Shared by all kinds that have them.</summary>
internal static class Selectors
{
    private static readonly (string Group, string Kind)[] Targets =
        [("core", "Service"), ("networking.istio.io", "ServiceEntry"), ("gateway.networking.k8s.io", "Gateway"), ("gateway.networking.k8s.io", "GatewayClass")];

    private const string TargetsShown = "[core/v1/Service networking.istio.io/v1/ServiceEntry gateway.networking.k8s.io/v1/Gateway gateway.networking.k8s.io/v1/GatewayClass]";

    /// <summary>selector, targetRef and targetRefs of the policy kinds.</summary>
    public static void CheckTargets(Message spec, Report report, bool hasTargetRef = true)
    {
        var targets = spec.Children("targetRefs");
        var single = hasTargetRef ? spec.Child("targetRef") : null;
        var set = (spec.Has("selector") ? 1 : 0) + (single is not null ? 1 : 0) + (targets.Count > 0 ? 1 : 0);
        if (set > 1) report.Error("only one of targetRefs or workloadSelector can be set", spec.Source);

        CheckSelector(spec.Child("selector"), report);
        if (single is not null) CheckTarget(single, report);
        foreach (var target in targets) CheckTarget(target, report);
    }

    /// <summary>The selector with matchLabels.</summary>
    public static void CheckSelector(Message? selector, Report report)
    {
        if (selector is null) return;

        CheckLabels(selector, "matchLabels", report);
        if (selector.Map("matchLabels").Count == 0) report.Warn("workload selector specified without labels", selector.Source);
    }

    /// <summary>The older selector with labels; a broken one ends the check of the whole resource.</summary>
    /// <returns>False when it is broken.</returns>
    public static bool CheckWorkloadSelector(Message? selector, string prefix, Report report)
    {
        if (selector is null) return true;
        if (!CheckLabels(selector, "labels", report)) return false;

        if (selector.Map("labels").Count == 0)
            report.Warn($"{prefix}: workload selector specified without labels, will be applied to all services in namespace", selector.Source);
        return true;
    }

    public static void CheckExportTo(Message spec, string ownNamespace, Report report, bool mayHide = false, bool hasSelector = false)
    {
        var entries = spec.Texts("exportTo");
        if (entries.Count == 0) return;

        var at = spec.At("exportTo");
        var seen = new HashSet<string>();
        foreach (var entry in entries)
        {
            var key = entry == "." ? ownNamespace : entry;
            if (seen.Contains(key))
                report.Error(key != entry ? $"duplicate entries in exportTo: . and current namespace {ownNamespace}" : $"duplicate entries in exportTo for entry {entry}", at);
            else if (mayHide && entry == "~" || VisibilityProblem(key) is null)
                seen.Add(key);
            else
                report.Error(VisibilityProblem(key), at);
        }

        if (hasSelector && seen.Count > 0)
        {
            if (!seen.Contains(ownNamespace)) report.Error("destination rule with workload selector cannot have exportTo beyond current namespace", at);
            else if (seen.Count > 1) report.Error("destination rule with workload selector cannot have multiple entries in exportTo", at);
        }
        if (seen.Contains("*") && entries.Count > 1) report.Error("cannot have both public (*) and non-public exportTo values for a resource", at);
        if (seen.Contains("~") && entries.Count > 1) report.Error("cannot export service entry to no one (~) and someone", at);
    }

    public static void CheckLabelMap(Message message, string field, Report report)
    {
        foreach (var problem in Names.LabelProblems(message.TextMap(field))) report.Error(problem, message.At(field));
    }

    private static bool CheckLabels(Message selector, string field, Report report)
    {
        var before = report.Errors.Count;
        foreach (var (key, value) in selector.TextMap(field))
        {
            var at = (selector.At(field) as MapNode)?[key];
            if (key.Length == 0) report.Error($"empty key is not supported in selector: \"{key}={value}\"", at);
            if (key.Contains('*') || value.Contains('*')) report.Error($"wildcard is not supported in selector: \"{key}={value}\"", at);
        }
        return report.Errors.Count == before;
    }

    private static void CheckTarget(Message target, Report report)
    {
        if (target.Text("name").Length == 0) report.Error("targetRef name must be set", target.Source);
        if (target.Text("namespace").Length > 0) report.Error("targetRef namespace must not be set; cross namespace referencing is not supported", target.At("namespace"));

        var (group, kind) = (target.Text("group"), target.Text("kind"));
        if (!Targets.Contains((group.Length == 0 ? "core" : group, kind)))
            report.Error($"targetRef must be to one of {TargetsShown} but was {group}/{kind}", target.Source);
    }

    private static string? VisibilityProblem(string entry) => entry switch
    {
        "." or "*" => null,
        "~" => "exportTo ~ (none) is not allowed for Istio configuration objects",
        _ => Names.IsLabel(entry) ? null : "only .,*, or a valid DNS 1123 label is allowed as exportTo entry",
    };
}
