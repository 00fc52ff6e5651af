using System.Collections.Frozen;
using System.Globalization;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>Istio's annotations on Namespaces, Services, Pods and Deployments: known, in the right place, and readable.</summary>
internal static class KubernetesAnnotations
{
    private const string Deprecated = "!";

    /// <summary>Name, then the kinds that read it; ! marks a deprecated one, * stands for all kinds.</summary>
    private static readonly FrozenDictionary<string, string[]> Known = """
        alpha.istio.io/canonical-serviceaccounts Service !
        alpha.istio.io/kubernetes-serviceaccounts Service !
        ambient.istio.io/bypass-inbound-capture Pod
        ambient.istio.io/dns-capture Pod
        ambient.istio.io/redirection Pod
        ambient.istio.io/waypoint-inbound-binding GatewayClass Gateway
        galley.istio.io/analyze-suppress *
        gateway.istio.io/controller-version *
        gateway.istio.io/name-override Gateway
        gateway.istio.io/service-account Gateway
        inject.istio.io/templates Pod
        istio.io/autoRegistrationGroup WorkloadEntry
        istio.io/connectedAt WorkloadEntry
        istio.io/disconnectedAt WorkloadEntry
        istio.io/dry-run AuthorizationPolicy
        istio.io/reroute-virtual-interfaces Pod
        istio.io/rev Pod
        istio.io/use-waypoint-canary-weight Service ServiceEntry Namespace
        istio.io/workloadController WorkloadEntry
        kubernetes.io/ingress.class Ingress
        networking.istio.io/exportTo Service
        networking.istio.io/service-type Gateway
        networking.istio.io/traffic-distribution Namespace Service ServiceEntry
        prometheus.istio.io/merge-metrics Pod
        proxy.istio.io/config Pod
        proxy.istio.io/overrides Pod
        readiness.status.sidecar.istio.io/applicationPorts Pod
        readiness.status.sidecar.istio.io/failureThreshold Pod
        readiness.status.sidecar.istio.io/initialDelaySeconds Pod
        readiness.status.sidecar.istio.io/periodSeconds Pod
        sidecar.istio.io/agentLogLevel Pod
        sidecar.istio.io/bootstrapOverride Pod
        sidecar.istio.io/componentLogLevel Pod
        sidecar.istio.io/discoveryAddress Pod !
        sidecar.istio.io/extraStatTags Pod !
        sidecar.istio.io/inject Pod !
        sidecar.istio.io/interceptionMode Pod
        sidecar.istio.io/logLevel Pod
        sidecar.istio.io/nativeSidecar Pod
        sidecar.istio.io/proxyCPU Pod
        sidecar.istio.io/proxyCPULimit Pod
        sidecar.istio.io/proxyImage Pod
        sidecar.istio.io/proxyImageType Pod
        sidecar.istio.io/proxyMemory Pod
        sidecar.istio.io/proxyMemoryLimit Pod
        sidecar.istio.io/rewriteAppHTTPProbers Pod
        sidecar.istio.io/statsCompression Pod !
        sidecar.istio.io/statsEvictionInterval Pod
        sidecar.istio.io/statsFlushInterval Pod
        sidecar.istio.io/statsHistogramBins Pod
        sidecar.istio.io/statsHistogramBuckets Pod
        sidecar.istio.io/statsInclusionPrefixes Pod !
        sidecar.istio.io/statsInclusionRegexps Pod !
        sidecar.istio.io/statsInclusionSuffixes Pod !
        sidecar.istio.io/status Pod
        sidecar.istio.io/userVolume Pod
        sidecar.istio.io/userVolumeMount Pod
        status.sidecar.istio.io/port Pod
        topology.istio.io/controlPlaneClusters Namespace
        traffic.istio.io/nodeSelector Service
        traffic.sidecar.istio.io/excludeInboundPorts Pod
        traffic.sidecar.istio.io/excludeInterfaces Pod
        traffic.sidecar.istio.io/excludeOutboundIPRanges Pod
        traffic.sidecar.istio.io/excludeOutboundPorts Pod
        traffic.sidecar.istio.io/includeInboundPorts Pod
        traffic.sidecar.istio.io/includeOutboundIPRanges Pod
        traffic.sidecar.istio.io/includeOutboundPorts Pod
        traffic.sidecar.istio.io/kubevirtInterfaces Pod !
        """.Split('\n').Select(line => line.TrimEnd().Split(' ')).ToFrozenDictionary(words => words[0], words => words[1..]);

