using System.Collections.Immutable;

namespace Mesh.Model.Resources;

public sealed record KubeServicePort(string Name, int Port, string TargetPort, string Protocol, string AppProtocol, int NodePort);

/// <summary>A Kubernetes Service. <see cref="ClusterIps"/> is empty for ExternalName and <c>["None"]</c> for a headless one.</summary>
public sealed class KubeService(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string Type { get; } = root["spec"].Text("type", "ClusterIP");
    public ImmutableArray<string> ClusterIps { get; } = ReadIps(root["spec"]);
    public LabelSet Selector { get; } = root["spec"].Labels("selector");
    public string ExternalName { get; } = root["spec"].Text("externalName");
    public bool PublishNotReady { get; } = root["spec"].Bool("publishNotReadyAddresses");
    public bool NodeLocal { get; } = root["spec"].Text("internalTrafficPolicy") == "Local";
    public string TrafficDistribution { get; } = root["spec"].Text("trafficDistribution");
    public ImmutableArray<string> ExternalIps { get; } = root["spec"].Texts("externalIPs");
    public ImmutableArray<string> IngressAddresses { get; } =
        root["status"]["loadBalancer"].Each("ingress", i => i.Text("ip", i.Text("hostname")));
    public ImmutableArray<KubeServicePort> Ports { get; } = root["spec"].Each("ports", p => new KubeServicePort(
        p.Text("name"), p.Int("port"), p.Text("targetPort"), p.Text("protocol", "TCP"), p.Text("appProtocol"), p.Int("nodePort")));

    public bool IsHeadless => ClusterIps is ["None", ..];

    private static ImmutableArray<string> ReadIps(Fields spec)
    {
        var many = spec.Texts("clusterIPs");
        if (!many.IsEmpty) return many;
        return spec.Text("clusterIP") is { Length: > 0 } one ? [one] : [];
    }
}

public sealed record SlicePort(string Name, int Port, string Protocol, string AppProtocol);

public sealed record SliceEndpoint(
    ImmutableArray<string> Addresses, bool Ready, bool Serving, bool Terminating, string Hostname, string NodeName, string Zone, string TargetPod);

public sealed class EndpointSlice(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string Service { get; } = meta.Labels["kubernetes.io/service-name"] ?? "";
    public string AddressType { get; } = root.Text("addressType", "IPv4");
    public ImmutableArray<SlicePort> Ports { get; } =
        root.Each("ports", p => new SlicePort(p.Text("name"), p.Int("port"), p.Text("protocol", "TCP"), p.Text("appProtocol")));
    public ImmutableArray<SliceEndpoint> Endpoints { get; } = root.Each("endpoints", e => new SliceEndpoint(
        e.Texts("addresses"), e["conditions"].Bool("ready", true), e["conditions"].Bool("serving", true), e["conditions"].Bool("terminating"),
        e.Text("hostname"), e.Text("nodeName"), e.Text("zone"), e["targetRef"].Text("kind") == "Pod" ? e["targetRef"].Text("name") : ""));
}

public sealed record EndpointSubset(ImmutableArray<SliceEndpoint> Endpoints, ImmutableArray<SlicePort> Ports);

/// <summary>The older form of EndpointSlice: read when a Service has no slices.</summary>
public sealed class KubeEndpoints(ResourceMeta meta, Fields root) : Resource(meta)
{
    public ImmutableArray<EndpointSubset> Subsets { get; } = root.Each("subsets", s => new EndpointSubset(
        [.. s.Each("addresses", a => Read(a, true)), .. s.Each("notReadyAddresses", a => Read(a, false))],
        s.Each("ports", p => new SlicePort(p.Text("name"), p.Int("port"), p.Text("protocol", "TCP"), p.Text("appProtocol")))));

    private static SliceEndpoint Read(Fields a, bool ready) => new(
        [a.Text("ip")], ready, ready, false, a.Text("hostname"), a.Text("nodeName"), "", a["targetRef"].Text("kind") == "Pod" ? a["targetRef"].Text("name") : "");
}

public sealed record ContainerPort(string Name, int Port, string Protocol);

