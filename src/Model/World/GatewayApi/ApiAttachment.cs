using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>To which listeners, or services of the mesh, a route is attached, and why not to others.</summary>
internal static class ApiAttachment
{
    public static ApiRouteStatus Attach(
        ApiRoute route, List<BoundListener> listeners, ApiInputs inputs, SortedDictionary<string, HostRoutes> hosts, SortedDictionary<string, HostRoutes> mesh,
        List<VirtualService> l4)
    {
        var edge = new Meant(route, inputs);
        var inside = new Meant(route, inputs with { IsMesh = true });
        var parents = ImmutableArray.CreateBuilder<ApiParentStatus>();
        foreach (var parent in route.Parents)
        {
            if (parent.Kind is "Gateway" or "ListenerSet" or "XListenerSet")
                parents.Add(new(parent, edge.Conditions(ToListeners(route, parent, listeners, inputs, edge.Entries, edge.Shares, hosts, l4))));
            else if (parent.Kind is "Service" or "ServiceEntry")
                parents.Add(new(parent, inside.Conditions(ToService(route, parent, inputs, inside.Entries, inside.Shares, mesh, l4))));
        }
        return new(route, parents.ToImmutable());
    }

    private static ApiCondition ToListeners(
        ApiRoute route, ParentRef parent, List<BoundListener> listeners, ApiInputs inputs, List<ApiEntry> entries, ImmutableArray<RouteDestination> shares,
        SortedDictionary<string, HostRoutes> hosts, List<VirtualService> l4)
    {
        var ns = parent.Namespace.Length > 0 ? parent.Namespace : route.Namespace;
        var ofParent = listeners.FindAll(listener => listener.Owner.Name == parent.Name && listener.Owner.Namespace == ns
            && listener.Owner is ApiGateway == (parent.Kind == "Gateway"));
        var candidates = ofParent.FindAll(listener =>
            (parent.SectionName.Length == 0 || listener.Listener.Name == parent.SectionName) && (parent.Port is null || listener.Listener.Port == parent.Port));
        if (candidates.Count == 0) return new("Accepted", false, "NoMatchingParent", $"no listener of {parent.Kind} {ns}/{parent.Name} has this section name and port");

        var kind = ApiBackends.KindOf(route.Type);
        var allowed = candidates.FindAll(listener => listener.Kinds.Contains(kind) && Admits(listener, route, inputs));
        if (allowed.Count == 0) return new("Accepted", false, "NotAllowedByListeners", $"no listener of {parent.Kind} {ns}/{parent.Name} allows a {kind} of namespace {route.Namespace}");

        var attached = false;
        foreach (var listener in allowed)
        {
            var common = Common(route, listener);
            if (common.Count == 0) continue;
            attached = true;
            listener.Attached.Add(route);
            if (listener.Made is null) continue;
            if (route.Type is ApiRouteType.Http or ApiRouteType.Grpc)
                foreach (var host in common) Host(hosts, listener, host).Add(entries);
            else if (!shares.IsEmpty) l4.Add(L4(route, listener.GatewayName, common, shares, $"{route.Name}-{listener.InternalName}"));
        }
        return attached
            ? new("Accepted", true, "Accepted", "Route was valid")
            : new("Accepted", false, "NoMatchingListenerHostname", $"no hostname of the route is served by a listener of {ns}/{parent.Name}");
    }

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

    private static List<string> Common(ApiRoute route, BoundListener listener)
    {
        if (route.Hostnames.IsEmpty || route.Type == ApiRouteType.Tcp) return [listener.Hostname];
        var common = new List<string>();
        foreach (var host in route.Hostnames)
            if (Hostnames.IsWithin(host, listener.Hostname)) common.Add(host);
            else if (Hostnames.IsWithin(listener.Hostname, host)) common.Add(listener.Hostname);
        return common;
    }

    /// <summary>A route on a Service: for everybody when it is of the service's namespace, else only for callers of the route's own.</summary>
    private static ApiCondition ToService(
        ApiRoute route, ParentRef parent, ApiInputs inputs, List<ApiEntry> entries, ImmutableArray<RouteDestination> shares,
        SortedDictionary<string, HostRoutes> mesh, List<VirtualService> l4)
    {
        var ns = parent.Namespace.Length > 0 ? parent.Namespace : route.Namespace;
        var host = parent.Kind == "Service" ? $"{parent.Name}.{ns}.svc.{inputs.Mesh.Domain}" : inputs.Entry(ns, parent.Name)?.Hosts.FirstOrDefault() ?? "";
        if (!inputs.Services.Contains(host)) return new("Accepted", false, "NoMatchingParent", $"{parent.Kind} {ns}/{parent.Name} does not exist");

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
            if (ApiBackends.Resolve(route, backend, inputs, ref problem) is { IsBroken: false, Weight: > 0 } share) shares.Add(share);
        if (problem is not null) problems.Add(problem);
        return shares.ToImmutable();
    }
}
