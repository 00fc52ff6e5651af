using Mesh.Model.Validation;
using Mesh.Model.Yaml;

namespace Mesh.Model.Analysis.Analyzers;

/// <summary>DestinationRules and ServiceEntries, and Services across clusters.</summary>
internal static class ServiceAnalyzers
{
    public static void CaCertificates(Findings findings)
    {
        foreach (var rule in findings.Resources.All("DestinationRule"))
        {
            if (rule.Spec!.Child("trafficPolicy") is not { } policy) continue;
            var hasSelector = rule.Spec.Has("workloadSelector");
            if (Unverified(policy.Child("tls"), hasSelector) is { } mode)
                findings.Add("IST0128", rule, policy.Child("tls")!.Source.At("caCertificates"), rule.FullName, rule.Namespace, mode, rule.Spec.Text("host"));
            foreach (var port in policy.Children("portLevelSettings"))
                if (Unverified(port.Child("tls"), hasSelector) is { } portMode)
                    findings.Add("IST0129", rule, port.Child("tls")!.Source.At("caCertificates"), rule.FullName, rule.Namespace, portMode, rule.Spec.Text("host"),
                        port.Child("port") is { } number ? $"number:{number.Number("number")}" : "<nil>");
        }
    }

    public static void Subsets(Findings findings)
    {
        var hosts = new Hosts(findings.Resources);
        var nodes = findings.Resources.All("", "Node").ToDictionary(n => n.Name, n => n.Labels);
        var pods = findings.Resources.Pods.Select(p => WithLocality(p, nodes)).ToList();
        foreach (var rule in findings.Resources.All("DestinationRule"))
        {
            var spec = rule.Spec!;
            if (hosts.Find(rule.Namespace, spec.Texts("exportTo"), spec.Text("host")) is not { } host)
            {
                findings.Add("IST0174", rule, null, spec.Text("host"));
                continue;
            }
            foreach (var subset in spec.Children("subsets"))
            {
                var labels = new Dictionary<string, string>(host.WorkloadLabels);
                foreach (var (key, value) in subset.TextMap("labels")) labels[key] = value;
                if (!pods.Any(p => LabelSelectors.Matches(labels, p))) findings.Add("IST0173", rule, null, subset.Text("name"));
            }
        }
    }

    public static void Sessions(Findings findings)
    {
        foreach (var service in findings.Resources.All("", "Service"))
            foreach (var label in (ReadOnlySpan<string>)["istio.io/persistent-session", "istio.io/persistent-session-header"])
                if (service.Labels.ContainsKey(label)) findings.Add("MESH0003", service, null, label);
    }

    public static void Addresses(Findings findings)
    {
        var metadata = findings.MeshConfig.Child("defaultConfig")?.TextMap("proxyMetadata").ToDictionary() ?? [];
        var allocates = metadata.GetValueOrDefault("ISTIO_META_DNS_CAPTURE") == "true"
            && (metadata.GetValueOrDefault("ISTIO_META_DNS_AUTO_ALLOCATE") == "true" || metadata.GetValueOrDefault("PILOT_ENABLE_IP_AUTOALLOCATE") == "true");
        if (allocates) return;

        foreach (var entry in findings.Resources.All("ServiceEntry").Where(e => !e.Spec!.Has("addresses") && e.Node.ItemsAt("status", "addresses").Count == 0))
            foreach (var port in entry.Spec!.Children("ports").Where(p => p.Text("protocol") is var protocol && (protocol.Length == 0 || protocol.Equals("TCP", StringComparison.OrdinalIgnoreCase))))
                findings.Add("IST0134", entry, port.Source.At("name"));
    }

