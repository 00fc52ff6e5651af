using Envoy.Config.Listener.V3;

namespace Mesh.Model.Translate;

internal static class ListenerFilters
{
    public static ListenerFilter OriginalDestination() => new()
    {
        Name = "envoy.filters.listener.original_dst",
        TypedConfig = Protos.Pack(new Envoy.Extensions.Filters.Listener.OriginalDst.V3.OriginalDst()),
    };

    public static ListenerFilter Tls() => new()
    {
        Name = "envoy.filters.listener.tls_inspector",
        TypedConfig = Protos.Pack(new Envoy.Extensions.Filters.Listener.TlsInspector.V3.TlsInspector()),
    };

    public static ListenerFilter Http() => new()
    {
        Name = "envoy.filters.listener.http_inspector",
        TypedConfig = Protos.Pack(new Envoy.Extensions.Filters.Listener.HttpInspector.V3.HttpInspector()),
    };

    /// <summary>The same filter, but not on these ports.</summary>
    public static ListenerFilter Except(ListenerFilter filter, IReadOnlyList<uint> ports)
    {
        if (ports.Count == 0) return filter;
        var each = ports.Select(port => new ListenerFilterChainMatchPredicate { DestinationPortRange = new() { Start = (int)port, End = (int)port + 1 } }).ToList();
        filter.FilterDisabled = each.Count == 1 ? each[0] : new() { OrMatch = new() { Rules = { each } } };
        return filter;
    }

    public static ListenerFilter ProxyProtocol() => new()
    {
        Name = "envoy.filters.listener.proxy_protocol",
        TypedConfig = Protos.Pack(new Envoy.Extensions.Filters.Listener.ProxyProtocol.V3.ProxyProtocol()),
    };
}
