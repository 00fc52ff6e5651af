using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything a sidecar is sent. The spine of the translation: what stands here is all there is.</summary>
internal static class SidecarTranslation
{
    public static ProxyConfiguration Build(View view, Parts parts, ProxyConfiguration? before)
    {
        var endpoints = OutboundClusters.EndpointList(view, parts);
        var basis = new ConfigurationBasis(view.Scope, view.World.Policies, view.World.EndpointIdentity, view.World.FetchedKeys);
        if (before is not null && before.Basis == basis) return before.WithEndpoints(parts.Set(endpoints, before.Endpoints), endpoints);

        var outbound = Observing.For(view, TrafficSide.Client);
        var inbound = Observing.For(view, TrafficSide.Server);
        var targets = InboundTargets.Of(view);

        var shared = OutboundClusters.List(view, parts);
        var clusters = ImmutableArray.CreateBuilder<NamedResource>(shared.Items.Length + targets.Length + 3);
        clusters.AddRange(shared.Items);
        foreach (var target in targets) clusters.Add(Inbound(view, target, parts));
        clusters.Add(parts.Share(Names.BlackHole, FixedClusters.BlackHole(view.Mesh)));
        clusters.Add(parts.Share(Names.Passthrough, FixedClusters.Passthrough(view.Mesh, view.Shape.Kind.HasIstioFilters)));
        clusters.Add(parts.Share(Names.InboundPassthrough, FixedClusters.InboundPassthrough(view.Mesh)));

        var toOthers = Outbound(view, outbound, parts);
        var toUs = InboundListener.Build(view, targets, inbound, ServerPolicies.For(view, []))
            .Select(listener => parts.Share(listener.Name, Patching.Apply(TcpMetrics.Add(listener, inbound), view.Patches, "SIDECAR_INBOUND")));
        return new()
        {
            Clusters = ResourceSet.Of(clusters.ToImmutable(), before?.Clusters),
            Endpoints = parts.Set(endpoints, before?.Endpoints),
            Listeners = ResourceSet.Of([.. toOthers.Listeners, .. toUs], before?.Listeners),
            Routes = ResourceSet.Of(toOthers.Routes, before?.Routes),
            VirtualHosts = ResourceSet.Of(toOthers.VirtualHosts, before?.VirtualHosts),
            Names = NameTables.Build(view, parts, before?.Names),
            Basis = basis,
            KeptAlive = [shared, toOthers, endpoints],
        };
    }

    private static OutboundPart Outbound(View view, Observation observed, Parts parts)
    {
        var shape = view.Shape;
        var key = new OutboundKey(
            view.Scope, view.LabelsThatMatter, shape.Kind, shape.Settings, shape.AllowsHttp10, shape.AnswersDns, shape.IsCaptured, shape.TakesVirtualHosts, observed.Key,
            observed.Metrics is not null, view.World.EndpointIdentity, view.Patches);
        return parts.Outbound.Get(key, _ =>
        {
            var (listeners, needs) = OutboundListeners.Build(view, observed);
            var (hosts, apart) = (new List<EncodedHost>(), new List<NamedResource>());
            return new(
                [.. listeners.Select(listener => parts.Share(listener.Name, Patching.Apply(TcpMetrics.Add(listener, observed), view.Patches, "SIDECAR_OUTBOUND")))],
                [.. needs.DistinctBy(need => need.Name).Select(need => parts.Share(OutboundRoutes.Build(view, parts, need, hosts, apart)))],
                [.. apart],
                [.. hosts]);
        });
    }

    private static NamedResource Inbound(View view, InboundTarget target, Parts parts) => parts.Share(target.Cluster, Patching.Apply(
        FixedClusters.Inbound(
            target.Cluster, target.Port, target.Protocol, target.Pool, view.Mesh, target.Endpoint, [.. target.Services.Select(pair => pair.Service)]),
        view.Patches, "SIDECAR_INBOUND"));
}
