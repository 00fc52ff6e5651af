using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

internal enum TraceProvider { Zipkin, OpenTelemetryGrpc, OpenTelemetryHttp, Datadog, SkyWalking, None }

internal sealed record TracingSettings
{
    public CompiledCell Cell { get; } = new();
    public TraceProvider Provider { get; init; } = TraceProvider.None;
    public string Cluster { get; init; } = "";
    public string Endpoint { get; init; } = "";
    public string Hostname { get; init; } = "";
    public string ServiceName { get; init; } = "";
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
    public ImmutableArray<KeyValuePair<string, string>> Headers { get; init; } = [];
    public bool TraceId128Bit { get; init; } = true;
    /// <summary>Client and server halves of a call share a span id (Zipkin's old habit).</summary>
    public bool SharedSpan { get; init; } = true;

    public Fraction Client { get; init; } = Fraction.All;
    public Fraction Random { get; init; } = Fraction.All;
    public Fraction Overall { get; init; } = Fraction.All;
    public uint PathTagCharsMax { get; init; } = 256;
    public bool SpawnUpstreamSpan { get; init; }
    public bool Verbose { get; init; }
    public ImmutableArray<TraceTag> Tags { get; init; } = [];
    /// <summary>Spans are not sent, but headers still are.</summary>
    public bool DisableReporting { get; init; }
    /// <summary>Which headers are read and written; both when nothing is said.</summary>
    public TraceHeaders Propagation { get; init; } = TraceHeaders.B3;
}

[Flags]
internal enum TraceHeaders { None = 0, B3 = 1, W3C = 2 }

internal enum TraceTagKind { Literal, Environment, RequestHeader, Metadata, Formatter }

internal sealed record TraceTag(string Tag, TraceTagKind Kind, string Value, string Default)
{
    /// <summary>For <see cref="TraceTagKind.Formatter"/>: the value with its operators.</summary>
    public FormatText Format { get; init; } = FormatText.Empty;
}
