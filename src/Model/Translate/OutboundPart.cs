using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change a sidecar's outbound listeners and route tables. Sidecars of one namespace usually share them.</summary>
internal sealed record OutboundKey(
    Scope Scope, LabelSet Labels, ClientKind Kind, ProxySettings Settings, bool AllowsHttp10, bool AnswersDns, bool IsCaptured, bool TakesVirtualHosts, string Observed, bool HasMetrics,
    object EndpointIdentity, PatchSet Patches);

/// <param name="VirtualHosts">Hosts that are sent one by one and not within their tables.</param>
/// <param name="Hosts">The encoded virtual hosts of the tables: kept, so that the next table need not encode them again.</param>
internal sealed record OutboundPart(ImmutableArray<NamedResource> Listeners, ImmutableArray<NamedResource> Routes, ImmutableArray<NamedResource> VirtualHosts, ImmutableArray<EncodedHost> Hosts);

/// <summary>Everything that can change the clusters of the services in a scope.</summary>
internal sealed record ClustersKey(Seen Seen, Scope? Scope, LabelSet Labels, ClientKind Kind, Locality Place, object EndpointIdentity, Policies Policies, PatchSet Patches);

/// <summary>Everything that can change the endpoints of the services in a scope.</summary>
internal sealed record EndpointsKey(
    Seen Seen, Scope? Scope, LabelSet Labels, bool IsGateway, Locality Place, string NodeName, IReadOnlyDictionary<MeshService, ServiceEndpoints> Endpoints, Policies Policies);

/// <summary>A list that is compared by reference and held weakly.</summary>
internal sealed record ResourceList(ImmutableArray<NamedResource> Items);
