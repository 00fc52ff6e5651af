using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Envoy.Config.Core.V3;
using Envoy.Extensions.AccessLoggers.File.V3;
using Envoy.Extensions.AccessLoggers.Filters.Cel.V3;
using Envoy.Extensions.AccessLoggers.Grpc.V3;
using Envoy.Extensions.AccessLoggers.OpenTelemetry.V3;
using Envoy.Extensions.AccessLoggers.Stream.V3;
using Google.Protobuf.WellKnownTypes;
using static Mesh.Proxy.Config.ValuesFromXds;
using Proto = Envoy.Config.Accesslog.V3;

namespace Mesh.Proxy.Config;

/// <summary>Where requests are recorded, how, and which.</summary>
internal static class AccessLogFromXds
{
    public static ImmutableArray<AccessLogSettings> Each(string field, IReadOnlyList<AccessLog> logs) => ValuesFromXds.Each(field, logs, Read);

    private static AccessLogSettings Read(AccessLog proto)
    {
        var settings = new AccessLogSettings { Name = proto.Name, Filter = proto.Filter is null ? null : In("filter", proto.Filter, Filter) };
        return In("typed_config", proto.TypedConfig, config => Sink(settings, config));
    }

    private static AccessLogSettings Sink(AccessLogSettings settings, Any config)
    {
        switch (TypeOf(config))
        {
            case "envoy.extensions.access_loggers.file.v3.FileAccessLog":
                var file = Unpack(config, FileAccessLog.Parser);
                settings = settings with
                {
                    Path = file.Path,
                    Sink = file.Path switch { "/dev/stdout" => AccessLogSink.StandardOutput, "/dev/stderr" => AccessLogSink.StandardError, _ => AccessLogSink.File },
                };
                return file.AccessLogFormatCase switch
                {
                    FileAccessLog.AccessLogFormatOneofCase.Format => settings with { TextFormat = file.Format },
                    FileAccessLog.AccessLogFormatOneofCase.JsonFormat => settings with { Json = Json(file.JsonFormat) },
                    FileAccessLog.AccessLogFormatOneofCase.TypedJsonFormat => settings with { Json = Json(file.TypedJsonFormat) },
                    FileAccessLog.AccessLogFormatOneofCase.LogFormat => Format(settings, file.LogFormat),
                    _ => settings,
                };
            case "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog":
                return Format(settings with { Sink = AccessLogSink.StandardOutput }, Unpack(config, StdoutAccessLog.Parser).LogFormat);
            case "envoy.extensions.access_loggers.stream.v3.StderrAccessLog":
                return Format(settings with { Sink = AccessLogSink.StandardError }, Unpack(config, StderrAccessLog.Parser).LogFormat);
            case "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig":
                var http = Unpack(config, HttpGrpcAccessLogConfig.Parser);
                return Grpc(settings with
                {
                    Sink = AccessLogSink.GrpcHttp,
                    RequestHeaders = [.. http.AdditionalRequestHeadersToLog],
                    ResponseHeaders = [.. http.AdditionalResponseHeadersToLog],
                    ResponseTrailers = [.. http.AdditionalResponseTrailersToLog],
                }, http.CommonConfig);
            case "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig":
                return Grpc(settings with { Sink = AccessLogSink.GrpcTcp }, Unpack(config, TcpGrpcAccessLogConfig.Parser).CommonConfig);
            case "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig":
                var otel = Unpack(config, OpenTelemetryAccessLogConfig.Parser);
                return settings with
                {
                    Sink = AccessLogSink.OpenTelemetry,
                    TextFormat = otel.Body?.StringValue,
                    Json = otel.Attributes is null
                        ? null
                        : new([.. otel.Attributes.Values.Select(pair => System.Collections.Generic.KeyValuePair.Create(pair.Key, new JsonFormatValue { Text = pair.Value.StringValue }))]),
                    LogName = otel.LogName,
                    Service = In("grpc_service", otel.GrpcService, Service),
                };
            case var other:
                throw new ConfigRefusedException($"access logger '{other}' is not supported");
        }
    }

    private static AccessLogSettings Grpc(AccessLogSettings settings, CommonGrpcAccessLogConfig common) =>
        settings with { LogName = common.LogName, Service = In("common_config.grpc_service", common.GrpcService, Service) };

