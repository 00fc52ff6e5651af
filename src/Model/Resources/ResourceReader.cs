using System.Globalization;
using Mesh.Model.Yaml;

namespace Mesh.Model.Resources;

/// <summary>Nodes to typed resources. A resource with a field that cannot be read is refused whole, with the reasons.</summary>
public static class ResourceReader
{
    private delegate Resource Reading(ResourceMeta meta, Fields root);

    private const string Istio = "networking.istio.io", Api = "gateway.networking.k8s.io", Security = "security.istio.io";

    private static readonly Dictionary<(string Group, string Kind), Reading> Kinds = new()
    {
        [("", "Service")] = (meta, root) => new KubeService(meta, root),
        [("", "Endpoints")] = (meta, root) => new KubeEndpoints(meta, root),
        [("", "Pod")] = (meta, root) => new Pod(meta, root),
        [("", "Namespace")] = (meta, _) => new KubeNamespace(meta),
        [("", "Node")] = (meta, _) => new KubeNode(meta),
        [("", "Secret")] = (meta, root) => new KubeSecret(meta, root),
        [("", "ConfigMap")] = (meta, root) => new KubeConfigMap(meta, root),
        [("", "ServiceAccount")] = (meta, _) => new KubeServiceAccount(meta),
        [("discovery.k8s.io", "EndpointSlice")] = (meta, root) => new EndpointSlice(meta, root),
        [("networking.k8s.io", "Ingress")] = (meta, root) => new KubeIngress(meta, root),
        [("networking.k8s.io", "IngressClass")] = (meta, root) => new KubeIngressClass(meta, root),
        [(Istio, "VirtualService")] = VirtualService.Read,
        [(Istio, "DestinationRule")] = DestinationRule.Read,
        [(Istio, "Gateway")] = Gateway.Read,
        [(Istio, "ServiceEntry")] = (meta, root) => new ServiceEntry(meta, root),
        [(Istio, "WorkloadEntry")] = (meta, root) => new WorkloadEntry(meta, root),
        [(Istio, "WorkloadGroup")] = (meta, root) => new WorkloadGroup(meta, root),
        [(Istio, "Sidecar")] = Sidecar.Read,
        [(Istio, "EnvoyFilter")] = (meta, root) => new EnvoyFilter(meta, root),
        [(Istio, "ProxyConfig")] = (meta, root) => new ProxyConfigResource(meta, root),
        [(Security, "PeerAuthentication")] = (meta, root) => new PeerAuthentication(meta, root),
        [(Security, "RequestAuthentication")] = (meta, root) => new RequestAuthentication(meta, root),
        [(Security, "AuthorizationPolicy")] = (meta, root) => new AuthorizationPolicy(meta, root),
        [("mesh.local", "RateLimit")] = (meta, root) => new RateLimit(meta, root),
        [("telemetry.istio.io", "Telemetry")] = (meta, root) => new Telemetry(meta, root),
        [(Api, "GatewayClass")] = (meta, root) => new GatewayClass(meta, root),
        [(Api, "Gateway")] = (meta, root) => new ApiGateway(meta, root),
        [(Api, "ListenerSet")] = (meta, root) => new ListenerSet(meta, root),
        [(Api, "HTTPRoute")] = (meta, root) => new ApiRoute(meta, root, ApiRouteType.Http),
        [(Api, "GRPCRoute")] = (meta, root) => new ApiRoute(meta, root, ApiRouteType.Grpc),
        [(Api, "TLSRoute")] = (meta, root) => new ApiRoute(meta, root, ApiRouteType.Tls),
        [(Api, "TCPRoute")] = (meta, root) => new ApiRoute(meta, root, ApiRouteType.Tcp),
        [(Api, "ReferenceGrant")] = (meta, root) => new ReferenceGrant(meta, root),
        [(Api, "BackendTLSPolicy")] = (meta, root) => new BackendTlsPolicy(meta, root),
        [("gateway.networking.x-k8s.io", "XListenerSet")] = (meta, root) => new ListenerSet(meta, root),
    };

    // Of what a cluster has by the ten thousand nobody asks for annotations or the object's own id.
    private static readonly HashSet<string> Slim = ["Pod", "EndpointSlice", "Endpoints", "Node"];

    private static readonly HashSet<string> ClusterWide = ["Namespace", "Node", "GatewayClass", "IngressClass"];

    /// <summary>True for the kinds that the mesh reads at all; others are left alone.</summary>
    public static bool Knows(string group, string kind) => Kinds.ContainsKey((group, kind));

    /// <summary>Group and kind of a document, without reading the rest.</summary>
    public static (string Group, string Version, string Kind) TypeOf(Node document)
    {
        var root = new Fields(document, []);
        var api = root.Text("apiVersion");
        var slash = api.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? ("", api, root.Text("kind")) : (api[..slash], api[(slash + 1)..], root.Text("kind"));
    }

    /// <param name="created">Its time of creation where it names none.</param>
    /// <returns>Null when the kind is unknown (no issues) or the document cannot be used (with issues).</returns>
    public static Resource? Read(Node document, out IReadOnlyList<FieldIssue> issues, string defaultNamespace = "default", DateTimeOffset? created = null)
    {
        var found = new List<FieldIssue>();
        issues = found;
        var (group, version, kind) = TypeOf(document);
        if (!Kinds.TryGetValue((group, kind), out var read)) return null;

        var root = new Fields(document, found);
        var meta = ReadMeta(root, JsonNodes.Word(group), JsonNodes.Word(version), JsonNodes.Word(kind), defaultNamespace, created ?? DateTimeOffset.UnixEpoch);
        if (meta.Name.Length == 0) root["metadata"].Refuse("a name is required");
        var resource = read(meta, root);
        return found.Count == 0 ? resource : null;
    }

    private static ResourceMeta ReadMeta(Fields root, string group, string version, string kind, string defaultNamespace, DateTimeOffset otherwise)
    {
        var meta = root["metadata"];
        var created = meta.Text("creationTimestamp");
        if (!DateTimeOffset.TryParse(created, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time))
            time = otherwise;
        return new(
            group, version, kind, ClusterWide.Contains(kind) ? "" : meta.Text("namespace", defaultNamespace), meta.Text("name"), meta.Labels("labels"),
            Slim.Contains(kind) ? LabelSet.Empty : meta.Labels("annotations"), time, meta.Text("resourceVersion"), Slim.Contains(kind) ? "" : meta.Text("uid"), meta.Int("generation"), root.Node?.Origin ?? default)
        {
            IsBeingDeleted = meta.Has("deletionTimestamp"),
        };
    }
}
