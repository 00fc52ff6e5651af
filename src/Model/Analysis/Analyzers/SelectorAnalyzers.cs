using Mesh.Model.Translate;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>Do selectors of Sidecar, Telemetry and the policies find pods, and do they find them alone?</summary>
internal static class SelectorAnalyzers
{
    private const string GatewayName = "gateway.networking.k8s.io/gateway-name";

    public static void Sidecars(Findings findings)
    {
        var selected = new SortedDictionary<string, (AnalyzedResource Pod, List<AnalyzedResource> By)>(StringComparer.Ordinal);
        var defaults = new SortedDictionary<string, List<AnalyzedResource>>(StringComparer.Ordinal);
        foreach (var sidecar in findings.Resources.All("Sidecar"))
        {
            var labels = sidecar.Spec!.Child("workloadSelector")?.TextMap("labels").ToDictionary() ?? [];
            if (labels.Count == 0)
            {
                if (!defaults.TryGetValue(sidecar.Namespace, out var all)) defaults[sidecar.Namespace] = all = [];
                all.Add(sidecar);
            }
            else
            {
                Select(sidecar, labels, sidecar.Node.At("spec", "workloadSelector", "labels", LabelSelectors.FirstKey(labels)), selected, findings);
            }
        }

        var reported = new HashSet<AnalyzedResource>();
        foreach (var (_, (pod, by)) in selected)
        {
            if (Workloads.IsAmbientPod(pod))
                foreach (var sidecar in by.Where(reported.Add)) findings.Add("IST0167", sidecar, null, "selected workload is in ambient mode, the policy has no impact");
            else if (by.Count > 1)
                Conflict("IST0110", by, pod, findings);
        }
        foreach (var (space, all) in defaults)
        {
            if (Workloads.IsAmbientNamespace(findings.Resources.Namespace(space)))
                foreach (var sidecar in all.Where(reported.Add)) findings.Add("IST0167", sidecar, null, "namespace is in ambient mode, the policy has no impact");
            else if (all.Count > 1)
                foreach (var sidecar in all) findings.Add("IST0111", sidecar, null, NamesOf(all), space);
        }
    }

    public static void Telemetries(Findings findings)
    {
        var selected = new SortedDictionary<string, (AnalyzedResource Pod, List<AnalyzedResource> By)>(StringComparer.Ordinal);
        foreach (var telemetry in findings.Resources.All("Telemetry"))
        {
            var labels = MatchLabels(telemetry);
            if (labels.Count > 0) Select(telemetry, labels, telemetry.Node.At("spec", "selector", "matchLabels", LabelSelectors.FirstKey(labels)), selected, findings);
        }
        foreach (var (_, (pod, by)) in selected)
            if (by.Count > 1) Conflict("IST0159", by, pod, findings);
    }

    public static void DefaultTelemetries(Findings findings)
    {
        foreach (var group in findings.Resources.All("Telemetry").Where(t => !t.Spec!.Has("selector")).GroupBy(t => t.Namespace))
        {
            var all = group.ToList();
            if (all.Count > 1)
                foreach (var telemetry in all) findings.Add("IST0160", telemetry, null, NamesOf(all), group.Key);
        }
    }

    public static void Providers(Findings findings)
    {
        if (findings.MeshConfig.Child("defaultProviders")?.Has("accessLogging") == true) return;
        foreach (var telemetry in findings.Resources.All("Telemetry"))
            foreach (var _ in telemetry.Spec!.Children("accessLogging").Where(l => !l.Is("disabled") && !l.Has("providers")))
                findings.Add("IST0157", telemetry, null, telemetry.Name, telemetry.Namespace);
    }

    /// <summary>Providers that nobody here writes to: the part of the Telemetry that names one has no effect.</summary>
    public static void UnsupportedProviders(Findings findings)
    {
        var kinds = new Dictionary<string, string> { ["envoy"] = "envoyFileAccessLog", ["prometheus"] = "prometheus" };
        foreach (var provider in findings.MeshConfig.Children("extensionProviders"))
            if (provider.Which("provider") is { } kind) kinds[provider.Text("name")] = kind;
        foreach (var telemetry in findings.Resources.All("Telemetry"))
        {
            Check("accessLogging", ProviderKinds.Logs);
            Check("tracing", ProviderKinds.Traces);
            Check("metrics", ProviderKinds.Metrics);

            void Check(string part, string[] supported)
            {
                foreach (var name in telemetry.Spec!.Children(part).SelectMany(entry => entry.Children("providers")).Select(provider => provider.Text("name")).Distinct())
                    if (kinds.GetValueOrDefault(name) is { } kind && kind != "lightstep" && !supported.Contains(kind))
                        findings.Add("MESH0002", telemetry, null, name, kind, part, string.Join(", ", supported));
            }
        }
    }

