using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>One outbound listener a Sidecar asks for (or the one that stands for "everything").</summary>
public sealed record EgressScope(SidecarEgress? Listener, ImmutableArray<MeshService> Services, ImmutableArray<VirtualService> VirtualServices)
{
    public int Port => Listener?.Port?.Number ?? 0;

    /// <summary>Callers name host and port in the request itself, so that one listener is for all HTTP ports.</summary>
    public bool IsHttpProxy => Listener?.Port is { } port && port.Protocol.Equals("HTTP_PROXY", StringComparison.OrdinalIgnoreCase);
}

/// <summary>The services, routes and rules that proxies of one namespace and one Sidecar see. Shared by all of them.</summary>
public sealed class Scope
{
    internal Scope(Registry registry, string ns, Sidecar? sidecar)
    {
        Registry = registry;
        Namespace = ns;
        Sidecar = sidecar;
        if (sidecar is null || sidecar.Egress.IsEmpty)
        {
            Egress = [Everything(registry, ns)];
            Seen = registry.Index.VisibleIn(ns).Seen;
            return;
        }
        Egress = [.. sidecar.Egress.Select(egress => Narrowed(registry, ns, egress))];
        var imported = Egress.SelectMany(egress => egress.Services);
        var routedTo = Egress.SelectMany(egress => egress.VirtualServices).SelectMany(Destinations).Distinct().Select(host => registry.Find(host, ns)).OfType<MeshService>();
        Seen = registry.Index.See(ns, imported.Concat(routedTo));
    }

    public Registry Registry { get; }

    /// <summary>The services with the rule that holds for each: the same object in all namespaces that see the same.</summary>
    public Seen Seen { get; }

    public string Namespace { get; }
    public Sidecar? Sidecar { get; }
    public ImmutableArray<EgressScope> Egress { get; }

    /// <summary>Each host once.</summary>
    public ImmutableArray<MeshService> Services => Seen.Services;

    public OutboundMode Outbound => Sidecar?.Outbound ?? Registry.Mesh.Outbound;

    /// <summary>Where callers' traffic to hosts outside the registry goes: a service that takes it all, or null for where it was meant.</summary>
    public Destination? EgressProxy => Sidecar?.EgressProxy is { } proxy ? proxy with { Host = Hostnames.Resolve(proxy.Host, Sidecar.Namespace, Registry.Mesh.Domain) } : null;

    public MeshService? Find(string host) => Seen.Find(host);

    /// <summary>The ExternalName services that stand for a host.</summary>
    public IEnumerable<MeshService> AliasesOf(string host) => Seen.AliasesOf(host);

    public MergedRule? RuleFor(MeshService service, LabelSet clientLabels) =>
        Registry.Rules.For(Namespace, clientLabels, service.Host, service.Namespace);

    private static EgressScope Everything(Registry registry, string ns) => new(
        null, registry.Index.VisibleIn(ns).Services,
        [.. registry.VirtualServicesVisibleIn(ns).Where(vs => vs.Gateways.Contains("mesh") || HasMeshMatch(vs))]);

    private static EgressScope Narrowed(Registry registry, string ns, SidecarEgress egress)
    {
        var hosts = egress.Hosts.Select(host => EgressHost.Parse(host, ns)).ToList();
        bool Imports(string owner, string host) =>
            hosts.Exists(h => !h.Excludes && h.Covers(owner, host)) && !hosts.Exists(h => h.Excludes && h.Covers(owner, host));
        bool ImportsRoute(VirtualService vs) => vs.Hosts.Any(name =>
            hosts.Exists(h => !h.Excludes && h.CoversNamespace(vs.Namespace) && Hostnames.Matches(name, h.Host))
            && !hosts.Exists(h => h.Excludes && h.Covers(vs.Namespace, name)));

        var all = Everything(registry, ns);
        var services = ServiceIndex.OncePerHost(registry.Services.Where(service => service.IsVisibleIn(ns) && Imports(service.Namespace, service.Host)), ns);
        return new(
            egress, egress.Port is { Number: > 0 } port && !port.Protocol.Equals("HTTP_PROXY", StringComparison.OrdinalIgnoreCase) ? [.. services.Where(service => service.PortNumbered(port.Number) is not null)] : services,
            [.. all.VirtualServices.Where(ImportsRoute)]);
    }

    private static bool HasMeshMatch(VirtualService vs) =>
        vs.Http.Any(rule => rule.Match.Any(match => match.Gateways.Contains("mesh")))
        || vs.Tls.Concat(vs.Tcp).Any(rule => rule.Match.Any(match => match.Gateways.Contains("mesh")));

    private static IEnumerable<string> Destinations(VirtualService vs) =>
        vs.Http.SelectMany(rule => rule.Route.Select(share => share.Destination.Host).Concat(rule.Mirrors.Select(mirror => mirror.Destination.Host)))
            .Concat(vs.Tls.Concat(vs.Tcp).SelectMany(rule => rule.Route.Select(share => share.Destination.Host)));

    private readonly record struct EgressHost(string Namespace, string Host, bool Excludes)
    {
        public static EgressHost Parse(string text, string home)
        {
            var slash = text.IndexOf('/', StringComparison.Ordinal);
            var (ns, host) = slash < 0 ? ("*", text) : (text[..slash], text[(slash + 1)..]);
            var excludes = ns.Length > 1 && ns[0] == '~';
            if (excludes) ns = ns[1..];
            return new(ns == "." ? home : ns, host.ToLowerInvariant(), excludes);
        }

        public bool CoversNamespace(string owner) => Namespace == "*" || Namespace == owner;

        public bool Covers(string owner, string host) => CoversNamespace(owner) && Hostnames.IsWithin(host, Host);
    }
}
