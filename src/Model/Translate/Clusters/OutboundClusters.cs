using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>The clusters of every service that a proxy may call, and the endpoints of those that are sent them.</summary>
internal static class OutboundClusters
{
    /// <summary>Shared by all proxies that see the same services in the same way.</summary>
    public static ResourceList List(View view, Parts parts)
    {
        var key = new ClustersKey(
            view.Mesh, view.Scope.Seen, view.Scope.Registry.LabelsMatter ? view.Scope : null, view.LabelsThatMatter, view.Client, view.Scope.Registry.LocalityMatters ? view.Shape.Locality : Locality.None,
            view.World.EndpointIdentity, view.World.Policies, view.Patches);
        return parts.ClusterLists.Get(key, _ =>
        {
            var clusters = ImmutableArray.CreateBuilder<NamedResource>();
            Add(view, parts, clusters);
            return new(view.Patches.Touches("CLUSTER") ? [.. Patched(view, clusters, parts)] : clusters.ToImmutable());
        });
    }

    private static IEnumerable<NamedResource> Patched(View view, IEnumerable<NamedResource> clusters, Parts parts)
    {
        var context = view.Shape.Kind.IsGateway ? "GATEWAY" : "SIDECAR_OUTBOUND";
        foreach (var resource in clusters)
        {
            var cluster = Envoy.Config.Cluster.V3.Cluster.Parser.ParseFrom(resource.Body);
            if (!Patching.Removes(view.Patches, cluster, context)) yield return parts.Share(resource.Name, Patching.Apply(cluster, view.Patches, context));
        }
        foreach (var added in Patching.Added(view.Patches, context)) yield return parts.Share(added.Name, added);
    }

    public static ResourceList EndpointList(View view, Parts parts)
    {
        var registry = view.Scope.Registry;
        var key = new EndpointsKey(
            view.Mesh, view.Scope.Seen, registry.LabelsMatter ? view.Scope : null, registry.LabelsMatter || registry.FailoverByLabels ? view.Shape.Labels : LabelSet.Empty, view.Shape.Kind.IsGateway,
            view.Shape.Locality, registry.NodesMatter ? view.Shape.NodeName : "", view.World.Endpoints, view.World.Policies);
        return parts.EndpointLists.Get(key, _ =>
        {
            var endpoints = ImmutableArray.CreateBuilder<NamedResource>();
            AddEndpoints(view, parts, endpoints);
            return new(endpoints.ToImmutable());
        });
    }

    /// <summary>The SDS names that the clusters of a gateway ask for over the xDS stream.</summary>
    public static IEnumerable<string> Credentials(View view)
    {
        foreach (var service in view.Scope.Services)
        {
            if (view.RuleFor(service) is not { } rule) continue;
            foreach (var policy in rule.Subsets.Select(subset => subset.TrafficPolicy).Append(rule.Policy).OfType<TrafficPolicy>())
                foreach (var tls in policy.Ports.Select(port => port.Policy.Tls).Append(policy.Tls).OfType<ClientTls>())
                    foreach (var name in ClusterTls.Credentials(tls, view.Client)) yield return name;
        }
    }

    private static void Add(View view, Parts parts, ImmutableArray<NamedResource>.Builder clusters)
    {
        var matters = view.Scope.Registry.LabelsMatter;
        for (var i = 0; i < view.Scope.Seen.Services.Length; i++)
        {
            var service = view.Scope.Seen.Services[i];
            var rule = matters ? view.RuleFor(service) : view.Scope.Seen.Rules[i];
            foreach (var port in service.Ports)
                foreach (var subset in SubsetsOf(rule, service, port))
                    clusters.Add(parts.Clusters.Get(Inputs(view, service, port, rule, subset), inputs => NamedResource.Of(inputs.Name, OutboundCluster.Build(inputs))));
        }
    }

    private static void AddEndpoints(View view, Parts parts, ImmutableArray<NamedResource>.Builder assignments)
    {
        var matters = view.Scope.Registry.LabelsMatter;
        for (var i = 0; i < view.Scope.Seen.Services.Length; i++)
        {
            var service = view.Scope.Seen.Services[i];
            if (service.Resolution is Resolution.Alias or Resolution.Dns or Resolution.DnsRoundRobin or Resolution.DynamicDns) continue;
            var rule = matters ? view.RuleFor(service) : view.Scope.Seen.Rules[i];
            foreach (var port in service.Ports)
                foreach (var subset in SubsetsOf(rule, service, port))
                    if (OutboundCluster.IsSent(service, rule, subset, port.Number, view.Mesh, view.Shape.Kind.IsGateway))
                        assignments.Add(parts.Assignments.Get(Assignment(view, service, port, rule, subset), inputs => NamedResource.Of(inputs.Cluster, Translate.Assignment.Build(inputs))));
        }
    }

    private static IEnumerable<Subset?> SubsetsOf(MergedRule? rule, MeshService service, ServicePort port)
    {
        if (port.Protocol == AppProtocol.Udp || service.Resolution == Resolution.Alias) yield break;
        yield return null;
        if (rule is null) yield break;
        foreach (var subset in rule.Subsets) yield return subset;
    }

    private static ClusterInputs Inputs(View view, MeshService service, ServicePort port, MergedRule? rule, Subset? subset)
    {
        var endpoints = view.World.EndpointsOf(service);
        var inline = service.Resolution is Resolution.Dns or Resolution.DnsRoundRobin;
        return new(
            view.Mesh, service, port, rule, subset, endpoints.Accounts, view.World.Policies.ModeForNamespace(service.Namespace),
            AsCalled(view, service, port, rule, subset) && ServiceEndpoints.AllHaveSidecars(endpoints.For(port.Number)),
            inline ? endpoints.For(port.Number) : [], inline ? view.Shape.Locality : Locality.None, view.Client);
    }

    /// <summary>True where the caller's own choice of address is kept: no endpoint can be marked as able to do mutual TLS, so all must be.</summary>
    private static bool AsCalled(View view, MeshService service, ServicePort port, MergedRule? rule, Subset? subset) =>
        service.Resolution == Resolution.OriginalDestination
        || rule is not null && EffectivePolicy.For(rule, subset, port.Number, view.Mesh).LoadBalancer?.Simple == LoadBalancerKind.Passthrough;

    private static AssignmentInputs Assignment(View view, MeshService service, ServicePort port, MergedRule? rule, Subset? subset)
    {
        var policy = EffectivePolicy.For(rule, subset, port.Number, view.Mesh);
        var balance = Translate.Assignment.Locality(policy, view.Mesh);
        var places = balance is { Distribute.IsEmpty: false } || balance is not null && policy.OutlierDetection is not null || service.TrafficDistribution.Length > 0;
        var endpoints = view.World.EndpointsOf(service).For(port.Number);
        if (service.IsNodeLocal && view.Shape.NodeName.Length > 0) endpoints = [.. endpoints.Where(endpoint => endpoint.NodeName == view.Shape.NodeName)];
        return new(
            Names.Outbound(port.Number, subset?.Name ?? "", service.Host), endpoints, subset?.Labels ?? LabelSet.Empty, balance, policy.OutlierDetection is not null,
            places ? view.Shape.Locality : Locality.None, false, balance is { FailoverPriority.IsEmpty: false } ? view.Shape.Labels : LabelSet.Empty,
            service.TrafficDistribution)
        {
            Policies = view.World.Policies,
        };
    }
}