    public static void Lightstep(Findings findings)
    {
        var names = findings.MeshConfig.Children("extensionProviders").Where(p => p.Has("lightstep")).Select(p => p.Text("name")).ToHashSet();
        if (names.Count == 0) return;
        foreach (var telemetry in findings.Resources.All("Telemetry"))
            foreach (var provider in telemetry.Spec!.Children("tracing").SelectMany(t => t.Children("providers")).Where(p => names.Contains(p.Text("name"))))
                findings.Add("IST0002", telemetry, null, $"The Lightstep provider {provider.Text("name")} is deprecated, please migrate to OpenTelemetry provider.");
    }

    /// <summary>Policies with a selector do not reach the pods of a Kubernetes Gateway.</summary>
    public static void KubernetesGateways(Findings findings)
    {
        var pods = findings.Resources.Pods.Where(p => p.Labels.ContainsKey(GatewayName)).ToLookup(p => p.Namespace);
        foreach (var kind in (string[])["AuthorizationPolicy", "RequestAuthentication", "Telemetry", "WasmPlugin"])
            foreach (var policy in findings.Resources.All(kind).Where(p => !p.Spec!.Has("targetRef") && p.Spec.Has("selector")))
                foreach (var pod in pods[policy.Namespace].Where(p => LabelSelectors.Matches(MatchLabels(policy), p.Labels)))
                    findings.Add("IST0166", policy, null, pod.Labels[GatewayName]);
    }

    public static void AuthorizationPolicies(Findings findings)
    {
        var pods = findings.Resources.Pods.Where(p => Workloads.PodIsInMesh(p, findings.Resources) || Workloads.IsAmbientPod(p)).ToLookup(p => p.Namespace);
        foreach (var policy in findings.Resources.All("AuthorizationPolicy"))
        {
            CheckWorkloads(policy, pods, findings);
            CheckNamespaces(policy, findings);
        }
    }

    private static void CheckWorkloads(AnalyzedResource policy, ILookup<string, AnalyzedResource> pods, Findings findings)
    {
        var isMeshWide = policy.Namespace == findings.RootNamespace;
        if (!policy.Spec!.Has("selector"))
        {
            if (!isMeshWide && !pods[policy.Namespace].Any()) findings.Add("IST0127", policy, null, "");
            return;
        }
        var labels = MatchLabels(policy);
        var candidates = isMeshWide ? pods.SelectMany(p => p) : pods[policy.Namespace];
        if (!candidates.Any(p => LabelSelectors.Matches(labels, p.Labels))) findings.Add("IST0127", policy, null, LabelSelectors.Shown(labels));
    }

    private static void CheckNamespaces(AnalyzedResource policy, Findings findings)
    {
        foreach (var source in policy.Spec!.Children("rules").SelectMany(r => r.Children("from")).Select(f => f.Child("source")).OfType<Message>())
            foreach (var field in (string[])["namespaces", "notNamespaces"])
            {
                var names = source.Texts(field);
                for (var i = 0; i < names.Count; i++)
                {
                    if (findings.Resources.All("", "Namespace").Any(n => IsMeant(n.Name, names[i]))) continue;
                    // As Istio does, the line is that of the same place in `namespaces`.
                    var at = (source.At("namespaces") as ListNode)?.Items.ElementAtOrDefault(i);
                    findings.Add("IST0101", policy, at, "namespace", names[i]);
                }
            }
    }

    private static bool IsMeant(string name, string pattern) =>
        pattern == "*"
        || (pattern.StartsWith('*') ? name.EndsWith(pattern[1..], StringComparison.Ordinal)
        : pattern.EndsWith('*') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal)
        : name.Equals(pattern, StringComparison.OrdinalIgnoreCase));

    private static void Select(AnalyzedResource resource, Dictionary<string, string> labels, Node? at,
        SortedDictionary<string, (AnalyzedResource Pod, List<AnalyzedResource> By)> selected, Findings findings)
    {
        var pods = findings.Resources.Pods.Where(p => p.Namespace == resource.Namespace && LabelSelectors.Matches(labels, p.Labels)).ToList();
        if (pods.Count == 0) findings.Add("IST0101", resource, at, "selector", LabelSelectors.Shown(labels));
        foreach (var pod in pods)
        {
            if (!selected.TryGetValue(pod.FullName, out var entry)) selected[pod.FullName] = entry = (pod, []);
            entry.By.Add(resource);
        }
    }

    private static void Conflict(string code, List<AnalyzedResource> by, AnalyzedResource pod, Findings findings)
    {
        foreach (var resource in by) findings.Add(code, resource, resource.Node.At("metadata", "name"), NamesOf(by), pod.Namespace, pod.Name);
    }

    private static string NamesOf(IEnumerable<AnalyzedResource> all) => Findings.Listed(all.Select(r => r.Name).Order(StringComparer.Ordinal));
    private static Dictionary<string, string> MatchLabels(AnalyzedResource resource) => resource.Spec!.Child("selector")?.TextMap("matchLabels").ToDictionary() ?? [];
}
