using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.Net;

public enum ProxyProtocolStatus : byte
{
    /// <summary>What is there may become a header: read more, call again.</summary>
    NeedMore = 0,
    Done,

    /// <summary>These bytes begin no header, or a malformed one: where a header is required, the connection is closed.</summary>
    NotOne,
}

/// <summary>Whose connection this is, as the proxy before us says. Null addresses: its own (LOCAL, UNKNOWN), as health checks are.</summary>
public readonly record struct ProxyProtocolHeader(IPEndPoint? Source, IPEndPoint? Destination);

/// <summary>The PROXY protocol, versions 1 (a line) and 2 (binary), over bytes alone. Strict: every field is read to its end, and lengths are bounded.</summary>
public static class ProxyProtocol
{
    /// <summary>The longest line of version 1, with CRLF.</summary>
    public const int Version1BytesMax = 107;

    /// <summary>Of version 2: what its TLVs may add is bounded, since nobody has proved who he is yet.</summary>
    public const int Version2BytesMax = 16 + 4096;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    public static ProxyProtocolStatus TryRead(ReadOnlySpan<byte> input, out ProxyProtocolHeader header, out int consumed)
    {
        header = default;
        consumed = 0;
        if (input.IsEmpty) return ProxyProtocolStatus.NeedMore;
        if (input[0] == Signature[0]) return TryReadVersion2(input, out header, out consumed);

        return TryReadVersion1(input, out header, out consumed);
    }

    /// <returns>Bytes written, at most <see cref="Version1BytesMax"/>.</returns>
    public static int WriteVersion1(IPEndPoint source, IPEndPoint destination, Span<byte> output)
    {
        if (source.AddressFamily != destination.AddressFamily) return Encoding.ASCII.GetBytes("PROXY UNKNOWN\r\n", output);

        var family = source.AddressFamily == AddressFamily.InterNetwork ? "TCP4" : "TCP6";
        return Encoding.ASCII.GetBytes($"PROXY {family} {source.Address} {destination.Address} {source.Port} {destination.Port}\r\n", output);
    }

    /// <returns>Bytes written, at most 52.</returns>
    public static int WriteVersion2(IPEndPoint source, IPEndPoint destination, Span<byte> output)
    {
        Signature.CopyTo(output);
        output[12] = 0x21; // version 2, PROXY
        var is4 = source.AddressFamily == AddressFamily.InterNetwork && destination.AddressFamily == AddressFamily.InterNetwork;
        var addressBytes = is4 ? 4 : 16;
        output[13] = (byte)(is4 ? 0x11 : 0x21); // over TCP
        BinaryPrimitives.WriteUInt16BigEndian(output[14..], (ushort)(addressBytes * 2 + 4));
        (is4 ? source.Address : source.Address.MapToIPv6()).TryWriteBytes(output[16..], out _);
        (is4 ? destination.Address : destination.Address.MapToIPv6()).TryWriteBytes(output[(16 + addressBytes)..], out _);
        BinaryPrimitives.WriteUInt16BigEndian(output[(16 + addressBytes * 2)..], (ushort)source.Port);
        BinaryPrimitives.WriteUInt16BigEndian(output[(18 + addressBytes * 2)..], (ushort)destination.Port);
        return 20 + addressBytes * 2;
    }

    private static ProxyProtocolStatus TryReadVersion2(ReadOnlySpan<byte> input, out ProxyProtocolHeader header, out int consumed)
    {
        header = default;
        consumed = 0;
        var here = Math.Min(input.Length, Signature.Length);
        if (!input[..here].SequenceEqual(Signature[..here])) return ProxyProtocolStatus.NotOne;
        if (input.Length < 16) return ProxyProtocolStatus.NeedMore;

        var command = input[12];
        var length = 16 + BinaryPrimitives.ReadUInt16BigEndian(input[14..]);
        if (command is not (0x20 or 0x21) || length > Version2BytesMax) return ProxyProtocolStatus.NotOne;
        if (input.Length < length) return ProxyProtocolStatus.NeedMore;

        var body = input[16..length];
        var addressBytes = input[13] switch { 0x11 => 4, 0x21 => 16, _ => 0 };
        consumed = length;
        if (command == 0x20 || addressBytes == 0) return ProxyProtocolStatus.Done; // LOCAL, or a family that we do not carry
        if (body.Length < addressBytes * 2 + 4)
        {
            consumed = 0;
            return ProxyProtocolStatus.NotOne;
        }

        var ports = body[(addressBytes * 2)..];
        header = new(
            new(new IPAddress(body[..addressBytes]), BinaryPrimitives.ReadUInt16BigEndian(ports)),
            new(new IPAddress(body.Slice(addressBytes, addressBytes)), BinaryPrimitives.ReadUInt16BigEndian(ports[2..])));
        return ProxyProtocolStatus.Done;
    }

    private static ProxyProtocolStatus TryReadVersion1(ReadOnlySpan<byte> input, out ProxyProtocolHeader header, out int consumed)
    {
        header = default;
        consumed = 0;
        var prefix = "PROXY "u8;
        var here = Math.Min(input.Length, prefix.Length);
        if (!input[..here].SequenceEqual(prefix[..here])) return ProxyProtocolStatus.NotOne;

        var end = input[..Math.Min(input.Length, Version1BytesMax)].IndexOf("\r\n"u8);
        if (end < 0) return input.Length >= Version1BytesMax ? ProxyProtocolStatus.NotOne : ProxyProtocolStatus.NeedMore;

        var line = input[prefix.Length..end];
        if (!line.StartsWith("UNKNOWN"u8) && !TryReadAddresses(line, out header)) return ProxyProtocolStatus.NotOne;

        consumed = end + 2;
        return ProxyProtocolStatus.Done;
    }

    private static bool TryReadAddresses(ReadOnlySpan<byte> line, out ProxyProtocolHeader header)
    {
        header = default;
        var words = Encoding.Latin1.GetString(line).Split(' ');
        if (words.Length != 5 || words[0] is not ("TCP4" or "TCP6")) return false;

        var family = words[0] == "TCP4" ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
        if (!TryAddress(words[1], family, out var source) || !TryAddress(words[2], family, out var destination)) return false;
        if (!TryPort(words[3], out var sourcePort) || !TryPort(words[4], out var destinationPort)) return false;

        header = new(new(source, sourcePort), new(destination, destinationPort));
        return true;
    }

    private static bool TryAddress(string word, AddressFamily family, out IPAddress address)
    {
        // IPAddress also reads "1.2", "0x7f.1" and scopes, which no proxy writes.
        var isPlain = family == AddressFamily.InterNetworkV6 ? !word.Contains('%', StringComparison.Ordinal) : word.Count(c => c == '.') == 3 && word.All(c => char.IsAsciiDigit(c) || c == '.');
        address = IPAddress.None;
        if (!isPlain || !IPAddress.TryParse(word, out var parsed) || parsed.AddressFamily != family) return false;

        address = parsed;
        return true;
    }

    private static bool TryPort(string word, out int port)
    {
        port = 0;
        return word.Length is > 0 and <= 5 && word.All(char.IsAsciiDigit) && int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= 65535;
    }
}
