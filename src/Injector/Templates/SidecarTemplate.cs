using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>The template "sidecar": a redirecting init container and the proxy beside the application.</summary>
internal static class SidecarTemplate
{
    private const int LabelLengthMax = 63;

    public static JsonObject Render(PodFacts pod)
    {
        var init = pod.InterceptionMode == "NONE" ? null : InitContainer.Render(pod);
        var proxy = Proxy(pod);
        var spec = pod.Native
            ? Map(("initContainers", List(init, proxy)))
            : Map(("initContainers", init is null ? null : List(init)), ("containers", List(proxy)));
        spec["volumes"] = ProxyVolumes.ForSidecar(pod);
        if (ProxyContainer.ImagePullSecrets(pod) is { } secrets) spec["imagePullSecrets"] = secrets;

        return Map(("metadata", Map(("labels", Labels(pod)), ("annotations", Annotations(pod)))), ("spec", spec));
    }

    private static JsonObject Labels(PodFacts pod)
    {
        var name = CanonicalName(pod);
        return Map(
            ("security.istio.io/tlsMode", PodFacts.FirstNonEmpty(pod.Label("security.istio.io/tlsMode"), "istio")),
            ("networking.istio.io/tunnel", pod.ProxyConfig.Metadata.GetValueOrDefault("ISTIO_META_ENABLE_HBONE") == "true"
                ? PodFacts.FirstNonEmpty(pod.Label("networking.istio.io/tunnel"), "http") : null),
            ("service.istio.io/canonical-name", (name.Length > LabelLengthMax ? name[..LabelLengthMax] : name).Trim('-', '_', '.')),
            ("service.istio.io/canonical-revision", CanonicalRevision(pod)));
    }

    public static string CanonicalName(PodFacts pod) => PodFacts.FirstNonEmpty(
        pod.Label("service.istio.io/canonical-name"), pod.Label("app.kubernetes.io/name"), pod.Label("app"), pod.Owner.Name);

    public static string CanonicalRevision(PodFacts pod) => PodFacts.FirstNonEmpty(
        pod.Label("service.istio.io/canonical-revision"), pod.Label("app.kubernetes.io/version"), pod.Label("version"), "latest");

    public static JsonObject CommonAnnotations(PodFacts pod)
    {
        var annotations = Map(("istio.io/rev", PodFacts.FirstNonEmpty(pod.Settings.Revision, "default")));
        if (pod.AppContainers is not [var first, ..]) return annotations;

        foreach (var name in (string[])["kubectl.kubernetes.io/default-logs-container", "kubectl.kubernetes.io/default-container"])
            if (!pod.Annotations.ContainsKey(name)) annotations[name] = first;
        return annotations;
    }

    private static JsonObject Annotations(PodFacts pod)
    {
        var annotations = CommonAnnotations(pod);
        if (!pod.Cni) return annotations;

        // The node's plugin reads its orders from the pod, since there is no init container to give them to.
        if (pod.Text("pilot", "cni", "provider") == "multus")
            annotations["k8s.v1.cni.cncf.io/networks"] = WithNetwork(pod.Annotation("k8s.v1.cni.cncf.io/networks", ""), "default", "istio-cni");
        annotations["sidecar.istio.io/interceptionMode"] = pod.InterceptionMode;
        Add("traffic.sidecar.istio.io/includeOutboundIPRanges", "includeIPRanges", always: false);
        Add("traffic.sidecar.istio.io/excludeOutboundIPRanges", "excludeIPRanges", always: false);
        Add("traffic.sidecar.istio.io/includeInboundPorts", "includeInboundPorts", always: true);
        annotations["traffic.sidecar.istio.io/excludeInboundPorts"] = InitContainer.ExcludedInboundPorts(pod);
        foreach (var name in (string[])["includeOutboundPorts", "excludeOutboundPorts"])
            if (pod.Annotations.ContainsKey("traffic.sidecar.istio.io/" + name) || pod.Text("global", "proxy", name) is { Length: > 0 })
                Add("traffic.sidecar.istio.io/" + name, name, always: true);
        Add("traffic.sidecar.istio.io/kubevirtInterfaces", null, always: false);
        Add("istio.io/reroute-virtual-interfaces", null, always: false);
        Add("traffic.sidecar.istio.io/excludeInterfaces", null, always: false);
        return annotations;

        void Add(string name, string? value, bool always)
        {
            var text = pod.Annotation(name, value is null ? null : pod.Text("global", "proxy", value));
            if (always || text.Length > 0) annotations[name] = text;
        }
    }

