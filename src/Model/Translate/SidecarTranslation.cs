using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything a sidecar is sent. The spine of the translation: what stands here is all there is.</summary>
internal static class SidecarTranslation
{
    public static ProxyConfiguration Build(View view, Parts parts, ProxyConfiguration? before)
    {
        var outbound = Observing.For(view, TrafficSide.Client);
        var inbound = Observing.For(view, TrafficSide.Server);
        var targets = InboundTargets.Of(view);

        var clusters = ImmutableArray.CreateBuilder<NamedResource>();
        OutboundClusters.Add(view, view.Scope.Services, parts, clusters);
        foreach (var target in targets) clusters.Add(Inbound(view, target, parts));
        clusters.Add(parts.Share(Names.BlackHole, FixedClusters.BlackHole(view.Mesh)));
        clusters.Add(parts.Share(Names.Passthrough, FixedClusters.Passthrough(view.Mesh, view.Shape.Kind.HasIstioFilters)));
        clusters.Add(parts.Share(Names.InboundPassthrough, FixedClusters.InboundPassthrough(view.Mesh)));

        var endpoints = ImmutableArray.CreateBuilder<NamedResource>();
        OutboundClusters.AddEndpoints(view, view.Scope.Services, parts, endpoints);

        var (made, needs) = OutboundListeners.Build(view, outbound);
        made.AddRange(InboundListener.Build(view, targets, inbound, ServerPolicies.For(view, [])));
        var routes = needs.DistinctBy(need => need.Name)
            .Select(need => parts.Share(need.Name, OutboundRoutes.Build(view, need.Egress, need.Name, need.Port, need.Only)));

        return new()
        {
            Clusters = ResourceSet.Of(clusters.ToImmutable(), before?.Clusters),
            Endpoints = ResourceSet.Of(endpoints.ToImmutable(), before?.Endpoints),
            Listeners = ResourceSet.Of([.. made.Select(listener => parts.Share(listener.Name, listener))], before?.Listeners),
            Routes = ResourceSet.Of([.. routes], before?.Routes),
        };
    }

    private static NamedResource Inbound(View view, InboundTarget target, Parts parts) => parts.Share(target.Cluster, FixedClusters.Inbound(
        target.Cluster, target.Port, target.Protocol, target.Pool, view.Mesh, target.Endpoint, [.. target.Services.Select(pair => pair.Service)]));
}
