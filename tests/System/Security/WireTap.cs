using System.Net.Sockets;

namespace Mesh.SystemTests.Security;

/// <summary>Everything that passes this network namespace's links, as it lies on the wire.</summary>
internal sealed class WireTap : IDisposable
{
    private const int EthernetHeader = 14, ProtocolAll = 0x0003;

    private readonly Socket socket = new(AddressFamily.Packet, SocketType.Raw, (ProtocolType)System.Net.IPAddress.HostToNetworkOrder((short)ProtocolAll)) { ReceiveBufferSize = 16 << 20, ReceiveTimeout = 200 };
    private readonly List<(string From, string To, byte[] Payload)> segments = [];
    private readonly Thread thread;
    private volatile bool isOver;

    public WireTap()
    {
        thread = new Thread(Listen) { IsBackground = true };
        thread.Start();
    }

    /// <summary>TCP segments with bytes in them, in the order in which they were seen; one that crosses a bridge is seen on each of its links.</summary>
    public IReadOnlyList<(string From, string To, byte[] Payload)> Stop()
    {
        isOver = true;
        thread.Join();
        return segments;
    }

    public void Dispose()
    {
        if (!isOver) Stop();
        socket.Dispose();
    }

    private void Listen()
    {
        var buffer = new byte[70_000];
        while (!isOver)
        {
            try
            {
                Take(buffer.AsSpan(0, socket.Receive(buffer)));
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                continue; // nothing was said
            }
        }
    }

    private void Take(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < EthernetHeader + 40 || frame[12] != 0x08 || frame[13] != 0x00) return; // IPv4 alone

        var packet = frame[EthernetHeader..];
        var (ipHeader, total) = ((packet[0] & 15) * 4, packet[2] << 8 | packet[3]);
        if (packet[9] != 6 || total > packet.Length || total < ipHeader + 20) return;

        var payload = packet[(ipHeader + (packet[ipHeader + 12] >> 4) * 4)..total];
        if (!payload.IsEmpty) segments.Add((Address(packet[12..16]), Address(packet[16..20]), payload.ToArray()));
    }

    private static string Address(ReadOnlySpan<byte> bytes) => new System.Net.IPAddress(bytes).ToString();
}
