using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>All this proxy has been told, as one immutable value; replaced whole. Parts that did not change are the same objects as before.</summary>
internal sealed record Snapshot
{
    public static readonly Snapshot Empty = new();

    /// <summary>Grows by one with every change; exchanges in flight keep the snapshot they began with.</summary>
    public long Number { get; init; }

    public ImmutableDictionary<string, Listener> Listeners { get; init; } = ImmutableDictionary<string, Listener>.Empty;
    public ImmutableDictionary<string, RouteTable> Routes { get; init; } = ImmutableDictionary<string, RouteTable>.Empty;
    public ImmutableDictionary<string, Cluster> Clusters { get; init; } = ImmutableDictionary<string, Cluster>.Empty;

    /// <summary>By the name under which a cluster asks for them (<see cref="Cluster.EndpointsName"/>), not by cluster.</summary>
    public ImmutableDictionary<string, ClusterEndpoints> Endpoints { get; init; } = ImmutableDictionary<string, ClusterEndpoints>.Empty;

    public ImmutableDictionary<string, Secret> Secrets { get; init; } = ImmutableDictionary<string, Secret>.Empty;

    /// <summary>HTTP filters delivered by name of their own (ECDS).</summary>
    public ImmutableDictionary<string, HttpFilterSettings> Extensions { get; init; } = ImmutableDictionary<string, HttpFilterSettings>.Empty;

    /// <summary>What the DNS proxy answers from; null until the control plane has sent one.</summary>
    public NameTable? Names { get; init; }

    /// <summary>Null for a cluster that has not been told its endpoints (or resolves them itself).</summary>
    public ClusterEndpoints? EndpointsOf(Cluster cluster) =>
        cluster.Endpoints ?? Endpoints.GetValueOrDefault(cluster.EndpointsName);

    /// <summary>The table a connection's HTTP settings name, or carry themselves; null while it has not arrived.</summary>
    public RouteTable? RoutesOf(HttpConnectionSettings http) =>
        http.Routes ?? (http.RoutesName is { } name ? Routes.GetValueOrDefault(name) : null);
}

/// <summary>The names this proxy's workload may resolve without leaving the pod.</summary>
internal sealed record NameTable(ImmutableDictionary<string, NameEntry> Names);

internal sealed record NameEntry(ImmutableArray<System.Net.IPAddress> Addresses, string Registry, string ShortName, string Namespace, ImmutableArray<string> AltHosts);