    private static readonly FrozenDictionary<string, Func<string, string?>> Values = new Dictionary<string, Func<string, string?>>
    {
        ["sidecar.istio.io/interceptionMode"] = v => v is "REDIRECT" or "TPROXY" or "NONE" ? null : $"interceptionMode invalid, use REDIRECT,TPROXY,NONE: {v}",
        ["status.sidecar.istio.io/port"] = v => Port(v) is { } p ? $"excludeInboundPorts invalid: {p}" : null,
        ["readiness.status.sidecar.istio.io/initialDelaySeconds"] = v => Unsigned(v, uint.MaxValue),
        ["readiness.status.sidecar.istio.io/periodSeconds"] = v => Unsigned(v, uint.MaxValue),
        ["readiness.status.sidecar.istio.io/failureThreshold"] = v => Unsigned(v, uint.MaxValue),
        ["traffic.sidecar.istio.io/includeOutboundIPRanges"] = v => v == "*" ? null : Cidrs("includeIPRanges", v),
        ["traffic.sidecar.istio.io/excludeOutboundIPRanges"] = v => Cidrs("excludeIPRanges", v),
        ["traffic.sidecar.istio.io/includeInboundPorts"] = v => v == "*" ? null : Ports("includeInboundPorts", v),
        ["traffic.sidecar.istio.io/excludeInboundPorts"] = v => Ports("excludeInboundPorts", v),
        ["traffic.sidecar.istio.io/excludeOutboundPorts"] = v => Ports("excludeOutboundPorts", v),
        ["traffic.sidecar.istio.io/excludeInterfaces"] = Interfaces,
        ["traffic.sidecar.istio.io/kubevirtInterfaces"] = Interfaces,
        ["istio.io/reroute-virtual-interfaces"] = Interfaces,
        ["prometheus.istio.io/merge-metrics"] = v =>
            v is "1" or "t" or "T" or "true" or "TRUE" or "True" or "0" or "f" or "F" or "false" or "FALSE" or "False" ? null : $"strconv.ParseBool: parsing \"{v}\": invalid syntax",
        ["proxy.istio.io/config"] = ProxyConfig,
        ["sidecar.istio.io/proxyCPU"] = Quantity,
        ["sidecar.istio.io/proxyMemory"] = Quantity,
        ["sidecar.istio.io/proxyCPULimit"] = Quantity,
        ["sidecar.istio.io/proxyMemoryLimit"] = Quantity,
    }.ToFrozenDictionary();

    public static void Check(Findings findings)
    {
        foreach (var kind in (string[])["Namespace", "Service", "Pod", "Deployment"])
            foreach (var resource in findings.Resources.All(kind == "Deployment" ? "apps" : "", kind))
                foreach (var (name, value) in resource.Annotations) CheckOne(resource, name, value, findings);
    }

