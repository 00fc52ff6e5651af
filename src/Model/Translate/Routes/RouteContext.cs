using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Who asks for routes, and where: decides which rules apply and how destinations without a port are understood.</summary>
/// <param name="Find">The service of a host as this proxy sees it; null when there is none.</param>
/// <param name="RuleFor">The DestinationRule that holds for a service.</param>
/// <param name="Gateways">The names under which the proxy serves: <c>mesh</c>, or gateways as <c>namespace/name</c>.</param>
internal sealed record RouteContext(
    MeshConfig Mesh, Func<string, MeshService?> Find, Func<MeshService, MergedRule?> RuleFor, ImmutableHashSet<string> Gateways, int Port, LabelSet Labels,
    string Namespace, bool IsGateway)
{
    public bool Https { get; init; }

    /// <summary>HTTP at one port of a sidecar: as in Istio only services with that port are looked at, so a destination without a port means this one.</summary>
    public bool MeansListenerPort { get; init; }

    public bool Applies(ImmutableArray<string> gateways, LabelSet sourceLabels, string sourceNamespace)
    {
        if (!gateways.IsEmpty) return gateways.Any(Gateways.Contains);
        if (IsGateway) return true;
        return sourceLabels.Selects(Labels) && (sourceNamespace.Length == 0 || sourceNamespace == Namespace);
    }

    /// <summary>Port of a destination: the one that is written, else the service's only one where that may be meant, else the listener's.</summary>
    public int PortOf(Destination destination)
    {
        if (destination.Port > 0) return destination.Port;
        return !MeansListenerPort && Find(destination.Host) is { Ports: [var only] } ? only.Number : Port;
    }

    /// <summary>An ExternalName leads to the cluster of the service that it stands for.</summary>
    public string ClusterOf(Destination destination)
    {
        var host = Find(destination.Host) is { Resolution: Resolution.Alias, AliasOf.Length: > 0 } alias ? alias.AliasOf : destination.Host;
        return Names.Outbound(PortOf(destination), destination.Subset, host);
    }
}
