using System.Collections.Immutable;

namespace Mesh.Model.Translate;

/// <summary>Everything a gateway is sent.</summary>
internal static class GatewayTranslation
{
    public static ProxyConfiguration Build(View view, Parts parts, ProxyConfiguration? before)
    {
        var clusters = ImmutableArray.CreateBuilder<NamedResource>();
        OutboundClusters.Add(view, view.Scope.Services, parts, clusters);
        clusters.Add(parts.Share(Names.BlackHole, FixedClusters.BlackHole(view.Mesh)));
        var endpoints = ImmutableArray.CreateBuilder<NamedResource>();
        OutboundClusters.AddEndpoints(view, view.Scope.Services, parts, endpoints);
        return new()
        {
            Clusters = ResourceSet.Of(clusters.ToImmutable(), before?.Clusters),
            Endpoints = ResourceSet.Of(endpoints.ToImmutable(), before?.Endpoints),
            Listeners = ResourceSet.Empty,
            Routes = ResourceSet.Empty,
        };
    }
}