    private static void CheckOne(AnalyzedResource resource, string name, string value, Findings findings)
    {
        var isIstios = name == "kubernetes.io/ingress.class" || name.Split('/')[0].EndsWith("istio.io", StringComparison.Ordinal);
        if (!isIstios || name is "sidecar.istio.io/status" or "gateway.istio.io/controller-version" or "istio.io/rev") return; // the last three are written by the control plane

        if (!Known.TryGetValue(name, out var kinds))
        {
            findings.Add("IST0108", resource, null, name);
            return;
        }
        var alsoLabelled = name == "sidecar.istio.io/inject" && resource.Labels.ContainsKey(name);
        if (kinds.Contains(Deprecated) && !alsoLabelled)
            findings.Add("IST0135", resource, null, name, name == "sidecar.istio.io/inject" ? " in favor of the \"sidecar.istio.io/inject\" label" : "");
        if (kinds.Contains("*")) return;

        if (!kinds.Contains(resource.Kind)) findings.Add("IST0107", resource, null, name, string.Join(", ", kinds.Where(k => k != Deprecated)));
        else if (Values.TryGetValue(name, out var check) && check(value) is { } problem) findings.Add("IST0125", resource, null, name, problem);
    }

    private static string? Unsigned(string value, ulong max)
    {
        if (value.Length == 0 || !value.All(char.IsAsciiDigit)) return $"strconv.ParseUint: parsing \"{value}\": invalid syntax";
        return ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= max ? null : $"strconv.ParseUint: parsing \"{value}\": value out of range";
    }

    private static string? Port(string value) => Unsigned(value.Trim(), ushort.MaxValue) is { } problem ? $"failed parsing port '{value}': {problem}" : null;

    private static string? Ports(string what, string value)
    {
        if (value.Trim().Length == 0) return null;
        foreach (var port in value.Trim().Split(','))
            if (Port(port) is { } problem) return $"{what} invalid: failed parsing port '{port}': {problem}";
        return null;
    }

    private static string? Cidrs(string what, string value)
    {
        if (value.Length == 0) return null;
        foreach (var cidr in value.Split(','))
            if (Names.CidrProblem(cidr) is { } problem) return $"{what} invalid: failed parsing cidr '{cidr}': {problem}";
        return null;
    }

    private static string? Interfaces(string value)
    {
        if (value.Length == 0) return null;
        foreach (var name in value.Split(',').Select(n => n.Trim()))
        {
            if (name.Length == 0) return "empty interface name";
            if (name.Length > 15) return $"interface name \"{name}\" too long (max 15 chars)";
            if (name.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.' or ':' or '@' or '+' or '*'))) return $"interface name \"{name}\" contains invalid characters";
        }
        return null;
    }

    /// <summary>A Kubernetes quantity: a number with a suffix such as m, Mi, G or e3.</summary>
    private static string? Quantity(string value)
    {
        if (value.Any(char.IsControl)) return "value contains control characters";

        const string Wrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        var digits = value.AsSpan();
        if (digits.Length > 0 && digits[0] is '+' or '-') digits = digits[1..];
        var end = 0;
        while (end < digits.Length && (char.IsAsciiDigit(digits[end]) || digits[end] == '.')) end++;
        var number = digits[..end];
        var suffix = digits[end..];
        if (number.Count('.') > 1 || number.IndexOfAnyInRange('0', '9') < 0) return Wrong;

        var exponent = suffix.TrimStart("eEinumkKMGTP");
        var rest = exponent.Length > 0 && exponent[0] is '+' or '-' ? exponent[1..] : exponent;
        if (rest.IndexOfAnyExceptInRange('0', '9') >= 0) return Wrong;
        if (exponent.Length > 0) return suffix[0] is 'e' or 'E' && suffix.Length == exponent.Length + 1 && rest.Length > 0 ? null : "unable to parse quantity's suffix";
        return suffix is "" or "n" or "u" or "m" or "k" or "M" or "G" or "T" or "P" or "E" or "Ki" or "Mi" or "Gi" or "Ti" or "Pi" or "Ei" ? null : "unable to parse quantity's suffix";
    }

    private static string? ProxyConfig(string value)
    {
        var documents = YamlReader.Read(value, "", out var broken);
        if (broken is not null) return $"failed to convert to apply proxy config: {broken.Message}";
        if (documents.Count == 0) return null;

        var verdict = Validator.CheckProxyConfig(documents[0]);
        return verdict.IsAllowed ? null : GoErrors.Join([.. verdict.Errors.Select(e => e.Message)]);
    }
}
