using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;

namespace Mesh.Net.Epoll;

/// <summary>A socket address as the kernel writes it.</summary>
[InlineArray(Size)]
internal struct RawAddress
{
    /// <summary>The largest: a Unix path.</summary>
    internal const int Size = 110;

    private const int InetLength = 16, Inet6Length = 28, UnixPathOffset = 2;

    private byte _first;

    internal static int Write(EndPoint endPoint, Span<byte> target)
    {
        target.Clear();
        switch (endPoint)
        {
            case IPEndPoint { AddressFamily: AddressFamily.InterNetwork } v4:
                BitConverter.TryWriteBytes(target, (ushort)Libc.AfInet);
                BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)v4.Port);
                v4.Address.TryWriteBytes(target[4..], out _);
                return InetLength;
            case IPEndPoint { AddressFamily: AddressFamily.InterNetworkV6 } v6:
                BitConverter.TryWriteBytes(target, (ushort)Libc.AfInet6);
                BinaryPrimitives.WriteUInt16BigEndian(target[2..], (ushort)v6.Port);
                v6.Address.TryWriteBytes(target[8..], out _);
                BitConverter.TryWriteBytes(target[24..], (uint)v6.Address.ScopeId);
                return Inet6Length;
            case UnixDomainSocketEndPoint unix:
                return WriteUnix(unix.ToString(), target);
            default:
                throw new NotSupportedException($"no socket address for {endPoint}");
        }
    }

    /// <returns>Null for a family that has no address worth naming, such as an unnamed Unix socket.</returns>
    internal static EndPoint? Read(ReadOnlySpan<byte> raw)
    {
        if (raw.Length < 2) return null;

        switch (BitConverter.ToUInt16(raw))
        {
            case Libc.AfInet when raw.Length >= InetLength:
                return new IPEndPoint(new IPAddress(raw.Slice(4, 4)), BinaryPrimitives.ReadUInt16BigEndian(raw[2..]));
            case Libc.AfInet6 when raw.Length >= Inet6Length:
                var address = new IPAddress(raw.Slice(8, 16), BitConverter.ToUInt32(raw[24..]));
                // A dual-stack socket sees IPv4 peers as mapped; everyone else calls them by their IPv4 address.
                return new IPEndPoint(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, BinaryPrimitives.ReadUInt16BigEndian(raw[2..]));
            default:
                return null;
        }
    }

    internal static int FamilyOf(EndPoint endPoint) => endPoint.AddressFamily switch
    {
        AddressFamily.InterNetwork => Libc.AfInet,
        AddressFamily.InterNetworkV6 => Libc.AfInet6,
        AddressFamily.Unix => Libc.AfUnix,
        _ => throw new NotSupportedException($"no socket for {endPoint}"),
    };

    private static int WriteUnix(string path, Span<byte> target)
    {
        BitConverter.TryWriteBytes(target, (ushort)Libc.AfUnix);
        if (!Encoding.UTF8.TryGetBytes(path, target[UnixPathOffset..^1], out var length))
            throw new IOException($"the socket path is longer than {Size - UnixPathOffset - 1} bytes: {path}");

        // An abstract name begins with '@' in text and with NUL for the kernel, and is not terminated.
        if (path.StartsWith('@')) target[UnixPathOffset] = 0;
        return UnixPathOffset + length + (path.StartsWith('@') ? 0 : 1);
    }
}
