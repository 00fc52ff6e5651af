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
        if (before is not null && before.Basis == basis) return before.WithEndpoints(parts.Set(TypeUrl.Endpoints, endpoints, before.Endpoints), endpoints);

        var own = Own(view, parts, before?.Own);
        var shared = OutboundClusters.List(view, parts);
        var toOthers = Outbound(view, own.Outbound, parts);
        return new()
        {
            Clusters = parts.ClusterSet(shared, own.Clusters, before?.Clusters),
            Endpoints = parts.Set(TypeUrl.Endpoints, endpoints, before?.Endpoints),
            Listeners = ResourceSet.Of(TypeUrl.Listener, [.. toOthers.Listeners, .. own.Listeners], before?.Listeners),
            Routes = Parts.Kept(before?.Routes, toOthers.Routes),
            VirtualHosts = Parts.Kept(before?.VirtualHosts, toOthers.VirtualHosts),
            Names = NameTables.Build(view, parts, before?.Names),
            Basis = basis,
            Own = own,
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
            var listeners = Listeners(view, observed, parts);
            var tables = listeners.Tables.Select(need => OutboundRoutes.Build(view, parts, new(need.Name, need.Port, view.Scope.Egress[need.Egress], need.Only))).ToList();
            return new(
                listeners.Listeners,
                ResourceSet.Of(TypeUrl.Routes, tables.Select(table => table.Table)),
                ResourceSet.Of(TypeUrl.VirtualHost, tables.SelectMany(table => table.Apart)),
                [listeners, .. tables.Select(table => table.KeptAlive)]);
        });
    }

    private static ListenersPart Listeners(View view, Observation observed, Parts parts)
    {
        var (shape, scope) = (view.Shape, view.Scope);
        var hasL4Routes = scope.Egress.Any(egress => egress.VirtualServices.Any(IsL4));
        var key = new ListenersKey(
            view.Mesh, scope.Seen, parts.Share([.. scope.Egress.SelectMany(egress => (IEnumerable<object?>)[egress.Listener, .. egress.Services, .. egress.VirtualServices.Where(IsL4)])]),
            hasL4Routes || scope.Registry.LabelsMatter ? (shape.Namespace, view.LabelsThatMatter) : null, scope.Outbound, Names.Rest(scope), shape.Kind, shape.Settings, shape.AllowsHttp10, shape.AnswersDns,
            shape.IsCaptured, observed.Key, view.World.EndpointIdentity, view.Patches);
        return parts.Listeners.Get(key, _ =>
        {
            var (listeners, needs) = OutboundListeners.Build(view, observed);
            return new(
                [.. listeners.Select(listener => parts.Share(listener.Name, Patching.Apply(TcpMetrics.Add(listener, observed), view.Patches, "SIDECAR_OUTBOUND")))],
                [.. needs.DistinctBy(need => need.Name).Select(need => new TableNeed(need.Name, need.Port, scope.Egress.IndexOf(need.Egress), need.Only))]);
        });
    }

    private static bool IsL4(VirtualService vs) => !vs.Tls.IsEmpty || !vs.Tcp.IsEmpty;

    /// <summary>What comes in, and what is told of it. Kept while nothing that it is made of changed.</summary>
    private static OwnPart Own(View view, Parts parts, OwnPart? before)
    {
        var basis = new OwnBasis(view.Scope.Registry.Index, view.Scope.Sidecar, view.World.Policies, view.World.EndpointIdentity, view.World.FetchedKeys);
        if (before is not null && before.Basis == basis) return before;

        var inbound = Observing.For(view, TrafficSide.Server);
        var targets = InboundTargets.Of(view);
        return new(
            basis,
            Observing.For(view, TrafficSide.Client),
            [
                .. targets.Select(target => Inbound(view, target, parts)),
                parts.Share(Names.BlackHole, FixedClusters.BlackHole(view.Mesh)),
                parts.Share(Names.Passthrough, FixedClusters.Passthrough(view.Mesh, view.Shape.Kind.HasIstioFilters)),
                parts.Share(Names.InboundPassthrough, FixedClusters.InboundPassthrough(view.Mesh)),
            ],
            [.. InboundListener.Build(view, targets, inbound, ServerPolicies.For(view, []))
                .Select(listener => parts.Share(listener.Name, Patching.Apply(TcpMetrics.Add(listener, inbound), view.Patches, "SIDECAR_INBOUND")))]);
    }

    private static NamedResource Inbound(View view, InboundTarget target, Parts parts) => parts.Share(target.Cluster, Patching.Apply(
        FixedClusters.Inbound(
            target.Cluster, target.Port, target.Protocol, target.Pool, view.Mesh, target.Endpoint, [.. target.Services.Select(pair => pair.Service)]),
        view.Patches, "SIDECAR_INBOUND"));
}
