namespace Mesh.Model.Validation.Rules;

/// <summary>An AuthorizationPolicy: who, what and when. Every error carries the policy's name, as Istio says it.</summary>
internal static class AuthorizationPolicies
{
    private const string DryRun = "istio.io/dry-run";
    private const string Meaningless = "action without `rules` is meaningless as it will never be triggered, add an empty rule `{}` if you want it be triggered for every request";

    /// <summary>The annotation is taken by this kind only, and only where it means something.</summary>
    public static string? DryRunProblem(Resource resource, Message spec)
    {
        if (resource.Annotation(DryRun) is not { } value) return null;
        var action = spec.Enum("action");
        if (action is not ("ALLOW" or "DENY"))
            return $"the annotation {DryRun} currently only supports action ALLOW/DENY, found action {action} in {resource.Namespace}/{resource.Name}";
        return value is "1" or "t" or "T" or "true" or "TRUE" or "True" or "0" or "f" or "F" or "false" or "FALSE" or "False"
            ? null
            : $"{resource.Namespace}/{resource.Name} has annotation {DryRun} with invalid value ({value}): strconv.ParseBool: parsing \"{value}\": invalid syntax";
    }

    public static void Check(Resource resource, Message spec, Report report)
    {
        var inner = new Report(spec.Source ?? resource.Node);
        Selectors.CheckTargets(spec, inner);
        CheckAction(spec, inner);
        var rules = spec.Children("rules");
        for (var i = 0; i < rules.Count; i++) CheckRule(rules[i], i, spec.Enum("action"), inner);

        foreach (var error in inner.Errors) report.Add(error with { Message = $"invalid policy {resource.Name}.{resource.Namespace}: {error.Message}" });
        foreach (var warning in inner.Warnings) report.AddWarning(warning);
    }

    private static void CheckAction(Message spec, Report report)
    {
        var (action, rules) = (spec.Enum("action"), spec.Children("rules"));
        if (action == "CUSTOM")
        {
            if (rules.Count == 0) report.Error($"CUSTOM {Meaningless}", spec.Source);
            else if (spec.Child("provider")?.Text("name") is null or "") report.Error("`provider.name` must not be empty", spec.At("provider"));
            foreach (var rule in rules) CheckCustom(rule, report);
        }
        else if (spec.Has("provider"))
        {
            report.Error($"`provider` must not be with non CUSTOM action, found {action}", spec.At("provider"));
        }
        if (action == "DENY" && rules.Count == 0) report.Error($"DENY {Meaningless}", spec.Source);
    }

    private static readonly (string Field, string Shown)[] NotWithCustom =
    [
        ("namespaces", "From.Namespaces"), ("notNamespaces", "From.NotNamespaces"), ("serviceAccounts", "From.ServiceAccounts"), ("notServiceAccounts", "From.NotServiceAccounts"),
        ("trustDomains", "From.TrustDomains"), ("notTrustDomains", "From.NotTrustDomains"), ("principals", "From.Principals"), ("notPrincipals", "From.NotPrincipals"),
        ("requestPrincipals", "From.RequestPrincipals"), ("notRequestPrincipals", "From.NotRequestPrincipals"),
    ];

    private static void CheckCustom(Message rule, Report report)
    {
        foreach (var source in rule.Children("from").Select(f => f.Child("source")).OfType<Message>())
            foreach (var (field, shown) in NotWithCustom)
                if (source.Has(field)) report.Error($"{shown} is currently not supported with CUSTOM action", source.At(field));
        foreach (var condition in rule.Children("when"))
        {
            var key = condition.Text("key");
            if (key is "source.namespace" or "source.serviceAccount" or "source.trustDomain" or "source.principal" || key.StartsWith("request.auth.", StringComparison.Ordinal))
                report.Error($"{key} is currently not supported with CUSTOM action", condition.At("key"));
        }
    }

    private static void CheckRule(Message rule, int index, string action, Report report)
    {
        var (anySource, tcpSource, anyOperation, tcpOperation) = (false, false, false, false);
        foreach (var from in rule.Children("from"))
        {
            if (from.Child("source") is not { } source)
            {
                report.Error($"`from.source` must not be nil, found at rule {index}", from.Source);
                continue;
            }
            anySource = true;
            tcpSource |= CheckSource(source, index, report);
        }
        foreach (var to in rule.Children("to"))
        {
            if (to.Child("operation") is not { } operation)
            {
                report.Error($"`to.operation` must not be nil, found at rule {index}", to.Source);
                continue;
            }
            anyOperation = true;
            tcpOperation |= CheckOperation(operation, index, report);
        }
        foreach (var condition in rule.Children("when")) CheckCondition(condition, report);

        if (action == "DENY" && (anySource && !anyOperation && !tcpSource || anyOperation && !tcpOperation))
            report.Warn("configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes in a DENY rule; "
                + "it is recommended to explicitly specify the port", rule.Source);
    }

