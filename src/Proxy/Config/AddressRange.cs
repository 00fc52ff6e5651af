using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Proxy.Config;

/// <summary>An IP prefix (CIDR), kept as two words so that a test costs two masks. Mapped IPv6 addresses count as IPv4.</summary>
internal readonly record struct AddressRange
{
    private readonly ulong high;
    private readonly ulong low;

    public AddressRange(IPAddress address, int prefixLength)
    {
        IsV4 = address.AddressFamily == AddressFamily.InterNetwork;
        PrefixLength = Math.Clamp(prefixLength, 0, IsV4 ? 32 : 128);
        var (h, l) = Words(address);
        (high, low) = Mask(h, l, Bits);
    }

    public bool IsV4 { get; }
    public int PrefixLength { get; }

    private int Bits => IsV4 ? PrefixLength + 96 : PrefixLength;

    public bool Contains(IPAddress address)
    {
        var isV4 = address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6;
        if (isV4 != IsV4) return false;

        var (h, l) = Words(address);
        return Mask(h, l, Bits) == (high, low);
    }

    /// <summary>Accepts "10.0.0.0/8" and a bare address, which is a range of one.</summary>
    public static bool TryParse(string text, out AddressRange range)
    {
        range = default;
        var slash = text.IndexOf('/');
        if (!IPAddress.TryParse(slash < 0 ? text : text.AsSpan(0, slash), out var address)) return false;

        var most = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var length = most;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), out length) || length < 0 || length > most)) return false;

        range = new(address, length);
        return true;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, high);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], low);
        return $"{new IPAddress(IsV4 ? bytes[12..] : bytes)}/{PrefixLength}";
    }

    // IPv4 is held in its mapped IPv6 form, so that one mask serves both.
    private static (ulong High, ulong Low) Words(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            bytes[10] = bytes[11] = 0xFF;
            address.TryWriteBytes(bytes[12..], out _);
        }
        else
        {
            address.TryWriteBytes(bytes, out _);
        }
        return (BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));
    }

    private static (ulong High, ulong Low) Mask(ulong high, ulong low, int bits) => bits switch
    {
        0 => (0, 0),
        < 64 => (high & ulong.MaxValue << (64 - bits), 0),
        64 => (high, 0),
        < 128 => (high, low & ulong.MaxValue << (128 - bits)),
        _ => (high, low),
    };
}
