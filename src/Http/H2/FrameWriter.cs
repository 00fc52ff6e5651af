using System.Buffers;
using System.Buffers.Binary;

namespace Mesh.Http.H2;

/// <summary>Writes the small frames (RFC 9113 §6); HEADERS and DATA are written where their payload is made.</summary>
internal static class FrameWriter
{
    public static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8;

    public static void RstStream(IBufferWriter<byte> output, int streamId, H2ErrorCode code)
    {
        var payload = Begin(output, 4, FrameType.RstStream, FrameFlags.None, streamId);
        BinaryPrimitives.WriteUInt32BigEndian(payload, (uint)code);
        output.Advance(FrameHeader.Size + 4);
    }

    public static void WindowUpdate(IBufferWriter<byte> output, int streamId, int increment)
    {
        var payload = Begin(output, 4, FrameType.WindowUpdate, FrameFlags.None, streamId);
        BinaryPrimitives.WriteInt32BigEndian(payload, increment);
        output.Advance(FrameHeader.Size + 4);
    }

    public static void Ping(IBufferWriter<byte> output, ulong opaque, bool ack)
    {
        var payload = Begin(output, 8, FrameType.Ping, ack ? FrameHeader.Ack : FrameFlags.None, 0);
        BinaryPrimitives.WriteUInt64BigEndian(payload, opaque);
        output.Advance(FrameHeader.Size + 8);
    }

    public static void GoAway(IBufferWriter<byte> output, int lastStreamId, H2ErrorCode code)
    {
        var payload = Begin(output, 8, FrameType.GoAway, FrameFlags.None, 0);
        BinaryPrimitives.WriteInt32BigEndian(payload, lastStreamId);
        BinaryPrimitives.WriteUInt32BigEndian(payload[4..], (uint)code);
        output.Advance(FrameHeader.Size + 8);
    }

    public static void SettingsAck(IBufferWriter<byte> output)
    {
        Begin(output, 0, FrameType.Settings, FrameHeader.Ack, 0);
        output.Advance(FrameHeader.Size);
    }

    public static void Settings(IBufferWriter<byte> output, ReadOnlySpan<(SettingId Id, int Value)> entries)
    {
        var payload = Begin(output, entries.Length * 6, FrameType.Settings, FrameFlags.None, 0);
        foreach (var (id, value) in entries)
        {
            BinaryPrimitives.WriteUInt16BigEndian(payload, (ushort)id);
            BinaryPrimitives.WriteInt32BigEndian(payload[2..], value);
            payload = payload[6..];
        }

        output.Advance(FrameHeader.Size + entries.Length * 6);
    }

    private static Span<byte> Begin(IBufferWriter<byte> output, int length, FrameType type, FrameFlags flags, int streamId)
    {
        var room = output.GetSpan(FrameHeader.Size + length);
        new FrameHeader(length, type, flags, streamId).Write(room);
        return room[FrameHeader.Size..];
    }
}
