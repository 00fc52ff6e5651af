using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Istio's names for clusters, listeners and routes. Access logs, metrics and tools depend on them letter by letter.</summary>
internal static class Names
{
    public const string BlackHole = "BlackHoleCluster";
    public const string Passthrough = "PassthroughCluster";
    public const string InboundPassthrough = "InboundPassthroughCluster";
    public const string VirtualOutbound = "virtualOutbound";
    public const string VirtualInbound = "virtualInbound";
    public const string AllowAny = "allow_any";
    public const string BlockAll = "block_all";

    public static string Outbound(int port, string subset, string host) => $"outbound|{port}|{subset}|{host}";

    public static string Inbound(int port) => $"inbound|{port}||";

    /// <summary>The cluster of what goes to hosts outside the registry. A proxy for that is used as it is written: a port that is not said is no port.</summary>
    public static string Rest(Scope scope)
    {
        if (scope.Outbound == OutboundMode.RegistryOnly) return BlackHole;
        return scope.EgressProxy is { } proxy ? Outbound(proxy.Port, proxy.Subset, proxy.Host) : Passthrough;
    }

    /// <summary>The SNI of mesh mTLS, and the cluster name behind an AUTO_PASSTHROUGH gateway.</summary>
    public static string Sni(int port, string subset, string host) => $"outbound_.{port}_.{subset}_.{host}";

    /// <summary>The name in statistics, which <c>%UPSTREAM_CLUSTER%</c> shows too: the semicolon ends it for those who cut names out of longer ones.</summary>
    public static string Stat(string cluster) => $"{cluster};";

    public static string HostAndPort(string host, int port) => $"{host}:{port}";

    public static string Listener(string address, int port) => $"{address}_{port}";
}