    /// <returns>True when the source means something for plain TCP.</returns>
    private static bool CheckSource(Message source, int index, Report report)
    {
        var accounts = source.Has("serviceAccounts") || source.Has("notServiceAccounts");
        var named = source.Has("principals") || source.Has("notPrincipals") || source.Has("namespaces") || source.Has("notNamespaces");
        if (accounts && named) report.Error($"cannot set serviceAccounts with namespaces or principals, found at rule {index}", source.Source);
        if (!source.Type.Fields.Any(f => source.Has(f.Name))) report.Error($"`from.source` must not be empty, found at rule {index}", source.Source);

        foreach (var field in (string[])["ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"])
            foreach (var problem in Attributes.IpProblems(source.Texts(field))) report.Error(problem, source.At(field));
        Values(source, "principals", "Principals", report);
        Values(source, "requestPrincipals", "RequestPrincipals", report);
        Values(source, "namespaces", "Namespaces", report);
        report.Error(Attributes.ServiceAccounts("ServiceAccounts", source.Texts("serviceAccounts")), source.At("serviceAccounts"));
        report.Error(Attributes.TrustDomains("TrustDomains", source.Texts("trustDomains")), source.At("trustDomains"));
        Values(source, "ipBlocks", "IpBlocks", report);
        Values(source, "remoteIpBlocks", "RemoteIpBlocks", report);
        Values(source, "notPrincipals", "NotPrincipals", report);
        Values(source, "notRequestPrincipals", "NotRequestPrincipals", report);
        Values(source, "notNamespaces", "NotNamespaces", report);
        report.Error(Attributes.ServiceAccounts("NotServiceAccounts", source.Texts("notServiceAccounts")), source.At("notServiceAccounts"));
        report.Error(Attributes.TrustDomains("NotTrustDomains", source.Texts("notTrustDomains")), source.At("notTrustDomains"));
        Values(source, "notIpBlocks", "NotIpBlocks", report);
        Values(source, "notRemoteIpBlocks", "NotRemoteIpBlocks", report);

        return accounts || named || source.Has("ipBlocks") || source.Has("notIpBlocks") || source.Has("remoteIpBlocks") || source.Has("notRemoteIpBlocks");
    }

    /// <returns>True when the operation names ports.</returns>
    private static bool CheckOperation(Message operation, int index, Report report)
    {
        if (!operation.Type.Fields.Any(f => operation.Has(f.Name))) report.Error($"`to.operation` must not be empty, found at rule {index}", operation.Source);

        foreach (var field in (string[])["ports", "notPorts"])
            foreach (var problem in Attributes.PortProblems(operation.Texts(field))) report.Error(problem, operation.At(field));
        foreach (var (field, shown) in ((string, string)[])[("ports", "Ports"), ("methods", "Methods"), ("paths", "Paths"), ("hosts", "Hosts"),
            ("notPorts", "NotPorts"), ("notMethods", "NotMethods"), ("notPaths", "NotPaths"), ("notHosts", "NotHosts")])
            Values(operation, field, shown, report);
        report.Error(Attributes.PathTemplates("Paths", operation.Texts("paths")), operation.At("paths"));
        report.Error(Attributes.PathTemplates("NotPaths", operation.Texts("notPaths")), operation.At("notPaths"));
        return operation.Has("ports") || operation.Has("notPorts");
    }

    private static void CheckCondition(Message condition, Report report)
    {
        var key = condition.Text("key");
        var (values, notValues) = (condition.Texts("values"), condition.Texts("notValues"));
        if (key.Length == 0)
        {
            report.Error("`key` must not be empty", condition.Source);
        }
        else if (values.Count == 0 && notValues.Count == 0)
        {
            report.Error($"at least one of `values` or `notValues` must be set for key {key}", condition.Source);
        }
        else
        {
            if (Attributes.Problem(key, values) is { } value) report.Error($"invalid `value` for `key` {key}: {value}", condition.At("values"));
            if (Attributes.Problem(key, notValues) is { } notValue) report.Error($"invalid `notValue` for `key` {key}: {notValue}", condition.At("notValues"));
        }
    }

    private static void Values(Message message, string field, string shown, Report report) =>
        report.Error(Attributes.EmptyValue(shown, message.Texts(field)), message.At(field));
}
