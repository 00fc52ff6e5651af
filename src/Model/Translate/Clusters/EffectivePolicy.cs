using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>The traffic policy that holds for one port and subset after Istio's inheritance rules.</summary>
internal static class EffectivePolicy
{
    private static readonly TrafficPolicy None = new();

    /// <summary>
    /// Subset over top level, block by block; a port's entry replaces the whole level it stands in. The mesh's default fills what is left.
    /// </summary>
    public static TrafficPolicy For(MergedRule? rule, Subset? subset, int port, MeshConfig mesh)
    {
        var top = AtPort(rule?.Policy, port);
        var merged = subset?.TrafficPolicy is { } own ? Merge(top ?? None, own, port) : top ?? None;
        if (mesh.DefaultPolicy is not { } defaults) return merged;
        return merged with
        {
            ConnectionPool = merged.ConnectionPool ?? defaults.ConnectionPool,
            OutlierDetection = merged.OutlierDetection ?? defaults.OutlierDetection,
        };
    }

    private static TrafficPolicy? AtPort(TrafficPolicy? policy, int port)
    {
        if (policy is null) return null;
        foreach (var entry in policy.Ports)
            if (entry.Port == port)
                return entry.Policy with { Tunnel = policy.Tunnel, ProxyProtocolVersion = policy.ProxyProtocolVersion, RetryBudget = policy.RetryBudget };
        return policy;
    }

    /// <summary>Where the subset has an entry for the port, what that leaves out is the default, not what stands above.</summary>
    private static TrafficPolicy Merge(TrafficPolicy top, TrafficPolicy own, int port)
    {
        var entry = own.Ports.FirstOrDefault(entry => entry.Port == port)?.Policy;
        return new()
        {
            LoadBalancer = entry is null ? own.LoadBalancer ?? top.LoadBalancer : entry.LoadBalancer,
            ConnectionPool = entry is null ? own.ConnectionPool ?? top.ConnectionPool : entry.ConnectionPool,
            OutlierDetection = entry is null ? own.OutlierDetection ?? top.OutlierDetection : entry.OutlierDetection,
            Tls = entry is null ? own.Tls ?? top.Tls : entry.Tls,
            Tunnel = own.Tunnel ?? top.Tunnel,
            ProxyProtocolVersion = own.ProxyProtocolVersion ?? top.ProxyProtocolVersion,
            RetryBudget = own.RetryBudget ?? top.RetryBudget,
        };
    }
}
