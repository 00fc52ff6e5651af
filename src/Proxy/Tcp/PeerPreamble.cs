using System.Buffers.Binary;
using Mesh.Net;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Security;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Tcp;

/// <summary>
/// Istio's exchange of workload metadata on a TCP connection between two sidecars, where the handshake agreed on it: each side's first bytes are a head of eight
/// bytes (a magic number and a length) and an Any with a Struct. Taken off before the application's own bytes.
/// </summary>
internal static class PeerPreamble
{
    public const string Protocol = "istio-peer-exchange";

    private const uint Magic = 0x3D230467;
    private const int HeadBytes = 8, BytesMax = 64 * 1024;
    private const string TypeUrl = "type.googleapis.com/google.protobuf.Struct";
    private const string MetadataKey = "x-envoy-peer-metadata", IdKey = "x-envoy-peer-metadata-id";

    /// <summary>A peer that agreed to tell and says nothing is not waited for longer; what it says later is the application's.</summary>
    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(5);

    /// <summary>What this proxy says of itself.</summary>
    public static byte[] Write(ProxyNode node)
    {
        var about = new FieldWriter()
            .Message(1, new FieldWriter().Text(1, MetadataKey).Message(2, new FieldWriter().Bytes(5, Convert.FromBase64String(node.PeerMetadata))))
            .Message(1, new FieldWriter().Text(1, IdKey).Message(2, new FieldWriter().Text(3, node.Id)));
        var any = new FieldWriter().Text(1, TypeUrl).Message(2, about).ToArray();
        var bytes = new byte[HeadBytes + any.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4), (uint)any.Length);
        any.CopyTo(bytes, HeadBytes);
        return bytes;
    }

    /// <summary>Waits for the peer's preamble and takes it off. Bytes that are none stay where they are.</summary>
    public static async ValueTask<WorkloadLabels?> ReadAsync(Connection connection)
    {
        var deadline = Deadline.After(connection.Loop.Clock, WaitMax);
        while (true)
        {
            if (TryRead(connection.Input.Span, out var consumed, out var labels))
            {
                connection.Input.Consume(consumed);
                return labels;
            }
            if (await connection.FillAsync(deadline) != IoStatus.Ok) return null;
        }
    }

    /// <returns>False when more bytes are needed to tell.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out int consumed, out WorkloadLabels? labels)
    {
        (consumed, labels) = (0, null);
        Span<byte> magic = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(magic, Magic);
        var seen = Math.Min(bytes.Length, 4);
        if (!bytes[..seen].SequenceEqual(magic[..seen])) return true;
        if (bytes.Length < HeadBytes) return false;

        var length = BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]);
        if (length > BytesMax) return true;
        if (bytes.Length < HeadBytes + length) return false;

        consumed = HeadBytes + (int)length;
        var any = new FieldReader(bytes.Slice(HeadBytes, (int)length));
        while (any.Next())
            if (any.Field == 2) labels = PeerMetadata.ReadStruct(any.Content, MetadataKey + ".");
        return true;
    }
}