    public static void ConflictingProtocols(Findings findings)
    {
        var index = new Dictionary<(string Scope, string Host, long Port), List<(AnalyzedResource Entry, string Protocol)>>();
        foreach (var entry in findings.Resources.All("ServiceEntry"))
            foreach (var scope in Hosts.Scopes(entry.Spec!.Texts("exportTo"), entry.Namespace))
                foreach (var host in entry.Spec.Texts("hosts"))
                    foreach (var port in entry.Spec.Children("ports"))
                    {
                        var key = (scope, host, port.Number("number"));
                        if (!index.TryGetValue(key, out var all)) index[key] = all = [];
                        all.Add((entry, port.Text("protocol").ToUpperInvariant()));
                    }

        var reported = new HashSet<AnalyzedResource>();
        foreach (var (key, own) in index)
        {
            var all = key.Scope != "*" && index.TryGetValue(key with { Scope = "*" }, out var everyones) ? [.. own, .. everyones] : own;
            var protocols = all.Select(a => a.Protocol).Distinct().Order(StringComparer.Ordinal).ToList();
            if (protocols.Count < 2) continue;

            var names = string.Join(", ", all.Select(a => a.Entry.FullName).Distinct().Order(StringComparer.Ordinal));
            foreach (var (entry, _) in all.Where(a => reported.Add(a.Entry)))
                findings.Add("IST0177", entry, entry.Node.At("metadata", "name"), names, key.Host, key.Port, string.Join(", ", protocols));
        }
    }

    public static void AcrossClusters(Findings findings)
    {
        foreach (var service in findings.Resources.Services.Where(s => s.Cluster.Length > 0).GroupBy(s => s.FullName))
        {
            var all = service.OrderBy(s => s.Cluster, StringComparer.Ordinal).ToList();
            if (all.Count < 2) continue;

            var (first, clusters, reasons) = (all[0], new SortedSet<string>(StringComparer.Ordinal), new SortedSet<string>(StringComparer.Ordinal));
            foreach (var other in all.Skip(1))
            {
                if (IsHeadless(first) != IsHeadless(other)) Differ("service has mixed mode like headless and clusterIP", all);
                if ((first.Node.TextAt("spec", "type") ?? "") != (other.Node.TextAt("spec", "type") ?? "")) Differ("service type is inconsistent", [first, other]);
                if (PortsOf(first) != PortsOf(other)) Differ("service ports are inconsistent", [first, other]);
            }
            if (reasons.Count > 0) findings.Add("IST0170", first, null, first.Name, first.Namespace, Findings.Quoted(clusters), string.Join("; ", reasons));

            void Differ(string reason, IEnumerable<AnalyzedResource> among)
            {
                reasons.Add(reason);
                foreach (var one in among) clusters.Add(one.Cluster);
            }
        }

        static bool IsHeadless(AnalyzedResource service) => service.Node.TextAt("spec", "clusterIP") == "None";

        static string PortsOf(AnalyzedResource service) => string.Join('|', service.Node.ItemsAt("spec", "ports").OrderBy(p => p.TextAt("name") ?? "", StringComparer.Ordinal)
            .Select(p => string.Join(',', ((string[])["name", "protocol", "appProtocol", "port", "targetPort", "nodePort"]).Select(f => p.TextAt(f)))));
    }

    private static string? Unverified(Message? tls, bool hasSelector)
    {
        if (tls is null || tls.Enum("mode") is not ("SIMPLE" or "MUTUAL") || tls.Has("caCertificates")) return null;
        return tls.Has("credentialName") && hasSelector ? null : tls.Enum("mode");
    }

    /// <summary>A pod's labels with what the control plane adds: its node's name and locality.</summary>
    private static Dictionary<string, string> WithLocality(AnalyzedResource pod, Dictionary<string, Dictionary<string, string>> nodes)
    {
        if (pod.Node.TextAt("spec", "nodeName") is not { Length: > 0 } node) return pod.Labels;

        var labels = new Dictionary<string, string>(pod.Labels) { ["kubernetes.io/hostname"] = node };
        foreach (var label in (string[])["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"])
            if (nodes.GetValueOrDefault(node)?.GetValueOrDefault(label) is { Length: > 0 } value) labels[label] = value;
        return labels;
    }
}
