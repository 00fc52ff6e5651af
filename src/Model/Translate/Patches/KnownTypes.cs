using Google.Protobuf.Reflection;

namespace Mesh.Model.Translate;

/// <summary>The types that may stand in an Any of a patch. Files bring what they import.</summary>
internal static class KnownTypes
{
    public static IReadOnlyList<FileDescriptor> Files { get; } =
    [
        Envoy.Config.Listener.V3.Listener.Descriptor.File, Envoy.Config.Cluster.V3.Cluster.Descriptor.File, Envoy.Config.Route.V3.RouteConfiguration.Descriptor.File,
        Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpConnectionManager.Descriptor.File, Envoy.Extensions.Filters.Network.TcpProxy.V3.TcpProxy.Descriptor.File,
        Envoy.Extensions.Filters.Http.LocalRatelimit.V3.LocalRateLimit.Descriptor.File, Envoy.Extensions.Filters.Http.Ratelimit.V3.RateLimit.Descriptor.File,
        Envoy.Extensions.Filters.Http.Lua.V3.Lua.Descriptor.File, Envoy.Extensions.Filters.Http.ExtAuthz.V3.ExtAuthz.Descriptor.File,
        Envoy.Extensions.Filters.Http.Buffer.V3.Buffer.Descriptor.File, Envoy.Extensions.Filters.Http.Compressor.V3.Compressor.Descriptor.File,
        Envoy.Extensions.Filters.Http.Cors.V3.Cors.Descriptor.File, Envoy.Extensions.Filters.Http.Fault.V3.HTTPFault.Descriptor.File,
        Envoy.Extensions.Filters.Http.GrpcStats.V3.FilterConfig.Descriptor.File, Envoy.Extensions.Filters.Http.Rbac.V3.RBAC.Descriptor.File,
        Envoy.Extensions.Filters.Http.JwtAuthn.V3.JwtAuthentication.Descriptor.File, Envoy.Extensions.Filters.Http.Router.V3.Router.Descriptor.File,
        Envoy.Extensions.Filters.Http.HeaderMutation.V3.HeaderMutation.Descriptor.File, Envoy.Extensions.Filters.Http.SetFilterState.V3.Config.Descriptor.File,
        Envoy.Extensions.Filters.Http.HealthCheck.V3.HealthCheck.Descriptor.File, Envoy.Extensions.Filters.Http.GrpcWeb.V3.GrpcWeb.Descriptor.File,
        Envoy.Extensions.Filters.Http.StatefulSession.V3.StatefulSession.Descriptor.File, Envoy.Extensions.Filters.Network.LocalRatelimit.V3.LocalRateLimit.Descriptor.File,
        Envoy.Extensions.Filters.Network.Rbac.V3.RBAC.Descriptor.File, Envoy.Extensions.Filters.Network.ConnectionLimit.V3.ConnectionLimit.Descriptor.File,
        Envoy.Extensions.Filters.Listener.TlsInspector.V3.TlsInspector.Descriptor.File, Envoy.Extensions.Filters.Listener.ProxyProtocol.V3.ProxyProtocol.Descriptor.File,
        Envoy.Extensions.TransportSockets.Tls.V3.UpstreamTlsContext.Descriptor.File, Envoy.Extensions.TransportSockets.RawBuffer.V3.RawBuffer.Descriptor.File,
        Envoy.Extensions.Upstreams.Http.V3.HttpProtocolOptions.Descriptor.File, Envoy.Extensions.AccessLoggers.File.V3.FileAccessLog.Descriptor.File,
        Envoy.Extensions.AccessLoggers.Stream.V3.StdoutAccessLog.Descriptor.File, global::Udpa.Type.V1.TypedStruct.Descriptor.File,
        global::Xds.Type.V3.TypedStruct.Descriptor.File,
    ];
}
