using Envoy.Config.Trace.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Type.Tracing.V3;
using static Mesh.Proxy.Config.ValuesFromXds;

namespace Mesh.Proxy.Config;

/// <summary>Where spans go and which requests get one.</summary>
internal static class TracingFromXds
{
    public static TracingSettings? Read(HttpConnectionManager.Types.Tracing? proto)
    {
        if (proto is null) return null;

        var settings = new TracingSettings
        {
            Client = Share(proto.ClientSampling, Fraction.All),
            Random = Share(proto.RandomSampling, Fraction.All),
            Overall = Share(proto.OverallSampling, Fraction.All),
            PathTagCharsMax = proto.MaxPathTagLength ?? 256,
            SpawnUpstreamSpan = proto.SpawnUpstreamSpan ?? false,
            Verbose = proto.Verbose,
            Tags = Each("custom_tags", proto.CustomTags, Tag),
            DisableReporting = proto.Provider is null,
        };
        return proto.Provider is { TypedConfig: { } config } ? In("provider", config, any => Provider(settings, any)) : settings;
    }

    public static TraceTag Tag(CustomTag proto) => proto.TypeCase switch
    {
        CustomTag.TypeOneofCase.Literal => new(proto.Tag, TraceTagKind.Literal, proto.Literal.Value, ""),
        CustomTag.TypeOneofCase.Environment => new(proto.Tag, TraceTagKind.Environment, proto.Environment.Name, proto.Environment.DefaultValue),
        CustomTag.TypeOneofCase.RequestHeader => new(proto.Tag, TraceTagKind.RequestHeader, proto.RequestHeader.Name.ToLowerInvariant(), proto.RequestHeader.DefaultValue),
        CustomTag.TypeOneofCase.Metadata => new(proto.Tag, TraceTagKind.Metadata,
            string.Join(':', proto.Metadata.MetadataKey.Path.Select(segment => segment.Key).Prepend(proto.Metadata.MetadataKey.Key)), proto.Metadata.DefaultValue),
        CustomTag.TypeOneofCase.Value => new(proto.Tag, TraceTagKind.Formatter, "", "") { Format = new(proto.Value) },
        _ => throw new ConfigRefusedException("a custom tag without a kind"),
    };

    private static TracingSettings Provider(TracingSettings settings, Google.Protobuf.WellKnownTypes.Any config)
    {
        switch (TypeOf(config))
        {
            case "envoy.config.trace.v3.ZipkinConfig":
                var zipkin = Unpack(config, ZipkinConfig.Parser);
                return settings with
                {
                    Provider = TraceProvider.Zipkin,
                    Cluster = zipkin.CollectorCluster,
                    Endpoint = zipkin.CollectorEndpoint,
                    Hostname = zipkin.CollectorHostname,
                    TraceId128Bit = zipkin.TraceId128Bit,
                    SharedSpan = zipkin.SharedSpanContext ?? true,
                    Timeout = TimeSpan.FromSeconds(5),
                    Propagation = zipkin.TraceContextOption == ZipkinConfig.Types.TraceContextOption.UseB3WithW3CPropagation ? TraceHeaders.B3 | TraceHeaders.W3C : TraceHeaders.B3,
                };
            case "envoy.config.trace.v3.OpenTelemetryConfig":
                var otel = Unpack(config, OpenTelemetryConfig.Parser);
                var overHttp = otel.HttpService;
                return settings with
                {
                    Provider = overHttp is null ? TraceProvider.OpenTelemetryGrpc : TraceProvider.OpenTelemetryHttp,
                    Cluster = overHttp?.HttpUri.Cluster ?? Service(otel.GrpcService).Cluster,
                    Endpoint = overHttp?.HttpUri.Uri ?? "",
                    Hostname = overHttp is null ? otel.GrpcService.EnvoyGrpc.Authority : "",
                    ServiceName = otel.ServiceName,
                    Timeout = Limit(overHttp is null ? otel.GrpcService.Timeout : overHttp.HttpUri.Timeout) ?? TimeSpan.FromSeconds(10),
                    Headers = overHttp is null ? [.. otel.GrpcService.InitialMetadata.Select(h => KeyValuePair.Create(h.Key, h.Value))] : [.. overHttp.RequestHeadersToAdd.Select(h => KeyValuePair.Create(h.Header.Key, h.Header.Value))],
                    Propagation = TraceHeaders.W3C,
                };
            case "envoy.config.trace.v3.DatadogConfig":
                var datadog = Unpack(config, DatadogConfig.Parser);
                return settings with { Provider = TraceProvider.Datadog, Cluster = datadog.CollectorCluster, ServiceName = datadog.ServiceName, Hostname = datadog.CollectorHostname };
            case var other:
                throw new ConfigRefusedException("typed_config", $"tracer '{other}' is not supported");
        }
    }
}
