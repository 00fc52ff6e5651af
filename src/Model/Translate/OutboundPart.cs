using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change a sidecar's outbound listeners and route tables. Sidecars of one namespace usually share them.</summary>
internal sealed record OutboundKey(
    Scope Scope, LabelSet Labels, ClientKind Kind, ProxySettings Settings, bool AllowsHttp10, bool AnswersDns, bool IsCaptured, bool TakesVirtualHosts, string Observed, bool HasMetrics,
    object EndpointIdentity, PatchSet Patches);

/// <param name="VirtualHosts">Hosts that are sent one by one and not within their tables.</param>
/// <param name="KeptAlive">What it was put together from: kept, so that the next one need not make it again.</param>
internal sealed record OutboundPart(ImmutableArray<NamedResource> Listeners, ResourceSet Routes, ResourceSet VirtualHosts, ImmutableArray<object> KeptAlive);

/// <summary>Everything that can change outbound listeners: services, the Sidecar's own listeners, TLS and TCP routes; not HTTP routes. Namespaces share them.</summary>
/// <param name="Egress">Of each listener that is asked for: itself, its services, and the VirtualServices with TLS or TCP routes.</param>
/// <param name="Caller">Namespace and labels, where a rule or a route may ask for them; else null.</param>
/// <param name="Rest">The cluster of what nobody knows.</param>
internal sealed record ListenersKey(
    MeshConfig Mesh, Seen Seen, ObjectList Egress, (string Namespace, LabelSet Labels)? Caller, OutboundMode Outbound, string Rest, ClientKind Kind, ProxySettings Settings, bool AllowsHttp10,
    bool AnswersDns, bool IsCaptured, string Observed, object EndpointIdentity, PatchSet Patches);

internal sealed record ListenersPart(ImmutableArray<NamedResource> Listeners, ImmutableArray<TableNeed> Tables);

/// <summary>A route table that some listener asks for; <paramref name="Egress"/> is the number of the Scope's <see cref="EgressScope"/>.</summary>
internal sealed record TableNeed(string Name, int Port, int Egress, MeshService? Only);

/// <summary>Everything that can change the clusters of the services in a scope.</summary>
internal sealed record ClustersKey(
    MeshConfig Mesh, Seen Seen, Scope? Scope, LabelSet Labels, ClientKind Kind, Locality Place, object EndpointIdentity, Policies Policies, PatchSet Patches);

/// <summary>Everything that can change the endpoints of the services in a scope.</summary>
internal sealed record EndpointsKey(
    MeshConfig Mesh, Seen Seen, Scope? Scope, LabelSet Labels, bool IsGateway, Locality Place, string NodeName, IReadOnlyDictionary<MeshService, ServiceEndpoints> Endpoints, Policies Policies);

/// <summary>A list that is compared by reference and held weakly.</summary>
internal sealed record ResourceList(ImmutableArray<NamedResource> Items);

/// <summary>Everything that can change what is the workload's own: its inbound clusters and listeners. Not routes: nothing inbound asks for them.</summary>
internal sealed record OwnBasis(ServiceIndex Services, Sidecar? Sidecar, Policies Policies, object EndpointIdentity, object FetchedKeys);

/// <param name="Outbound">What the workload tells of its calls: found from the same inputs.</param>
internal sealed record OwnPart(OwnBasis Basis, Observation Outbound, ImmutableArray<NamedResource> Clusters, ImmutableArray<NamedResource> Listeners);
