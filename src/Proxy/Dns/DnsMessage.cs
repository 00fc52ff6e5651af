using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Proxy.Dns;

internal enum DnsType : ushort { A = 1, Cname = 5, Aaaa = 28 }

internal enum DnsStatus : byte { NoError = 0, FormatError = 1, ServerFailure = 2, NameError = 3, NotImplemented = 4, Refused = 5 }

/// <summary>What a query asks. Only queries with one question are understood here; everything else is for the resolver upstream.</summary>
/// <param name="Name">Lower case, without the dot at its end.</param>
/// <param name="QuestionBytes">The question section as it came, to be repeated in the answer.</param>
internal readonly record struct DnsQuestion(ushort Id, string Name, ushort Type, ushort Class, bool RecursionDesired, ReadOnlyMemory<byte> QuestionBytes, ushort UdpBytesMax);

/// <summary>The wire form of DNS (RFC 1035 §4): reading questions, writing answers. Pure; compression is not followed in questions, where it has no place.</summary>
internal static class DnsMessage
{
    public const int HeaderBytes = 12;
    private const int NameBytesMax = 255;

    /// <returns>False: not a query with exactly one plain question.</returns>
    public static bool TryReadQuery(ReadOnlySpan<byte> message, out DnsQuestion question)
    {
        question = default;
        if (message.Length < HeaderBytes) return false;
        var flags = BinaryPrimitives.ReadUInt16BigEndian(message[2..]);
        // A response, or an operation other than QUERY.
        if ((flags & 0xF800) != 0 || BinaryPrimitives.ReadUInt16BigEndian(message[4..]) != 1) return false;
        if (!TryReadName(message[HeaderBytes..], out var name, out var length)) return false;

        var end = HeaderBytes + length + 4;
        if (message.Length < end) return false;
        var tail = message[(HeaderBytes + length)..];
        question = new(
            BinaryPrimitives.ReadUInt16BigEndian(message), name, BinaryPrimitives.ReadUInt16BigEndian(tail), BinaryPrimitives.ReadUInt16BigEndian(tail[2..]),
            (flags & 0x0100) != 0, message[HeaderBytes..end].ToArray(), UdpBytesOf(message, end));
        return true;
    }

    /// <summary>An authoritative answer: perhaps an alias first, then addresses. What does not fit is left out and the message marked as cut (TC).</summary>
    /// <param name="alias">Null: the addresses belong to the name asked for.</param>
    public static byte[] WriteAnswer(in DnsQuestion question, DnsStatus status, string? alias, IReadOnlyList<IPAddress> addresses, uint ttlSeconds, int bytesMax)
    {
        var room = new byte[Math.Clamp(bytesMax, 512, 65_535)];
        var length = WriteHead(room, question, status);
        ushort answers = 0;
        var isCut = false;
        // The question's name stands right behind the head; a pointer to it saves repeating it.
        ushort owner = 0xC000 | HeaderBytes;
        if (alias is not null)
        {
            var encoded = EncodeName(alias);
            if (!Fits(room, length, 12 + encoded.Length)) return Finish(room, length, 0, true);
            length = WriteRecord(room, length, owner, (ushort)DnsType.Cname, ttlSeconds, encoded);
            owner = (ushort)(0xC000 | (length - encoded.Length));
            answers++;
        }
        Span<byte> bytes = stackalloc byte[16];
        foreach (var address in addresses)
        {
            address.TryWriteBytes(bytes, out var size);
            if (!Fits(room, length, 12 + size))
            {
                isCut = true;
                break;
            }
            length = WriteRecord(room, length, owner, (ushort)(size == 4 ? DnsType.A : DnsType.Aaaa), ttlSeconds, bytes[..size]);
            answers++;
        }
        return Finish(room, length, answers, isCut);
    }

    public static IReadOnlyList<IPAddress> Of(ImmutableArray<IPAddress> addresses, ushort type) =>
        [.. addresses.Where(address => (address.AddressFamily == AddressFamily.InterNetwork) == (type == (ushort)DnsType.A))];

    private static int WriteHead(Span<byte> room, in DnsQuestion question, DnsStatus status)
    {
        BinaryPrimitives.WriteUInt16BigEndian(room, question.Id);
        // Response, authoritative, recursion available.
        BinaryPrimitives.WriteUInt16BigEndian(room[2..], (ushort)(0x8480 | (question.RecursionDesired ? 0x0100 : 0) | (int)status));
        BinaryPrimitives.WriteUInt16BigEndian(room[4..], 1);
        question.QuestionBytes.Span.CopyTo(room[HeaderBytes..]);
        return HeaderBytes + question.QuestionBytes.Length;
    }

    private static int WriteRecord(Span<byte> room, int at, ushort owner, ushort type, uint ttl, ReadOnlySpan<byte> data)
    {
        var record = room[at..];
        BinaryPrimitives.WriteUInt16BigEndian(record, owner);
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], type);
        BinaryPrimitives.WriteUInt16BigEndian(record[4..], 1);
        BinaryPrimitives.WriteUInt32BigEndian(record[6..], ttl);
        BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)data.Length);
        data.CopyTo(record[12..]);
        return at + 12 + data.Length;
    }

    private static byte[] Finish(byte[] room, int length, ushort answers, bool isCut)
    {
        BinaryPrimitives.WriteUInt16BigEndian(room.AsSpan(6), answers);
        if (isCut) room[2] |= 0x02;
        return room[..length];
    }

    private static bool Fits(byte[] room, int length, int more) => length + more <= room.Length;

    private static byte[] EncodeName(string name)
    {
        var bytes = new List<byte>(name.Length + 2);
        foreach (var label in name.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            bytes.Add((byte)Math.Min(label.Length, 63));
            bytes.AddRange(Encoding.ASCII.GetBytes(label.Length <= 63 ? label : label[..63]));
        }
        bytes.Add(0);
        return [.. bytes];
    }

    private static bool TryReadName(ReadOnlySpan<byte> bytes, out string name, out int length)
    {
        (name, length) = ("", 0);
        var text = new StringBuilder();
        while (length < bytes.Length && length < NameBytesMax)
        {
            var size = bytes[length++];
            if (size == 0)
            {
                name = text.ToString();
                return true;
            }
            if (size > 63 || length + size > bytes.Length) return false;
            if (text.Length > 0) text.Append('.');
            foreach (var b in bytes.Slice(length, size))
            {
                // A dot or control byte inside a label could be taken for a name that it is not.
                if (b is <= (byte)' ' or (byte)'.' or >= 0x7F) return false;
                text.Append(char.ToLowerInvariant((char)b));
            }
            length += size;
        }
        return false;
    }

    // The size that EDNS (RFC 6891 §6.1.2) says the caller takes: the class of an OPT record with an empty name.
    private static ushort UdpBytesOf(ReadOnlySpan<byte> message, int at)
    {
        var additional = BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        if (additional == 0 || message.Length < at + 11 || message[at] != 0 || BinaryPrimitives.ReadUInt16BigEndian(message[(at + 1)..]) != 41) return 512;
        return Math.Max((ushort)512, BinaryPrimitives.ReadUInt16BigEndian(message[(at + 3)..]));
    }
}
