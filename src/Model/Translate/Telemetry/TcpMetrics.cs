using Envoy.Config.Listener.V3;

namespace Mesh.Model.Translate;

/// <summary>TCP chains count their connections too: the metrics filter stands right before the bytes are passed on.</summary>
internal static class TcpMetrics
{
    public static Listener Add(Listener listener, Observation observed)
    {
        if (observed.TcpMetrics.IsEmpty) return listener;
        foreach (var chain in listener.FilterChains) Add(chain, observed);
        if (listener.DefaultFilterChain is { } rest) Add(rest, observed);
        return listener;
    }

    private static void Add(FilterChain chain, Observation observed)
    {
        if (chain.Filters.Count == 0 || chain.Filters[^1].Name != TcpProxies.Name || chain.Name.EndsWith("blackhole", StringComparison.Ordinal)) return;
        var proxy = chain.Filters[^1];
        chain.Filters.RemoveAt(chain.Filters.Count - 1);
        chain.Filters.Add(observed.TcpMetrics);
        chain.Filters.Add(proxy);
    }
}