    /// <summary>Multus takes a list of names, or JSON in which the namespace has a field of its own.</summary>
    private static string WithNetwork(string networks, string space, string name)
    {
        var added = $"{space}/{name}";
        if (networks.Length == 0) return added;
        if (JsonReading.TryParse(networks) is JsonArray list)
        {
            if (list.Objects().Any(network => network["name"].Text() == name && network["namespace"].Text() == space)) return networks;
            list.AddNode(Map(("name", name), ("namespace", space)));
            return list.Compact();
        }
        return networks.Split(',').Any(network => network.Trim() == added) || networks.Contains(']', StringComparison.Ordinal)
            ? networks : $"{networks}, {added}";
    }

    private static JsonObject Proxy(PodFacts pod)
    {
        var statusPort = pod.Annotation("status.sidecar.istio.io/port", pod.Text("global", "proxy", "statusPort"));
        var probed = statusPort != "0";
        return Map(
            ("name", ContainerNames.Proxy),
            ("image", ProxyImage.ForProxy(pod)),
            ("imagePullPolicy", NonEmpty(pod.Text("global", "imagePullPolicy"))),
            ("restartPolicy", NonEmpty(pod.Native ? "Always" : null)),
            ("ports", ProxyContainer.Ports()),
            ("args", ProxyContainer.Args(pod, "sidecar")),
            ("lifecycle", Lifecycle(pod, statusPort)),
            ("env", ProxyEnvironment.Render(pod, gateway: false)),
            ("startupProbe", probed && pod.Value("global", "proxy", "startupProbe", "enabled").IsTrue() ? ProxyContainer.StartupProbe(pod) : null),
            ("readinessProbe", probed ? ProxyContainer.ReadinessProbe(pod, byAnnotation: true) : null),
            ("securityContext", SecurityContext(pod)),
            ("resources", ProxyContainer.Resources(pod)),
            ("volumeMounts", ProxyVolumes.MountsForSidecar(pod)));
    }

    private static JsonNode? Lifecycle(PodFacts pod, string statusPort)
    {
        if (pod.Value("global", "proxy", "lifecycle") is JsonObject { Count: > 0 } own) return own.DeepClone();

        var hold = pod.ProxyConfig.HoldApplicationUntilProxyStarts || pod.Value("global", "proxy", "holdApplicationUntilProxyStarts").IsTrue();
        if (hold && !pod.Native) return Map(("postStart", Exec("pilot-agent", "wait")));

        // The pod begins to stop: drain. The end itself comes by SIGTERM, once the application has gone.
        return pod.Native ? Map(("preStop", Exec("pilot-agent", "request", $"--debug-port={statusPort}", "POST", "drain"))) : null;
    }

    private static JsonObject Exec(params string[] command) => Map(("exec", Map(("command", Strings(command)))));

    private static JsonObject SecurityContext(PodFacts pod)
    {
        var privileged = pod.Value("global", "proxy", "privileged").IsTrue();
        var bindsLowPorts = pod.Annotation("sidecar.istio.io/capNetBindService", pod.Text("global", "proxy", "capNetBindService")) == "true";
        var traces = pod.ProxyConfig.Metadata.GetValueOrDefault("IPTABLES_TRACE_LOGGING") == "true";
        var asRoot = pod.Tproxy || bindsLowPorts || traces;

        List<string> added = [];
        if (pod.Tproxy || traces) added.Add("NET_ADMIN");
        if (bindsLowPorts && !traces) added.Add("NET_BIND_SERVICE");
        return Map(
            ("allowPrivilegeEscalation", traces || privileged),
            ("capabilities", Map(("add", added.Count > 0 ? Strings(added) : null), ("drop", List("ALL")))),
            ("privileged", traces || privileged),
            ("readOnlyRootFilesystem", true),
            ("runAsGroup", pod.Ids.Group),
            ("runAsNonRoot", !asRoot),
            ("runAsUser", asRoot ? 0 : pod.Ids.User),
            ("seccompProfile", ProxyContainer.SeccompProfile(pod)));
    }
}
