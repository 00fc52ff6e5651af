using System.Collections.Concurrent;
using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>
/// What can be called and how: services, routes, rules, gateways. Endpoints are not in it, so it stays the same object while pods come and go,
/// and with it every <see cref="Scope"/>.
/// </summary>
public sealed class Registry
{
    private readonly ConcurrentDictionary<(string, Sidecar?), Scope> scopes = [];
    private readonly ConcurrentDictionary<string, ImmutableArray<VirtualService>> visible = [];

    public Registry(
        MeshConfig mesh, ImmutableArray<MeshService> services, ImmutableArray<VirtualService> virtualServices, ImmutableArray<DestinationRule> rules,
        ImmutableArray<Sidecar> sidecars, ImmutableArray<Gateway> gateways, Registry? before = null)
    {
        Index = ServiceIndex.Of(mesh, services, rules, before?.Index);
        VirtualServices = virtualServices;
        Sidecars = new(sidecars);
        Gateways = gateways;
        LabelsMatter = Index.RulesAskForLabels || virtualServices.Any(AsksForLabels);
        LocalityMatters = services.Any(service => service.Resolution is Resolution.Dns or Resolution.DnsRoundRobin);
        NodesMatter = services.Any(service => service.IsNodeLocal);
        FailoverByLabels = mesh.Locality is { FailoverPriority.IsEmpty: false } || rules.Any(FailsOverByLabels);
    }

    public MeshConfig Mesh => Index.Mesh;

    /// <summary>What of it is about services alone.</summary>
    internal ServiceIndex Index { get; }

    /// <summary>True when some service is only to be reached on the caller's own node.</summary>
    public bool NodesMatter { get; }

    /// <summary>True when some rule orders endpoints by the labels they share with the caller.</summary>
    public bool FailoverByLabels { get; }

    /// <summary>True when some rule asks for the caller's labels; else callers of one namespace are all alike.</summary>
    public bool LabelsMatter { get; }

    /// <summary>True when some cluster carries its endpoints itself, in an order that the caller's place decides.</summary>
    public bool LocalityMatters { get; }

    /// <summary>Oldest first.</summary>
    public ImmutableArray<MeshService> Services => Index.Services;

    /// <summary>With full names and delegates worked in; oldest first.</summary>
    public ImmutableArray<VirtualService> VirtualServices { get; }

    public DestinationRuleIndex Rules => Index.Rules;
    public ByNamespace<Sidecar> Sidecars { get; }
    public ImmutableArray<Gateway> Gateways { get; }

    /// <summary>The service of that host as seen from a namespace: its own first, then Kubernetes', then the oldest.</summary>
    public MeshService? Find(string host, string ns) => Index.Find(host, ns);

    /// <summary>What proxies of a namespace see when no Sidecar narrows it, or when <paramref name="sidecar"/> does.</summary>
    public Scope ScopeOf(string ns, Sidecar? sidecar) => scopes.GetOrAdd((ns, sidecar), key => new(this, key.Item1, key.Item2));

    /// <summary>The Sidecar for a workload: one that selects it, else its namespace's, else the root namespace's.</summary>
    public Sidecar? SidecarFor(string ns, LabelSet labels)
    {
        Sidecar? whole = null;
        foreach (var sidecar in Sidecars.In(ns))
        {
            if (sidecar.Selector is { Count: > 0 } selector)
            {
                if (selector.Selects(labels)) return sidecar;
            }
            else whole ??= sidecar;
        }
        if (whole is not null) return whole;
        foreach (var sidecar in Sidecars.In(Mesh.RootNamespace))
            if (sidecar.Selector is null or { Count: 0 }) return sidecar;
        return null;
    }

    /// <summary>The VirtualServices that a namespace may use: its private ones, those exported to it by name, then those of all, oldest first in each.</summary>
    public ImmutableArray<VirtualService> VirtualServicesVisibleIn(string ns) => visible.GetOrAdd(ns, name =>
    [
        .. VirtualServices.Where(vs => vs.Namespace == name && Reaches(vs, name) && !IsPublic(vs)),
        .. VirtualServices.Where(vs => vs.Namespace != name && Reaches(vs, name) && !IsPublic(vs)),
        .. VirtualServices.Where(IsPublic),
    ]);

    private bool IsPublic(VirtualService vs) => (vs.ExportTo.IsEmpty ? Mesh.VirtualServiceExportTo : vs.ExportTo).Contains("*");

    private static bool FailsOverByLabels(DestinationRule rule)
    {
        static bool In(TrafficPolicy? policy) =>
            policy?.LoadBalancer?.Locality is { FailoverPriority.IsEmpty: false } || policy is not null && policy.Ports.Any(port => In(port.Policy));
        return In(rule.TrafficPolicy) || rule.Subsets.Any(subset => In(subset.TrafficPolicy));
    }

    private static bool AsksForLabels(VirtualService vs) =>
        vs.Http.Any(rule => rule.Match.Any(match => match.SourceLabels.Count > 0))
        || vs.Tls.Concat(vs.Tcp).Any(rule => rule.Match.Any(match => match.SourceLabels.Count > 0));

    private bool Reaches(VirtualService vs, string ns) =>
        Exports.Reach(vs.ExportTo.IsEmpty ? Mesh.VirtualServiceExportTo : vs.ExportTo, vs.Namespace, ns);
}