    private static AccessLogSettings Format(AccessLogSettings settings, SubstitutionFormatString? format) => format?.FormatCase switch
    {
        null or SubstitutionFormatString.FormatOneofCase.None => settings,
        SubstitutionFormatString.FormatOneofCase.JsonFormat => settings with
        {
            Json = Json(format.JsonFormat), OmitEmptyValues = format.OmitEmptyValues,
        },
        SubstitutionFormatString.FormatOneofCase.TextFormatSource => settings with { TextFormat = Text(format.TextFormatSource), OmitEmptyValues = format.OmitEmptyValues },
        _ => settings with { TextFormat = format.TextFormat, OmitEmptyValues = format.OmitEmptyValues },
    };

    // The field of a proto map has no order of its own; by name is at least the same every time.
    private static JsonFormat Json(Struct fields) => new(
        [.. fields.Fields.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => System.Collections.Generic.KeyValuePair.Create(pair.Key, JsonValue(pair.Value)))]);

    private static JsonFormatValue JsonValue(Value value) => value.KindCase switch
    {
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.StringValue => new() { Text = value.StringValue },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.NumberValue => new() { Number = value.NumberValue },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.BoolValue => new() { Flag = value.BoolValue },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.StructValue => new() { Object = Json(value.StructValue) },
        Google.Protobuf.WellKnownTypes.Value.KindOneofCase.ListValue => new() { Items = [.. value.ListValue.Values.Select(JsonValue)] },
        _ => new(),
    };

    private static Config.AccessLogFilter Filter(Proto.AccessLogFilter proto) => proto.FilterSpecifierCase switch
    {
        Proto.AccessLogFilter.FilterSpecifierOneofCase.StatusCodeFilter =>
            new Config.AccessLogFilter.Status(Op(proto.StatusCodeFilter.Comparison), proto.StatusCodeFilter.Comparison.Value?.DefaultValue ?? 0),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.DurationFilter =>
            new Config.AccessLogFilter.Duration(Op(proto.DurationFilter.Comparison), proto.DurationFilter.Comparison.Value?.DefaultValue ?? 0),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.NotHealthCheckFilter => new Config.AccessLogFilter.NotHealthCheck(),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.TraceableFilter => new Config.AccessLogFilter.Traceable(),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.RuntimeFilter =>
            new Config.AccessLogFilter.Share(Share(proto.RuntimeFilter.PercentSampled, Fraction.All), proto.RuntimeFilter.UseIndependentRandomness),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.AndFilter => new Config.AccessLogFilter.And(ValuesFromXds.Each("and_filter", proto.AndFilter.Filters, Filter)),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.OrFilter => new Config.AccessLogFilter.Or(ValuesFromXds.Each("or_filter", proto.OrFilter.Filters, Filter)),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.HeaderFilter => new Config.AccessLogFilter.Header(In("header_filter", proto.HeaderFilter.Header, MatchersFromXds.Header)),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.ResponseFlagFilter => new Config.AccessLogFilter.ResponseFlag([.. proto.ResponseFlagFilter.Flags]),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.GrpcStatusFilter =>
            new Config.AccessLogFilter.GrpcStatus([.. proto.GrpcStatusFilter.Statuses.Select(status => (int)status)], proto.GrpcStatusFilter.Exclude),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.MetadataFilter =>
            new Config.AccessLogFilter.Metadata(In("metadata_filter", proto.MetadataFilter.Matcher, MatchersFromXds.Metadata), proto.MetadataFilter.MatchIfKeyNotFound ?? true),
        Proto.AccessLogFilter.FilterSpecifierOneofCase.ExtensionFilter => In("extension_filter", proto.ExtensionFilter.TypedConfig, Extension),
        var other => throw new ConfigRefusedException($"a filter of kind {other} is not supported"),
    };

    private static Config.AccessLogFilter Extension(Any config)
    {
        var type = TypeOf(config);
        return type == "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
            ? new Config.AccessLogFilter.Expression(Unpack(config, ExpressionFilter.Parser).Expression)
            : throw new ConfigRefusedException($"access log filter '{type}' is not supported");
    }

    private static Comparison Op(ComparisonFilter comparison) => comparison.Op switch
    {
        ComparisonFilter.Types.Op.Ge => Comparison.GreaterOrEqual,
        ComparisonFilter.Types.Op.Le => Comparison.LessOrEqual,
        ComparisonFilter.Types.Op.Ne => Comparison.NotEqual,
        _ => Comparison.Equal,
    };
}
