using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Everything a gateway is sent.</summary>
internal static class GatewayTranslation
{
    internal const string GatewayNameLabel = "gateway.networking.k8s.io/gateway-name";

    public static ProxyConfiguration Build(View view, Parts parts, ProxyConfiguration? before)
    {
        var shared = OutboundClusters.List(view, parts);
        var clusters = shared.Items.ToBuilder();
        var servers = GatewayServers.Of(view);
        var twins = SniClusters.AreWanted(servers);
        if (twins) clusters.AddRange(SniClusters.Clusters(shared.Items, parts));
        clusters.Add(parts.Share(Names.BlackHole, FixedClusters.BlackHole(view.Mesh)));
        var endpoints = OutboundClusters.EndpointList(view, parts);

        ImmutableArray<TargetRef> attached = view.Shape.Labels[GatewayNameLabel] is { } name ? [new("gateway.networking.k8s.io", "Gateway", name)] : [];
        var observed = Observing.For(view, TrafficSide.Client);
        var (listeners, tables, secrets) = GatewayListeners.Build(view, servers, observed, ServerPolicies.For(view, attached));
        return new()
        {
            Clusters = ResourceSet.Of(TypeUrl.Cluster, clusters.ToImmutable(), before?.Clusters),
            Endpoints = twins
                ? ResourceSet.Of(TypeUrl.Endpoints, [.. endpoints.Items, .. SniClusters.Endpoints(endpoints.Items, parts)], before?.Endpoints)
                : parts.Set(TypeUrl.Endpoints, endpoints, before?.Endpoints),
            Listeners = ResourceSet.Of(TypeUrl.Listener, [.. listeners.Select(listener => parts.Share(listener.Name, Patching.Apply(TcpMetrics.Add(listener, observed), view.Patches, "GATEWAY")))], before?.Listeners),
            Routes = ResourceSet.Of(TypeUrl.Routes, [.. tables.Select(table => parts.Share(table.Key, Patching.Apply(GatewayRoutes.Build(view, table.Key, table.Value), view.Patches, "GATEWAY")))], before?.Routes),
            KeptAlive = [shared, endpoints],
            Secrets = ResourceSet.Of(TypeUrl.Secret, [.. GatewaySecrets.All(secrets.Concat(OutboundClusters.Credentials(view)), view).Select(secret => parts.Share(secret.Name, secret.Secret))], before?.Secrets),
        };
    }
}
