using System.Buffers;
using Google.Protobuf;

namespace Mesh.Xds;

/// <summary>
/// A response that is about to be sent: frame fields of its own around bytes that it shares with every other response.
/// Written by hand because the generated message would copy and encode each resource again for each proxy.
/// </summary>
public sealed record DiscoveryReply(
    string TypeUrl,
    string Nonce,
    string Version,
    IReadOnlyList<NamedResource> Resources,
    IReadOnlyList<string> Removed,
    bool IsDelta)
{
    // Numbers of DeltaDiscoveryResponse and DiscoveryResponse; both have version 1, resources 2, type 4, nonce 5.
    private const byte VersionTag = 1 << 3 | 2, ResourcesTag = 2 << 3 | 2, TypeTag = 4 << 3 | 2, NonceTag = 5 << 3 | 2, RemovedTag = 6 << 3 | 2;

    public int CalculateSize()
    {
        var size = SizeOf(Version) + SizeOf(TypeUrl) + SizeOf(Nonce);
        foreach (var resource in Resources)
            size += IsDelta ? resource.DeltaLength : 1 + CodedOutputStream.ComputeLengthSize(resource.AnyLength) + resource.AnyLength;
        foreach (var name in Removed) size += SizeOf(name);
        return size;
    }

    public void WriteTo(IBufferWriter<byte> output) => WriteFrom(0, output, int.MaxValue);

    /// <summary>Writes resources from number <paramref name="next"/> on until <paramref name="enough"/> bytes are there, and with the last one all the rest.</summary>
    /// <returns>The number to go on from; null when everything is written.</returns>
    public int? WriteFrom(int next, IBufferWriter<byte> output, int enough)
    {
        for (var bytes = 0L; next < Resources.Count && bytes < enough; next++)
        {
            var resource = Resources[next];
            if (!IsDelta) WriteHeader(output, ResourcesTag, resource.AnyLength);
            output.Write((IsDelta ? resource.DeltaHead : resource.AnyHead).Span);
            output.Write(resource.Body.Span);
            bytes += resource.DeltaLength;
        }
        if (next < Resources.Count) return next;

        WriteString(output, VersionTag, Version);
        WriteString(output, TypeTag, TypeUrl);
        WriteString(output, NonceTag, Nonce);
        foreach (var name in Removed) WriteString(output, RemovedTag, name);
        return null;
    }

    private static int SizeOf(string text) => text.Length == 0 ? 0 : 1 + CodedOutputStream.ComputeStringSize(text);

    private static void WriteString(IBufferWriter<byte> output, byte tag, string text)
    {
        if (text.Length == 0) return;

        var length = System.Text.Encoding.UTF8.GetByteCount(text);
        WriteHeader(output, tag, length);
        System.Text.Encoding.UTF8.GetBytes(text, output.GetSpan(length));
        output.Advance(length);
    }

    private static void WriteHeader(IBufferWriter<byte> output, byte tag, int length)
    {
        var span = output.GetSpan(6);
        span[0] = tag;
        var used = 1;
        for (var rest = (uint)length; ; rest >>= 7)
        {
            span[used++] = (byte)(rest < 0x80 ? rest : rest & 0x7F | 0x80);
            if (rest < 0x80) break;
        }
        output.Advance(used);
    }
}
