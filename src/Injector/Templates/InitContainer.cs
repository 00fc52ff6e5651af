using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>istio-init writes the redirection; with the node's plugin (CNI) istio-validation only looks whether it is there.</summary>
internal static class InitContainer
{
    public static JsonObject Render(PodFacts pod)
    {
        var metadata = pod.ProxyConfig.Metadata;
        return Map(
            ("name", pod.Cni ? ContainerNames.Validation : ContainerNames.Init),
            ("image", ProxyImage.ForInit(pod)),
            ("imagePullPolicy", NonEmpty(pod.Text("global", "imagePullPolicy"))),
            ("args", Strings(Args(pod))),
            ("env", metadata.IsEmpty ? null : List([.. metadata.Select(entry => Env(entry.Key, entry.Value))])),
            ("resources", ProxyContainer.Resources(pod)),
            ("securityContext", SecurityContext(pod)));
    }

    /// <summary>The annotation's ports (or the values'), and the status port, which must stay reachable for the kubelet.</summary>
    public static string ExcludedInboundPorts(PodFacts pod)
    {
        var statusPort = pod.Annotation("status.sidecar.istio.io/port", pod.Text("global", "proxy", "statusPort")).Trim();
        var excluded = pod.Annotation("traffic.sidecar.istio.io/excludeInboundPorts", pod.Text("global", "proxy", "excludeInboundPorts"));
        if (statusPort is "" or "0") return excluded;

        var ports = excluded.Split(',');
        if (ports.Contains(statusPort)) return excluded;
        return string.Join(',', [.. ports.Select(port => port.Trim()).Where(port => port.Length > 0), statusPort]);
    }

    private static List<string> Args(PodFacts pod)
    {
        var excluded = ExcludedInboundPorts(pod);
        List<string> args =
        [
            "istio-iptables",
            "-p", MeshPort(pod, "proxyListenPort", 15001),
            "-z", MeshPort(pod, "proxyInboundListenPort", 15006),
            "-u", $"{Ids(pod).User}",
            "-m", pod.InterceptionMode,
            "-i", Traffic(pod, "includeOutboundIPRanges", "includeIPRanges"),
            "-x", Traffic(pod, "excludeOutboundIPRanges", "excludeIPRanges"),
            "-b", Traffic(pod, "includeInboundPorts", "includeInboundPorts"),
            "-d", excluded.Length > 0 ? "15090,15021," + excluded : "15090,15021",
        ];
        AddWhenSaid("-q", "includeOutboundPorts");
        AddWhenSaid("-o", "excludeOutboundPorts");
        if (pod.Annotations.TryGetValue("istio.io/reroute-virtual-interfaces", out var interfaces)
            || pod.Annotations.TryGetValue("traffic.sidecar.istio.io/kubevirtInterfaces", out interfaces))
            args.AddRange(["-k", interfaces]);
        if (pod.Annotations.TryGetValue("traffic.sidecar.istio.io/excludeInterfaces", out var excludedInterfaces))
            args.AddRange(["-c", excludedInterfaces]);

        args.Add($"--log_output_level={ProxyContainer.AgentLogLevel(pod)}");
        if (pod.Value("global", "logAsJson").IsTrue()) args.Add("--log_as_json");
        if (pod.Cni) args.AddRange(["--run-validation", "--skip-rule-apply"]);
        else if (pod.Value("global", "proxy_init", "forceApplyIptables").IsTrue()) args.Add("--force-apply");
        if (pod.Value("global", "nativeNftables").IsTrue()) args.Add("--native-nftables");
        return args;

        void AddWhenSaid(string option, string name)
        {
            if (pod.Annotations.ContainsKey("traffic.sidecar.istio.io/" + name) || pod.Text("global", "proxy", name) is { Length: > 0 })
                args.AddRange([option, Traffic(pod, name, name)]);
        }
    }

    private static string Traffic(PodFacts pod, string annotation, string value) =>
        pod.Annotation("traffic.sidecar.istio.io/" + annotation, pod.Text("global", "proxy", value));

    private static string MeshPort(PodFacts pod, string field, int otherwise) =>
        pod.Settings.MeshConfig[field].Integer() is > 0 and var port ? $"{port}" : $"{otherwise}";

    /// <summary>With TPROXY the proxy is root, and no range of a namespace counts.</summary>
    private static ProxyIds Ids(PodFacts pod) => pod.Tproxy ? ProxyIds.Usual : pod.Ids;

    private static JsonObject SecurityContext(PodFacts pod)
    {
        var privileged = pod.Value("global", "proxy", "privileged").IsTrue();
        return Map(
            ("allowPrivilegeEscalation", privileged),
            ("capabilities", Map(("add", pod.Cni ? null : List("NET_ADMIN", "NET_RAW")), ("drop", List("ALL")))),
            ("privileged", privileged),
            ("readOnlyRootFilesystem", pod.Cni),
            ("runAsGroup", pod.Cni ? Ids(pod).Group : 0),
            ("runAsNonRoot", pod.Cni),
            ("runAsUser", pod.Cni ? Ids(pod).User : 0),
            ("seccompProfile", ProxyContainer.SeccompProfile(pod)));
    }
}
