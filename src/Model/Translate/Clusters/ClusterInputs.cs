using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change one outbound cluster. It is the memo key, so nothing else may be read.</summary>
/// <param name="Accounts">Who may answer for the service, <c>namespace/account</c>.</param>
/// <param name="Inline">Endpoints that stand in the cluster itself: those of DNS names. Empty where they are sent apart.</param>
/// <param name="CallersHeadless">For addresses chosen by the caller: true when every endpoint has a sidecar.</param>
internal sealed record ClusterInputs(
    MeshConfig Mesh, MeshService Service, ServicePort Port, MergedRule? Rule, Subset? Subset, ImmutableArray<string> Accounts, MutualTlsMode NamespaceMode,
    bool CallersHeadless, ImmutableArray<Endpoint> Inline, Locality ClientLocality, ClientKind Client)
{
    public string SubsetName => Subset?.Name ?? "";

    public string Name => Names.Outbound(Port.Number, SubsetName, Service.Host);
}

/// <summary>What about the asking proxy can change what it is sent, beside its place and labels.</summary>
internal sealed record ClientKind(bool IsGateway, bool HasIstioFilters)
{
    /// <summary>Credentials by name are the gateway's right, and that of a rule that selects workloads.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>What a gateway presents to backends that a BackendTLSPolicy covers; empty for nothing.</summary>
    public string BackendCredential { get; init; } = "";
}
