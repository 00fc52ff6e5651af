using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Mesh.Proxy.Downstream;

internal enum PeekStatus : byte { NeedMore, NotTls, Done }

/// <summary>What a TLS client says first, read where it lies: server name and protocols (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301). Pure.</summary>
internal static class HelloPeek
{
    private const int RecordHeader = 5;

    /// <param name="serverName">Empty when none was asked for.</param>
    public static PeekStatus TryRead(ReadOnlySpan<byte> input, out string serverName, out ImmutableArray<string> protocols)
    {
        (serverName, protocols) = ("", []);
        // As Envoy's inspector does: nothing is said before a whole record header is here, so a shorter first message waits for more.
        if (input.Length < RecordHeader) return PeekStatus.NeedMore;
        if (input[0] != 0x16 || input[1] != 0x03) return PeekStatus.NotTls;
        if (input.Length < RecordHeader + 4) return PeekStatus.NeedMore;
        if (input[RecordHeader] != 0x01) return PeekStatus.NotTls;

        var length = input[RecordHeader + 1] << 16 | input[RecordHeader + 2] << 8 | input[RecordHeader + 3];
        if (length > 64 * 1024) return PeekStatus.NotTls;

        var hello = Join(input, length + 4, out var complete);
        if (!complete) return PeekStatus.NeedMore;

        return ReadBody(hello.AsSpan(4, length), ref serverName, ref protocols) ? PeekStatus.Done : PeekStatus.NotTls;
    }

    // A hello may be spread over several records: their payloads, one behind the other.
    private static byte[] Join(ReadOnlySpan<byte> input, int wanted, out bool complete)
    {
        var joined = new byte[wanted];
        var at = 0;
        complete = false;
        while (at < wanted && input.Length >= RecordHeader)
        {
            if (input[0] != 0x16) return joined;

            var size = BinaryPrimitives.ReadUInt16BigEndian(input[3..]);
            var payload = input[RecordHeader..];
            var take = Math.Min(Math.Min(size, payload.Length), wanted - at);
            payload[..take].CopyTo(joined.AsSpan(at));
            at += take;
            if (take < size && at < wanted) return joined;

            input = payload[Math.Min(size, payload.Length)..];
        }
        complete = at == wanted;
        return joined;
    }

    private static bool ReadBody(ReadOnlySpan<byte> body, ref string serverName, ref ImmutableArray<string> protocols)
    {
        if (body.Length < 2 + 32) return false;

        body = body[34..];
        if (!Skip(ref body, 1) || !Skip(ref body, 2) || !Skip(ref body, 1)) return false;
        if (body.Length < 2) return true; // no extensions at all

        body = body[2..];
        while (body.Length >= 4)
        {
            var type = BinaryPrimitives.ReadUInt16BigEndian(body);
            var size = BinaryPrimitives.ReadUInt16BigEndian(body[2..]);
            if (body.Length < 4 + size) return false;

            var value = body.Slice(4, size);
            if (type == 0 && value.Length > 5 && value[2] == 0)
            {
                var name = value[5..];
                if (name.Length <= 255 && Ascii.IsValid(name)) serverName = Encoding.ASCII.GetString(name);
            }
            else if (type == 16 && value.Length > 2)
            {
                protocols = ReadProtocols(value[2..]);
            }
            body = body[(4 + size)..];
        }
        return true;
    }

    private static ImmutableArray<string> ReadProtocols(ReadOnlySpan<byte> list)
    {
        var names = ImmutableArray.CreateBuilder<string>();
        while (list.Length > 1 && list.Length > list[0] && names.Count < 32)
        {
            names.Add(Encoding.Latin1.GetString(list.Slice(1, list[0])));
            list = list[(1 + list[0])..];
        }
        return names.ToImmutable();
    }

    private static bool Skip(ref ReadOnlySpan<byte> body, int lengthBytes)
    {
        if (body.Length < lengthBytes) return false;

        var length = lengthBytes == 1 ? body[0] : BinaryPrimitives.ReadUInt16BigEndian(body);
        if (body.Length < lengthBytes + length) return false;

        body = body[(lengthBytes + length)..];
        return true;
    }
}
