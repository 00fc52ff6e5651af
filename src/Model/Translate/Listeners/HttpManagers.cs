using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Envoy.Extensions.Filters.Http.Cors.V3;
using Envoy.Extensions.Filters.Http.Fault.V3;
using Envoy.Extensions.Filters.Http.GrpcStats.V3;
using Envoy.Extensions.Filters.Http.Router.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>The HTTP connection managers of all three places: outbound, inbound, gateway. What they have in common stands here once.</summary>
internal static class HttpManagers
{
    public const string Name = "envoy.filters.network.http_connection_manager";

    public static HttpConnectionManager Create(string statPrefix, MeshConfig mesh, ProxyShape shape, Observation observed)
    {
        var headers = shape.Settings.Headers;
        var made = new HttpConnectionManager
        {
            StatPrefix = statPrefix,
            UseRemoteAddress = false,
            StreamIdleTimeout = new(),
            Proxy100Continue = true,
            NormalizePath = mesh.PathNormalization != PathNormalization.None,
            PathWithEscapedSlashesAction = mesh.PathNormalization == PathNormalization.DecodeAndMergeSlashes
                ? HttpConnectionManager.Types.PathWithEscapedSlashesAction.UnescapeAndForward
                : HttpConnectionManager.Types.PathWithEscapedSlashesAction.KeepUnchanged,
            MergeSlashes = mesh.PathNormalization is PathNormalization.MergeSlashes or PathNormalization.DecodeAndMergeSlashes,
            UpgradeConfigs = { new HttpConnectionManager.Types.UpgradeConfig { UpgradeType = "websocket" } },
            RequestIdExtension = new() { TypedConfig = Protos.Pack(new Envoy.Extensions.RequestId.Uuid.V3.UuidRequestIdConfig { UseRequestIdForTraceSampling = observed.TracesByRequestId }) },
            Tracing = observed.Tracing,
        };
        made.AccessLog.Add(observed.Logs);
        if (shape.AllowsHttp10) made.HttpProtocolOptions = new() { AcceptHttp10 = true };
        if (headers?.PreservesHttp1Case == true)
        {
            made.HttpProtocolOptions ??= new();
            made.HttpProtocolOptions.HeaderKeyFormat = new()
            {
                StatefulFormatter = Protos.Extension("preserve_case", new Envoy.Extensions.Http.HeaderFormatters.PreserveCase.V3.PreserveCaseFormatterConfig()),
            };
        }
        if (headers?.ServerDisabled == true) made.ServerHeaderTransformation = HttpConnectionManager.Types.ServerHeaderTransformation.PassThrough;
        if (headers?.RequestIdDisabled == true) made.GenerateRequestId = false;
        return made;
    }

    /// <summary>The end of every filter list. Faults and CORS act only where a route asks for them.</summary>
    public static void AddCommonFilters(HttpConnectionManager manager, ProxyShape shape, Observation observed, bool isOutbound)
    {
        // Who calls must be known before anything else looks at the request.
        if (shape.Kind.HasIstioFilters) manager.HttpFilters.Insert(0, IstioFilters.PeerMetadata(isOutbound, shape.Settings.Headers));
        manager.HttpFilters.Add(Filter("envoy.filters.http.grpc_stats", new FilterConfig { EmitFilterState = true, StatsForAllMethods = false }));
        if (isOutbound && shape.Kind.HasIstioFilters) manager.HttpFilters.Add(IstioFilters.AlpnFilter);
        manager.HttpFilters.Add(Filter("envoy.filters.http.fault", new HTTPFault()));
        manager.HttpFilters.Add(Filter("envoy.filters.http.cors", new Envoy.Extensions.Filters.Http.Cors.V3.Cors()));
        if (shape.Kind.HasIstioFilters && observed.Metrics is { } metrics) manager.HttpFilters.Add(Filter("istio.stats", metrics));
        manager.HttpFilters.Add(Filter("envoy.filters.http.router", new Router { SuppressEnvoyHeaders = shape.Settings.Headers?.EnvoyDebugHeadersDisabled == true }));
    }

    public static HttpFilter Filter(string name, Google.Protobuf.IMessage config) => new() { Name = name, TypedConfig = Protos.Pack(config) };

    public static Filter AsNetworkFilter(HttpConnectionManager manager) => new() { Name = Name, TypedConfig = Protos.Pack(manager) };
}
