using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

internal enum AccessLogSink { File, StandardOutput, StandardError, GrpcHttp, GrpcTcp, OpenTelemetry }

internal sealed record AccessLogSettings
{
    public string Name { get; init; } = "";
    public CompiledCell Cell { get; } = new();
    public AccessLogSink Sink { get; init; }
    /// <summary>For <see cref="AccessLogSink.File"/>.</summary>
    public string Path { get; init; } = "";
    /// <summary>Null and no JSON: the format of the field's documentation.</summary>
    public string? TextFormat { get; init; }
    public JsonFormat? Json { get; init; }
    public bool OmitEmptyValues { get; init; }
    
    public AccessLogFilter? Filter { get; init; }
    /// <summary>For the sinks that are services.</summary>
    public ExternalService? Service { get; init; }
    public string LogName { get; init; } = "";
    public ImmutableArray<string> RequestHeaders { get; init; } = [];
    public ImmutableArray<string> ResponseHeaders { get; init; } = [];
    public ImmutableArray<string> ResponseTrailers { get; init; } = [];
}

/// <summary>A JSON object whose leaves are format texts (or literal values).</summary>
internal sealed record JsonFormat(ImmutableArray<KeyValuePair<string, JsonFormatValue>> Fields);

internal sealed record JsonFormatValue
{
    public string? Text { get; init; }
    public double? Number { get; init; }
    public bool? Flag { get; init; }
    public JsonFormat? Object { get; init; }
    public ImmutableArray<JsonFormatValue>? Items { get; init; }
}

internal enum Comparison { Equal, GreaterOrEqual, LessOrEqual, NotEqual }

internal abstract record AccessLogFilter
{
    public sealed record Status(Comparison Op, uint Value) : AccessLogFilter;
    public sealed record Duration(Comparison Op, uint Ms) : AccessLogFilter;
    public sealed record NotHealthCheck : AccessLogFilter;
    public sealed record Traceable : AccessLogFilter;
    public sealed record Share(Fraction Fraction, bool Independent) : AccessLogFilter;
    public sealed record And(ImmutableArray<AccessLogFilter> Inner) : AccessLogFilter;
    public sealed record Or(ImmutableArray<AccessLogFilter> Inner) : AccessLogFilter;
    public sealed record Header(HeaderMatch Match) : AccessLogFilter;
    /// <summary>Empty: any flag at all.</summary>
    public sealed record ResponseFlag(ImmutableArray<string> Flags) : AccessLogFilter;
    public sealed record GrpcStatus(ImmutableArray<int> Statuses, bool Exclude) : AccessLogFilter;
    public sealed record Expression(string Cel) : AccessLogFilter;
    public sealed record Metadata(MetadataMatch Match, bool MatchIfKeyNotFound) : AccessLogFilter;
}
