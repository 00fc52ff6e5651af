using System.Buffers.Binary;

namespace Mesh.Http.H2;

internal enum FrameType : byte
{
    Data = 0,
    Headers = 1,
    Priority = 2,
    RstStream = 3,
    Settings = 4,
    PushPromise = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
}

[Flags]
internal enum FrameFlags : byte
{
    None = 0,
    EndStream = 0x1,
    EndHeaders = 0x4,
    Padded = 0x8,
    Priority = 0x20,
}

/// <summary>The nine bytes before every HTTP/2 payload (RFC 9113 §4.1).</summary>
internal readonly record struct FrameHeader(int Length, FrameType Type, FrameFlags Flags, int StreamId)
{
    public const int Size = 9;

    /// <summary>On SETTINGS and PING the first bit says that they answer.</summary>
    public const FrameFlags Ack = FrameFlags.EndStream;

    /// <returns>False when fewer than <see cref="Size"/> bytes are there: read more, call again.</returns>
    public static bool TryRead(ReadOnlySpan<byte> input, out FrameHeader header)
    {
        header = default;
        if (input.Length < Size) return false;

        var first = BinaryPrimitives.ReadUInt32BigEndian(input);
        var streamId = BinaryPrimitives.ReadInt32BigEndian(input[5..]) & 0x7FFF_FFFF; // top bit is reserved
        header = new((int)(first >> 8), (FrameType)(byte)first, (FrameFlags)input[4], streamId);
        return true;
    }

    public void Write(Span<byte> room)
    {
        BinaryPrimitives.WriteUInt32BigEndian(room, ((uint)Length << 8) | (uint)Type);
        room[4] = (byte)Flags;
        BinaryPrimitives.WriteInt32BigEndian(room[5..], StreamId);
    }

    public bool Has(FrameFlags flag) => (Flags & flag) != 0;
}
