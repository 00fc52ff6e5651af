using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Mesh.Proxy.Observe;

/// <summary>Zipkin's JSON of version 2.</summary>
internal static class Zipkin
{
    /// <summary>One span, without what stands between spans.</summary>
    public static byte[] Span(SpanRecord record)
    {
        var output = new ArrayBufferWriter<byte>(1024);
        using var json = new Utf8JsonWriter(output);
        Span<byte> digits = stackalloc byte[32];
        json.WriteStartObject();
        json.WriteString("traceId", record.Trace.WriteTraceId(digits));
        Observe.Span.WriteHex(digits, record.Id);
        json.WriteString("id", digits[..16]);
        if (record.ParentId != 0)
        {
            Observe.Span.WriteHex(digits, record.ParentId);
            json.WriteString("parentId", digits[..16]);
        }
        json.WriteString("kind", record.Kind == SpanKind.Server ? "SERVER" : "CLIENT");
        json.WriteString("name", record.Name);
        json.WriteNumber("timestamp", (record.Started - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
        json.WriteNumber("duration", Math.Max(1, record.Duration.Ticks / TimeSpan.TicksPerMicrosecond));
        if (record.Kind == SpanKind.Server && record.Settings.SharedSpan && record.ParentId != 0) json.WriteBoolean("shared", true);
        json.WriteStartObject("localEndpoint");
        json.WriteString("serviceName", record.Worker.Node.Cluster);
        if (record.Worker.Node.InstanceIp is { Length: > 0 } address) json.WriteString(address.Contains(':', StringComparison.Ordinal) ? "ipv6" : "ipv4", address);
        json.WriteEndObject();
        json.WriteStartObject("tags");
        foreach (var (name, value) in record.Tags) json.WriteString(name, Encoding.UTF8.GetBytes(value));
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return output.WrittenSpan.ToArray();
    }

    public static byte[] Request(IReadOnlyList<byte[]> spans)
    {
        var output = new ArrayBufferWriter<byte>(spans.Sum(span => span.Length + 1) + 2);
        output.Write("["u8);
        for (var i = 0; i < spans.Count; i++)
        {
            if (i > 0) output.Write(","u8);
            output.Write(spans[i]);
        }
        output.Write("]"u8);
        return output.WrittenSpan.ToArray();
    }
}
