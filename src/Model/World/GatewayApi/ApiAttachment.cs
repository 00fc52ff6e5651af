using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>To which listeners, or services of the mesh, a route is attached, and why not to others.</summary>
internal static class ApiAttachment
{
    /// <returns>No parents for a route that is none of ours.</returns>
    public static ApiRouteStatus Attach(
        ApiRoute route, List<ListenerOwner> owners, ApiInputs inputs, SortedDictionary<string, HostRoutes> hosts, SortedDictionary<string, HostRoutes> mesh,
        List<VirtualService> l4)
    {
        var edge = new Meant(route, inputs);
        var inside = new Meant(route, inputs with { IsMesh = true });
        var parents = ImmutableArray.CreateBuilder<ApiParentStatus>();
        foreach (var parent in route.Parents)
        {
            if (parent.Kind is "Gateway" or "ListenerSet" or "XListenerSet")
            {
                // The gateway of another controller is no business of ours.
                if (Owner(route, parent, owners) is { } owner) parents.Add(new(parent, edge.Conditions(ToListeners(route, parent, owner, inputs, edge, hosts, l4))));
            }
            else if (parent.Kind is "Service" or "ServiceEntry")
                parents.Add(new(parent, inside.Conditions(ToService(route, parent, inputs, inside.Entries, inside.Shares, mesh, l4))));
        }
        return new(route, parents.ToImmutable());
    }

    private static ListenerOwner? Owner(ApiRoute route, ParentRef parent, List<ListenerOwner> owners)
    {
        var ns = parent.Namespace.Length > 0 ? parent.Namespace : route.Namespace;
        return owners.Find(owner => owner.IsGateway == (parent.Kind == "Gateway") && owner.Resource.Name == parent.Name && owner.Resource.Namespace == ns);
    }

    private static ApiCondition ToListeners(
        ApiRoute route, ParentRef parent, ListenerOwner owner, ApiInputs inputs, Meant meant, SortedDictionary<string, HostRoutes> hosts, List<VirtualService> l4)
    {
        var attached = 0;
        ApiCondition? refusal = null;
        foreach (var listener in owner.Listeners.Where(listener => !listener.IsConflicted))
        {
            if (Refusal(route, parent, listener, inputs) is { } reason)
            {
                // The nearest miss is the one worth telling.
                if (refusal is null || Rank(reason) < Rank(refusal)) refusal = reason;
                else if (Rank(reason) == Rank(refusal) && !refusal.Message.Contains(reason.Message, StringComparison.Ordinal)) refusal = refusal with { Message = $"{refusal.Message}; {reason.Message}" };
                continue;
            }
            attached++;
            listener.Attached.Add(route);
            if (listener.Made is null) continue;
            var common = Common(route, listener, owner);
            if (common.Count == 0) continue;
            if (route.Type is ApiRouteType.Http or ApiRouteType.Grpc)
                foreach (var host in common) Host(hosts, listener, host).Add(meant.Entries);
            else if (!meant.Shares.IsEmpty) l4.Add(L4(route, listener.GatewayName, common, meant.Shares, $"{route.Name}-{listener.InternalName}"));
        }
        return attached > 0
            ? new("Accepted", true, "Accepted", attached > 1 ? $"Route was valid, bound to {attached} parents" : "Route was valid")
            : refusal ?? new("Accepted", false, "NoMatchingParent", $"{parent.Kind} {owner.Resource.Namespace}/{parent.Name} has no listener that could take it");

        static int Rank(ApiCondition condition) => condition.Reason switch { "NotAllowedByListeners" => 0, "NoMatchingListenerHostname" => 1, _ => 2 };
    }

    private static ApiCondition? Refusal(ApiRoute route, ParentRef parent, BoundListener listener, ApiInputs inputs)
    {
        if (parent.Port is { } port && port != listener.Listener.Port) return new("Accepted", false, "NoMatchingParent", $"port {port} not found");
        if (parent.SectionName.Length > 0 && parent.SectionName != listener.Listener.Name)
            return new("Accepted", false, "NoMatchingParent", $"sectionName \"{parent.SectionName}\" not found");
        if (!HostsOf(route).Any(host => Hostnames.Matches(host, listener.Hostname)))
            return new("Accepted", false, "NoMatchingListenerHostname", $"no hostnames matched parent hostname \"{listener.Listener.Hostname}\"");
        if (!Admits(listener, route, inputs))
            return new("Accepted", false, "NotAllowedByListeners", $"hostnames matched parent hostname \"{listener.Listener.Hostname}\", but namespace \"{route.Namespace}\" is not allowed by the parent");
        var kind = ApiBackends.KindOf(route.Type);
        return listener.Kinds.Contains(kind) ? null : new("Accepted", false, "NotAllowedByListeners", $"kind {ApiInputs.Group}/{route.Meta.Version}/{kind} is not allowed");
    }

    private static ImmutableArray<string> HostsOf(ApiRoute route) => route.Hostnames.IsEmpty || route.Type == ApiRouteType.Tcp ? ["*"] : route.Hostnames;

    private static HostRoutes Host(SortedDictionary<string, HostRoutes> hosts, BoundListener listener, string host)
    {
        var key = $"{listener.GatewayName}~{host}";
        if (hosts.TryGetValue(key, out var known)) return known;
        return hosts[key] = new($"{listener.InternalName}-{host}", listener.Owner.Namespace, host, listener.GatewayName, ["*"]);
    }

