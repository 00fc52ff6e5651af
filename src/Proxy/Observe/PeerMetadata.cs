using System.Buffers.Text;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>Reads Istio's x-envoy-peer-metadata: base64 of a protobuf Struct. Pure; what cannot be read is left out, never believed.</summary>
internal static class PeerMetadata
{
    private const int BytesMax = 8 * 1024, DepthMax = 5;

    /// <returns>Null when it is no such text.</returns>
    public static WorkloadLabels? Read(ReadOnlySpan<byte> base64)
    {
        if (base64.Length is 0 or > BytesMax) return null;

        Span<byte> bytes = stackalloc byte[BytesMax];
        return Base64.DecodeFromUtf8(base64, bytes, out _, out var length) == System.Buffers.OperationStatus.Done ? ReadStruct(bytes[..length], "") : null;
    }

    /// <param name="fields">A serialised Struct.</param>
    /// <param name="prefix">Where in it the metadata stands: nothing, or the names that lead there, each with a dot behind.</param>
    public static WorkloadLabels? ReadStruct(ReadOnlySpan<byte> fields, string prefix)
    {
        var found = new Dictionary<string, string>();
        if (!ReadStruct(fields, "", found, 0)) return null;

        string Text(string key, string otherwise) => found.GetValueOrDefault(prefix + key) is { Length: > 0 } text ? text : otherwise;
        var workload = Text("WORKLOAD_NAME", "unknown");
        return new(workload, Text("NAMESPACE", "unknown"), Text("LABELS.service.istio.io/canonical-name", workload), Text("LABELS.service.istio.io/canonical-revision", "latest"),
            Text("LABELS.app", "unknown"), Text("LABELS.version", "unknown"), Text("CLUSTER_ID", "unknown"));
    }

    // message Struct { map<string, Value> fields = 1; }   Value: string_value = 3, struct_value = 5
    private static bool ReadStruct(ReadOnlySpan<byte> input, string prefix, Dictionary<string, string> fields, int depth)
    {
        if (depth > DepthMax) return false;

        while (!input.IsEmpty)
        {
            if (!TryField(ref input, out var number, out var entry)) return false;
            if (number != 1) continue;

            var key = entry[..0];
            var value = entry[..0];
            while (!entry.IsEmpty)
            {
                if (!TryField(ref entry, out var part, out var bytes)) return false;
                if (part == 1) key = bytes;
                else if (part == 2) value = bytes;
            }
            var name = prefix + Encoding.UTF8.GetString(key);
            while (!value.IsEmpty)
            {
                if (!TryField(ref value, out var kind, out var bytes)) return false;
                if (kind == 3) fields[name] = Encoding.UTF8.GetString(bytes);
                else if (kind == 5 && !ReadStruct(bytes, name + ".", fields, depth + 1)) return false;
            }
        }
        return true;
    }

    private static bool TryField(scoped ref ReadOnlySpan<byte> input, out int number, out ReadOnlySpan<byte> bytes)
    {
        number = 0;
        bytes = default;
        if (!TryVarint(ref input, out var tag)) return false;

        number = (int)(tag >> 3);
        switch (tag & 7)
        {
            case 0: return TryVarint(ref input, out _);
            case 1 when input.Length >= 8: input = input[8..]; return true;
            case 5 when input.Length >= 4: input = input[4..]; return true;
            case 2 when TryVarint(ref input, out var length) && length <= (ulong)input.Length:
                bytes = input[..(int)length];
                input = input[(int)length..];
                return true;
            default: return false;
        }
    }

    private static bool TryVarint(scoped ref ReadOnlySpan<byte> input, out ulong value)
    {
        value = 0;
        for (var i = 0; i < Math.Min(10, input.Length); i++)
        {
            value |= (ulong)(input[i] & 0x7F) << (7 * i);
            if (input[i] >= 0x80) continue;

            input = input[(i + 1)..];
            return true;
        }
        return false;
    }
}
