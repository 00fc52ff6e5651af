using System.Buffers.Binary;

namespace Mesh.Http.Grpc;

/// <summary>Counts the messages of one direction of a gRPC call as its bytes go by: five bytes of prefix, then the message. Holds nothing back.</summary>
public struct GrpcFrameCounter
{
    private const int PrefixBytes = 5;

    private uint _left;      // of the message that is going by
    private int _prefixSeen; // bytes of the next prefix
    private uint _prefix;    // its length, as far as it was seen

    /// <summary>Messages that have begun, which is what Istio's request and response message metrics count.</summary>
    public long Messages { get; private set; }

    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_left > 0)
            {
                var skip = (int)Math.Min(_left, (uint)bytes.Length);
                _left -= (uint)skip;
                bytes = bytes[skip..];
            }
            else if (_prefixSeen == 0 && bytes.Length >= PrefixBytes)
            {
                _left = BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]);
                Messages++;
                bytes = bytes[PrefixBytes..];
            }
            else
            {
                AddPrefixByte(bytes[0]);
                bytes = bytes[1..];
            }
        }
    }

    private void AddPrefixByte(byte b)
    {
        if (_prefixSeen > 0) _prefix = _prefix << 8 | b; // the first byte is the compression flag
        if (++_prefixSeen < PrefixBytes) return;

        _left = _prefix;
        _prefixSeen = 0;
        _prefix = 0;
        Messages++;
    }
}
