using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>All inputs at one version, immutable. Parts that did not change are the predecessor's own objects.</summary>
public sealed class World
{
    public required long Version { get; init; }
    public required Registry Registry { get; init; }
    public required Policies Policies { get; init; }
    public required IReadOnlyDictionary<MeshService, ServiceEndpoints> Endpoints { get; init; }

    /// <summary>
    /// The same object while accounts behind services, addresses of headless ones and of names stay: then clusters and listeners stay too.
    /// </summary>
    public required object EndpointIdentity { get; init; }
    public required IReadOnlyDictionary<string, Pod> PodsByIp { get; init; }
    public required IReadOnlyDictionary<string, LabelSet> NamespaceLabels { get; init; }
    public required IReadOnlyDictionary<string, KubeNode> Nodes { get; init; }
    public required IReadOnlyDictionary<(string Namespace, string Name), KubeSecret> Secrets { get; init; }
    public required IReadOnlyDictionary<(string Namespace, string Name), KubeConfigMap> ConfigMaps { get; init; }

    /// <summary>A map by name; one that the cluster or the mesh writes alike into every namespace is kept once, as the root namespace has it.</summary>
    public KubeConfigMap? ConfigMap(string ns, string name) =>
        ConfigMaps.GetValueOrDefault((ns, name)) ?? (KubeConfigMap.IsWrittenEverywhere(name) ? ConfigMaps.GetValueOrDefault((Mesh.RootNamespace, name)) : null);

    /// <summary>Gateway API and Ingress in the mesh's own terms, and their statuses.</summary>
    public required ApiTranslation GatewayApi { get; init; }

    /// <summary>Key sets of token issuers by their URI, as somebody with a network fetched them.</summary>
    public required IReadOnlyDictionary<string, string> FetchedKeys { get; init; }

    /// <summary>Every accepted resource, for tools that show them.</summary>
    public required ImmutableArray<Resource> Resources { get; init; }

    public MeshConfig Mesh => Registry.Mesh;

    public ServiceEndpoints EndpointsOf(MeshService service) => Endpoints.TryGetValue(service, out var found) ? found : ServiceEndpoints.None;

    /// <summary>The Scope of a workload, narrowed by the Sidecar that applies to it.</summary>
    public Scope ScopeOf(ProxyNode proxy) => Registry.ScopeOf(
        proxy.Namespace, proxy.IsGateway ? null : Registry.SidecarFor(proxy.Namespace, proxy.Labels));
}
