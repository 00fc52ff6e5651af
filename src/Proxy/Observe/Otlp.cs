using System.Buffers.Binary;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Observe;

/// <summary>OpenTelemetry's wire format for spans and log records (OTLP 1.x), written field by field.</summary>
internal static class Otlp
{
    private const int KindServer = 2, KindClient = 3, StatusError = 2, FlagSampled = 1;

    /// <summary>One <c>Span</c>.</summary>
    public static byte[] Span(SpanRecord record)
    {
        var (trace, started) = (record.Trace, Nanoseconds(record.Started));
        var message = new FieldWriter()
            .Bytes(1, TraceId(trace))
            .Bytes(2, SpanId(record.Id))
            .Bytes(3, trace.TraceState);
        if (record.ParentId != 0) message.Bytes(4, SpanId(record.ParentId));
        message.Text(5, record.Name)
            .Varint(6, record.Kind == SpanKind.Server ? (ulong)KindServer : KindClient)
            .Fixed64(7, started)
            .Fixed64(8, started + (ulong)Math.Max(0, record.Duration.Ticks * TimeSpan.NanosecondsPerTick));
        foreach (var (name, value) in record.Tags) message.Message(9, Attribute(name, value));
        if (record.IsError) message.Message(15, new FieldWriter().Varint(3, StatusError));
        return message.Fixed32(16, FlagSampled).ToArray();
    }

    /// <summary>One <c>LogRecord</c>.</summary>
    public static byte[] Log(DateTimeOffset time, string body, IEnumerable<KeyValuePair<string, string>> attributes, Span? span)
    {
        var message = new FieldWriter().Fixed64(1, Nanoseconds(time));
        if (body.Length > 0) message.Message(5, new FieldWriter().Text(1, body));
        foreach (var (name, value) in attributes) message.Message(6, Attribute(name, value));
        if (span is not null)
        {
            if (span.IsSampled) message.Fixed32(8, FlagSampled);
            message.Bytes(9, TraceId(span)).Bytes(10, SpanId(span.Id));
        }
        return message.ToArray();
    }

    /// <summary>An export request: one resource, one scope, all items. Traces and logs have the same shape and the same numbers.</summary>
    public static byte[] Request(IEnumerable<KeyValuePair<string, string>> resource, IReadOnlyList<byte[]> items)
    {
        var about = new FieldWriter();
        foreach (var (name, value) in resource) about.Message(1, Attribute(name, value));
        var scope = new FieldWriter().Message(1, new FieldWriter().Text(1, "mesh").Text(2, Bootstrap.Version));
        foreach (var item in items) scope.Bytes(2, item);
        return new FieldWriter().Message(1, new FieldWriter().Message(1, about).Message(2, scope)).ToArray();
    }

    private static FieldWriter Attribute(string name, string value) => new FieldWriter().Text(1, name).Message(2, new FieldWriter().Text(1, value));

    private static byte[] TraceId(Span span)
    {
        var id = new byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(id, span.TraceIdHigh);
        BinaryPrimitives.WriteUInt64BigEndian(id.AsSpan(8), span.TraceIdLow);
        return id;
    }

    private static byte[] SpanId(ulong value)
    {
        var id = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(id, value);
        return id;
    }

    private static ulong Nanoseconds(DateTimeOffset time) => (ulong)((time - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick);
}