    private static bool Admits(BoundListener listener, ApiRoute route, ApiInputs inputs) => listener.Listener.From switch
    {
        "All" => true,
        "Selector" => listener.Listener.FromSelector?.Selects(inputs.NamespaceLabels(route.Namespace)) == true,
        "None" => false,
        _ => route.Namespace == listener.Owner.Namespace,
    };

    /// <summary>The hosts that the route serves at this listener.</summary>
    private static List<string> Common(ApiRoute route, BoundListener listener, ListenerOwner owner)
    {
        if (route.Type == ApiRouteType.Tcp) return [listener.Hostname];
        var common = new List<string>();
        foreach (var host in HostsOf(route).Where(host => Belongs(host, listener, owner)))
            if (Hostnames.IsWithin(host, listener.Hostname)) common.Add(host);
            else if (Hostnames.IsWithin(listener.Hostname, host)) common.Add(listener.Hostname);
        return common;
    }

    /// <summary>A host that another listener of the port names more exactly is that listener's alone.</summary>
    private static bool Belongs(string host, BoundListener listener, ListenerOwner owner) => !owner.Listeners.Any(other =>
        other != listener && !other.IsConflicted && other.Listener.Port == listener.Listener.Port && other.Listener.Protocol == listener.Listener.Protocol
        && other.Listener.Hostname.Length > 0 && Hostnames.IsWithin(host, other.Hostname) && other.Hostname != listener.Hostname
        && Hostnames.IsWithin(other.Hostname, listener.Hostname));

    /// <summary>A route on a Service: for everybody when it is of the service's namespace, else only for callers of the route's own.</summary>
    private static ApiCondition ToService(
        ApiRoute route, ParentRef parent, ApiInputs inputs, List<ApiEntry> entries, ImmutableArray<RouteDestination> shares,
        SortedDictionary<string, HostRoutes> mesh, List<VirtualService> l4)
    {
        var ns = parent.Namespace.Length > 0 ? parent.Namespace : route.Namespace;
        var host = parent.Kind == "Service" ? $"{parent.Name}.{ns}.svc.{inputs.Mesh.Domain}" : inputs.Entry(ns, parent.Name)?.Hosts.FirstOrDefault() ?? "";
        if (!inputs.Services.Contains(host)) return new("Accepted", false, "NoMatchingParent", parent.Kind == "Service" ? $"parent service: \"{parent.Name}\" not found" : $"parent service entry: \"{parent.Name}\" not found");

        ImmutableArray<string> exportTo = ns == route.Namespace ? ["*"] : ["."];
        if (route.Type is ApiRouteType.Http or ApiRouteType.Grpc)
        {
            var key = $"{route.Namespace}~{host}";
            if (!mesh.TryGetValue(key, out var known)) mesh[key] = known = new($"{host}-{route.Namespace}-mesh", route.Namespace, host, "mesh", exportTo);
            known.Add(parent.Port is not { } port ? entries : entries.Select(entry => entry with { Rule = entry.Rule with { Match = [entry.Rule.Match[0] with { Port = port }] } }));
        }
        else if (!shares.IsEmpty) l4.Add(L4(route, "mesh", [host], shares, $"{route.Name}-mesh"));
        return new("Accepted", true, "Accepted", "Route was valid");
    }

    private static VirtualService L4(ApiRoute route, string gateway, List<string> hosts, ImmutableArray<RouteDestination> shares, string name)
    {
        var isTls = route.Type == ApiRouteType.Tls;
        return new(route.Meta with { Group = "networking.istio.io", Kind = "VirtualService", Name = name })
        {
            Hosts = [.. hosts],
            Gateways = [gateway],
            ExportTo = ["*"],
            Semantics = RouteSemantics.Gateway,
            Http = [],
            Tls = isTls ? [new([new([.. hosts], [], 0, LabelSet.Empty, "", [])], shares)] : [],
            Tcp = isTls ? [] : [new([], shares)],
        };
    }
}

/// <summary>What a route's rules mean in one place (at the edge or inside the mesh), and what is wrong with them there.</summary>
internal sealed class Meant
{
    private readonly List<ApiCondition> problems = [];

    public Meant(ApiRoute route, ApiInputs inputs)
    {
        Entries = route.Type is ApiRouteType.Http or ApiRouteType.Grpc ? [.. ApiRules.Of(route, inputs, problems)] : [];
        Shares = route.Type is ApiRouteType.Tls or ApiRouteType.Tcp ? SharesOf(route, inputs) : [];
    }

    public List<ApiEntry> Entries { get; }

    public ImmutableArray<RouteDestination> Shares { get; }

    public ImmutableArray<ApiCondition> Conditions(ApiCondition accepted)
    {
        var invalid = problems.Find(problem => problem.Type == "Accepted");
        var unresolved = problems.Find(problem => problem.Type == "ResolvedRefs") ?? new("ResolvedRefs", true, "ResolvedRefs", "All references resolved");
        return [invalid is not null && accepted.Holds ? invalid : accepted, unresolved];
    }

    private ImmutableArray<RouteDestination> SharesOf(ApiRoute route, ApiInputs inputs)
    {
        ApiCondition? problem = null;
        var shares = ImmutableArray.CreateBuilder<RouteDestination>();
        foreach (var backend in route.Rules.SelectMany(rule => rule.Backends))
            if (ApiBackends.Resolve(route, backend, inputs, ref problem) is { Weight: > 0 } share) shares.Add(share);
        if (problem is not null) problems.Add(problem);
        return shares.ToImmutable();
    }
}
