using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Network.TcpProxy.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Bytes passed on to one cluster, or shared among several by weight.</summary>
internal static class TcpProxies
{
    public const string Name = "envoy.filters.network.tcp_proxy";

    public static Filter To(string cluster, ImmutableArray<AccessLog> logs, TimeSpan? idle = null, Tunnel? tunnel = null)
    {
        var proxy = new TcpProxy { StatPrefix = cluster, Cluster = cluster, TunnelingConfig = Through(tunnel) };
        if (idle is { } timeout) proxy.IdleTimeout = Protos.Span(timeout);
        proxy.AccessLog.Add(logs);
        return Wrap(proxy);
    }

    public static Filter Among(string statPrefix, IReadOnlyList<(string Cluster, int Weight)> shares, ImmutableArray<AccessLog> logs, TimeSpan? idle = null, Tunnel? tunnel = null)
    {
        if (shares.Count == 1) return To(shares[0].Cluster, logs, idle, tunnel);
        var proxy = new TcpProxy { StatPrefix = statPrefix, WeightedClusters = new(), TunnelingConfig = Through(tunnel) };
        foreach (var (cluster, weight) in shares)
            if (weight > 0) proxy.WeightedClusters.Clusters.Add(new TcpProxy.Types.WeightedCluster.Types.ClusterWeight { Name = cluster, Weight = (uint)weight });
        if (idle is { } timeout) proxy.IdleTimeout = Protos.Span(timeout);
        proxy.AccessLog.Add(logs);
        return Wrap(proxy);
    }

    /// <summary>HTTP CONNECT (or POST) to the named target around the bytes.</summary>
    private static TcpProxy.Types.TunnelingConfig? Through(Tunnel? tunnel) => tunnel is null
        ? null : new() { Hostname = Names.HostAndPort(tunnel.TargetHost, tunnel.TargetPort), UsePost = tunnel.Protocol == "POST" };

    public static Filter Wrap(TcpProxy proxy) => new() { Name = Name, TypedConfig = Protos.Pack(proxy) };
}