public sealed class Pod(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string Ip { get; } = root["status"].Text("podIP");
    public ImmutableArray<string> Ips { get; } = root["status"].Each("podIPs", i => i.Text("ip"));
    public string NodeName { get; } = root["spec"].Text("nodeName");
    public string ServiceAccount { get; } = root["spec"].Text("serviceAccountName", "default");
    public bool HostNetwork { get; } = root["spec"].Bool("hostNetwork");
    public string Hostname { get; } = root["spec"].Text("hostname");
    public string Subdomain { get; } = root["spec"].Text("subdomain");
    public string Phase { get; } = root["status"].Text("phase");
    public bool Ready { get; } = root["status"].Each("conditions", c => c.Text("type") == "Ready" && c.Text("status") == "True").Contains(true);
    public ImmutableArray<ContainerPort> Ports { get; } = [.. root["spec"].Each("containers", c => c).SelectMany(c =>
        c.Each("ports", p => new ContainerPort(p.Text("name"), p.Int("containerPort"), p.Text("protocol", "TCP"))))];

    /// <summary>The Deployment (a ReplicaSet's name less its hash), StatefulSet, DaemonSet or Job that made the pod, else the pod itself.</summary>
    public string Workload { get; } = WorkloadOf(meta, root);

    private static string WorkloadOf(ResourceMeta meta, Fields root)
    {
        foreach (var owner in root["metadata"].Each("ownerReferences", o => (Kind: o.Text("kind"), Name: o.Text("name"))))
        {
            if (owner.Kind != "ReplicaSet") return owner.Name;
            var hash = meta.Labels["pod-template-hash"];
            return hash is not null && owner.Name.EndsWith("-" + hash, StringComparison.Ordinal) ? owner.Name[..^(hash.Length + 1)] : owner.Name;
        }
        return meta.Name;
    }
}

public sealed class KubeNamespace(ResourceMeta meta) : Resource(meta);

public sealed class KubeNode(ResourceMeta meta) : Resource(meta);

public sealed class KubeServiceAccount(ResourceMeta meta) : Resource(meta);

/// <summary>Values are decoded; <c>stringData</c> is read too, as the API server would merge it.</summary>
public sealed class KubeSecret(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string Type { get; } = root.Text("type", "Opaque");
    public ImmutableSortedDictionary<string, byte[]> Data { get; } = Read(root);

    private static ImmutableSortedDictionary<string, byte[]> Read(Fields root)
    {
        var data = ImmutableSortedDictionary.CreateBuilder<string, byte[]>(StringComparer.Ordinal);
        foreach (var (key, value) in root["data"].Pairs())
        {
            var decoded = new byte[value.Length];
            if (Convert.TryFromBase64String(value, decoded, out var length)) data[key] = decoded[..length];
            else root["data"][key].Refuse("must be base64");
        }
        foreach (var (key, value) in root["stringData"].Pairs()) data[key] = System.Text.Encoding.UTF8.GetBytes(value);
        return data.ToImmutable();
    }
}

public sealed class KubeConfigMap(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Data { get; } = root.Labels("data");

    /// <summary>The roots of the cluster and of the mesh: the same text in every namespace.</summary>
    public static bool IsWrittenEverywhere(string name) => name is "kube-root-ca.crt" or "istio-ca-root-cert";
}

public sealed record IngressPath(string Path, string PathType, string Service, int PortNumber, string PortName);

public sealed record IngressRule(string Host, ImmutableArray<IngressPath> Paths);

public sealed record IngressTls(ImmutableArray<string> Hosts, string SecretName);

public sealed class KubeIngress(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string? ClassName { get; } = root["spec"].TextOrNull("ingressClassName") ?? meta.Annotations["kubernetes.io/ingress.class"];
    public IngressPath? DefaultBackend { get; } = root["spec"].Maybe("defaultBackend", b => Backend("", "ImplementationSpecific", b));
    public ImmutableArray<IngressTls> Tls { get; } = root["spec"].Each("tls", t => new IngressTls(t.Texts("hosts"), t.Text("secretName")));
    public ImmutableArray<IngressRule> Rules { get; } = root["spec"].Each("rules", r => new IngressRule(
        r.Text("host"), r["http"].Each("paths", p => Backend(p.Text("path"), p.Text("pathType", "ImplementationSpecific"), p["backend"]))));

    private static IngressPath Backend(string path, string type, Fields backend) => new(
        path, type, backend["service"].Text("name"), backend["service"]["port"].Int("number"), backend["service"]["port"].Text("name"));
}

public sealed class KubeIngressClass(ResourceMeta meta, Fields root) : Resource(meta)
{
    public string Controller { get; } = root["spec"].Text("controller");
    public bool IsDefault => Meta.Annotations["ingressclass.kubernetes.io/is-default-class"] == "true";
}
