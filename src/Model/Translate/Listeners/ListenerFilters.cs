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

    public static ListenerFilter ProxyProtocol() => new()
    {
        Name = "envoy.filters.listener.proxy_protocol",
        TypedConfig = Protos.Pack(new Envoy.Extensions.Filters.Listener.ProxyProtocol.V3.ProxyProtocol()),
    };
}
