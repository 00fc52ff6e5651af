using System.Collections.Immutable;
using Envoy.Config.Accesslog.V3;
using Envoy.Config.Core.V3;
using Envoy.Extensions.AccessLoggers.File.V3;
using Envoy.Extensions.AccessLoggers.OpenTelemetry.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Istio's default access log line, and those of providers that write to files.</summary>
internal static class AccessLogs
{
    public const string DefaultText =
        "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% "
        + "%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% "
        + "%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" "
        + "\"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% "
        + "%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

    private static readonly ImmutableArray<(string Key, string Value)> DefaultJson =
    [
        ("start_time", "%START_TIME%"), ("route_name", "%ROUTE_NAME%"), ("method", "%REQ(:METHOD)%"), ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
        ("protocol", "%PROTOCOL%"), ("response_code", "%RESPONSE_CODE%"), ("response_flags", "%RESPONSE_FLAGS%"),
        ("response_code_details", "%RESPONSE_CODE_DETAILS%"), ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
        ("bytes_received", "%BYTES_RECEIVED%"), ("bytes_sent", "%BYTES_SENT%"), ("duration", "%DURATION%"),
        ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"), ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
        ("user_agent", "%REQ(USER-AGENT)%"), ("request_id", "%REQ(X-REQUEST-ID)%"), ("authority", "%REQ(:AUTHORITY)%"),
        ("upstream_host", "%UPSTREAM_HOST%"), ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"), ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
        ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"), ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
        ("requested_server_name", "%REQUESTED_SERVER_NAME%"), ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ];

    /// <returns>Null when the mesh writes none.</returns>
    public static AccessLog? OfMesh(MeshConfig mesh) => mesh.AccessLogFile.Length == 0 ? null : File(mesh.AccessLogFile, mesh);

    public static AccessLog File(string path, MeshConfig mesh)
    {
        if (!mesh.AccessLogIsJson) return Text(path, mesh.AccessLogFormat.Length > 0 ? WithNewline(mesh.AccessLogFormat) : DefaultText);
        if (mesh.AccessLogFormat.Length > 0 && Yaml.YamlReader.Read(mesh.AccessLogFormat, "accessLogFormat", out var error) is [Yaml.MapNode map] && error is null)
            return Json(path, Struct(map));
        var fields = new Struct();
        foreach (var (key, value) in DefaultJson) fields.Fields[key] = Value.ForString(value);
        return Json(path, fields);
    }

    /// <summary>An envoyFileAccessLog or envoyOtelAls provider, or <c>envoy</c>, which every mesh has. Null for others, which analysis names.</summary>
    public static AccessLog? OfProvider(string name, View view)
    {
        var mesh = view.Mesh;
        if (mesh.Provider(name) is not { } provider) return name == "envoy" ? File("/dev/stdout", mesh) : null;
        if (provider.Kind == "envoyOtelAls") return OpenTelemetry(provider, view);
        if (provider.Kind != "envoyFileAccessLog") return null;

        var path = provider.Path.Length > 0 ? provider.Path : "/dev/stdout";
        if (provider.LogText is { Length: > 0 } text) return Text(path, WithNewline(text));
        if (!provider.HasLogLabels) return Text(path, DefaultText);
        var fields = new Struct();
        foreach (var (key, value) in provider.LogLabels) fields.Fields[key] = Value.ForString(value);
        if (fields.Fields.Count > 0) return Json(path, fields);
        foreach (var (key, value) in DefaultJson) fields.Fields[key] = Value.ForString(value);
        return Json(path, fields);
    }

    private static AccessLog? OpenTelemetry(ExtensionProvider provider, View view)
    {
        if (Providers.ClusterOf(provider, view) is not var (cluster, host)) return null;

        var made = new OpenTelemetryAccessLogConfig
        {
            LogName = provider.Raw.Text("logName") is { Length: > 0 } name ? name : "otel_envoy_accesslog",
            GrpcService = new() { EnvoyGrpc = new() { ClusterName = cluster, Authority = host } },
            Body = new() { StringValue = provider.LogText is { Length: > 0 } text ? text : DefaultText.TrimEnd('\n') },
        };
        if (!provider.LogLabels.IsEmpty)
        {
            made.Attributes = new();
            foreach (var (key, value) in provider.LogLabels) made.Attributes.Values.Add(new Opentelemetry.Proto.Common.V1.KeyValue { Key = key, Value = new() { StringValue = value } });
        }
        return new() { Name = "envoy.access_loggers.open_telemetry", TypedConfig = Protos.Pack(made) };
    }

    // Operators that stock Envoy has in extensions of their own.
    private static readonly ImmutableArray<(string Operator, TypedExtensionConfig Formatter)> Formatters =
    [
        ("%REQ_WITHOUT_QUERY(", Protos.Extension("envoy.formatter.req_without_query", new Envoy.Extensions.Formatter.ReqWithoutQuery.V3.ReqWithoutQuery())),
        ("%METADATA(", Protos.Extension("envoy.formatter.metadata", new Envoy.Extensions.Formatter.Metadata.V3.Metadata())),
        ("%CEL(", Protos.Extension("envoy.formatter.cel", new Envoy.Extensions.Formatter.Cel.V3.Cel())),
    ];

    private static SubstitutionFormatString WithFormatters(SubstitutionFormatString format, string text)
    {
        foreach (var (op, formatter) in Formatters)
            if (text.Contains(op, StringComparison.Ordinal)) format.Formatters.Add(formatter.Clone());
        return format;
    }

    private static string WithNewline(string text) => text.EndsWith('\n') ? text : text + "\n";

    private static AccessLog Text(string path, string format) => Log(new() { Path = path, LogFormat = WithFormatters(new() { TextFormatSource = new() { InlineString = format } }, format) });

    private static AccessLog Json(string path, Struct fields) => Log(new() { Path = path, LogFormat = WithFormatters(new() { JsonFormat = fields }, fields.ToString()) });

    private static AccessLog Log(FileAccessLog file) => new() { Name = "envoy.access_loggers.file", TypedConfig = Protos.Pack(file) };

    private static Struct Struct(Yaml.MapNode map)
    {
        var made = new Struct();
        foreach (var (key, value) in map.Fields)
            made.Fields[key] = value switch
            {
                Yaml.MapNode inner => Value.ForStruct(Struct(inner)),
                Yaml.ScalarNode scalar => Value.ForString(scalar.Text),
                _ => Value.ForNull(),
            };
        return made;
    }
}
