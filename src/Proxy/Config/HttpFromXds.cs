using System.Collections.Immutable;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Extensions.RequestId.Uuid.V3;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Extensions.Filters.Network.HttpConnectionManager.V3.HttpConnectionManager;

namespace Mesh.Proxy.Config;

/// <summary>Connection managers.</summary>
internal static class HttpFromXds
{
    public static HttpConnectionSettings Read(Proto proto)
    {
        if (proto.CodecType == Proto.Types.CodecType.Http3) throw new ConfigRefusedException("codec_type", "HTTP3 is not supported");
        if (proto.RouteSpecifierCase == Proto.RouteSpecifierOneofCase.ScopedRoutes) throw new ConfigRefusedException("scoped_routes", "are not supported; use rds");

        var common = proto.CommonHttpProtocolOptions;
        var filters = Each("http_filters", proto.HttpFilters, HttpFiltersFromXds.Read);
        return new()
        {
            StatPrefix = proto.StatPrefix,
            Codec = (CodecKind)proto.CodecType,
            Routes = proto.RouteSpecifierCase == Proto.RouteSpecifierOneofCase.RouteConfig ? In("route_config", proto.RouteConfig, RouteFromXds.Read) : null,
            RoutesName = proto.RouteSpecifierCase == Proto.RouteSpecifierOneofCase.Rds ? proto.Rds.RouteConfigName : null,
            Filters = filters,
            SuppressEnvoyHeaders = filters.OfType<RouterFilter>().Any(router => router.SuppressEnvoyHeaders),
            AccessLogs = AccessLogFromXds.Each("access_log", proto.AccessLog),
            Tracing = In("tracing", proto.Tracing, TracingFromXds.Read),

            UseRemoteAddress = proto.UseRemoteAddress ?? false,
            TrustedHops = Math.Min(proto.XffNumTrustedHops, 100),
            SkipXffAppend = proto.SkipXffAppend,
            AppendXForwardedPort = proto.AppendXForwardedPort,
            InternalAddresses = proto.InternalAddressConfig is null ? [] : Each("internal_address_config.cidr_ranges", proto.InternalAddressConfig.CidrRanges, Range),
            ForwardClientCert = (ForwardClientCert)proto.ForwardClientCertDetails,
            SetCurrentClientCert = CertFields(proto.SetCurrentClientCertDetails),

            ServerName = proto.ServerName.Length > 0 ? proto.ServerName : "envoy",
            ServerHeader = (ServerHeaderMode)proto.ServerHeaderTransformation,
            Via = proto.Via,
            GenerateRequestId = proto.GenerateRequestId ?? true,
            PreserveExternalRequestId = proto.PreserveExternalRequestId,
            AlwaysSetRequestIdInResponse = proto.AlwaysSetRequestIdInResponse,
            RequestId = RequestId(proto.RequestIdExtension),

            NormalizePath = proto.NormalizePath ?? false,
            MergeSlashes = proto.MergeSlashes,
            EscapedSlashes = proto.PathWithEscapedSlashesAction switch
            {
                Proto.Types.PathWithEscapedSlashesAction.RejectRequest => EscapedSlashes.RejectRequest,
                Proto.Types.PathWithEscapedSlashesAction.UnescapeAndRedirect => EscapedSlashes.UnescapeAndRedirect,
                Proto.Types.PathWithEscapedSlashesAction.UnescapeAndForward => EscapedSlashes.UnescapeAndForward,
                _ => EscapedSlashes.KeepUnchanged,
            },
            StripPort = proto.StripAnyHostPort ? StripPort.Any : proto.StripMatchingHostPort ? StripPort.Matching : StripPort.No,
            StripTrailingHostDot = proto.StripTrailingHostDot,
            UnderscoreHeaders = (UnderscoreHeaders)(common?.HeadersWithUnderscoresAction ?? 0),

            IdleTimeout = Limit(common?.IdleTimeout, TimeSpan.FromHours(1)),
            StreamIdleTimeout = Limit(proto.StreamIdleTimeout, TimeSpan.FromMinutes(5)),
            RequestTimeout = Limit(proto.RequestTimeout),
            RequestHeadersTimeout = Limit(proto.RequestHeadersTimeout),
            MaxConnectionDuration = Limit(common?.MaxConnectionDuration),
            MaxStreamDuration = Limit(common?.MaxStreamDuration),
            DrainTimeout = Span(proto.DrainTimeout) ?? TimeSpan.FromSeconds(5),
            DelayedCloseTimeout = Span(proto.DelayedCloseTimeout) ?? TimeSpan.FromSeconds(1),

            RequestsPerConnectionMax = common?.MaxRequestsPerConnection ?? 0,
            RequestHeadersKibMax = proto.MaxRequestHeadersKb ?? 60,
            HeadersCountMax = common?.MaxHeadersCount ?? 100,

            Upgrades = [.. proto.UpgradeConfigs.Select(upgrade => new UpgradeSettings(upgrade.UpgradeType.ToLowerInvariant(), upgrade.Enabled ?? true))],
            Http1 = Http1(proto.HttpProtocolOptions),
            Http2 = Http2(proto.Http2ProtocolOptions),
            Proxy100Continue = proto.Proxy100Continue,
            StreamErrorOnInvalidMessage = proto.StreamErrorOnInvalidHttpMessage ?? false,
        };
    }

    public static Http1Settings Http1(Envoy.Config.Core.V3.Http1ProtocolOptions? options) => options is null ? new() : new()
    {
        AcceptHttp10 = options.AcceptHttp10,
        DefaultHostForHttp10 = options.DefaultHostForHttp10,
        AllowAbsoluteUrl = options.AllowAbsoluteUrl ?? true,
        PreserveHeaderCase = options.HeaderKeyFormat?.StatefulFormatter is not null,
        EnableTrailers = options.EnableTrailers,
        StreamErrorOnInvalidMessage = options.OverrideStreamErrorOnInvalidHttpMessage,
    };

    private static ClientCertFields CertFields(Proto.Types.SetCurrentClientCertDetails? details) => details is null
        ? ClientCertFields.None
        : (details.Subject == true ? ClientCertFields.Subject : 0)
          | (details.Cert ? ClientCertFields.Cert : 0)
          | (details.Chain ? ClientCertFields.Chain : 0)
          | (details.Dns ? ClientCertFields.Dns : 0)
          | (details.Uri ? ClientCertFields.Uri : 0);

    private static RequestIdSettings RequestId(RequestIDExtension? extension)
    {
        if (extension?.TypedConfig is not { } config) return new();
        var type = TypeOf(config);
        if (type != "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig") throw new ConfigRefusedException("request_id_extension", $"'{type}' is not supported");
        var uuid = Unpack(config, UuidRequestIdConfig.Parser);
        return new(uuid.PackTraceReason ?? true, uuid.UseRequestIdForTraceSampling ?? true);
    }
}
