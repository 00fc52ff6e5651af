using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Mesh.SystemTests.Iptables;

/// <summary>
/// A pod and a machine outside it, joined by a cable. In the pod stand an application and, where the proxy would be, listeners that say
/// who took the call and where it was going.
/// </summary>
internal sealed class PodNetwork : IDisposable
{
    public const int ProxyUser = 1337;
    public const string PodAddress = "10.77.0.2", OutsideAddress = "10.77.0.1", PodAddressV6 = "fd77::2", OutsideAddressV6 = "fd77::1";
    public const string OtherAddress = "10.88.0.1"; // a second address outside, to exclude

    private readonly List<Socket> listeners = [];

    public PodNetwork()
    {
        Outside.Tool($"ip link add cable type veth peer name eth0 netns {Pod.ThreadId}");
        foreach (var (space, card, v4, v6) in ((NetworkSpace, string, string, string)[])[(Outside, "cable", OutsideAddress, OutsideAddressV6), (Pod, "eth0", PodAddress, PodAddressV6)])
        {
            space.Tool($"ip addr add {v4}/24 dev {card}");
            space.Tool($"ip -6 addr add {v6}/64 dev {card} nodad");
            space.Tool($"ip link set {card} up");
        }
        Outside.Tool($"ip addr add {OtherAddress}/32 dev cable");
        Pod.Tool($"ip route add default via {OutsideAddress}");
        Pod.Tool("ip -6 route add default via " + OutsideAddressV6);

        foreach (var v6 in (bool[])[false, true])
        {
            Serve(Pod, v6, 15001, "outbound", tells: true);
            Serve(Pod, v6, 15006, "inbound", tells: true);
            foreach (var port in (int[])[8080, 15020]) Serve(Pod, v6, port, "application", tells: false);
            foreach (var port in (int[])[80, 5432]) Serve(Outside, v6, port, "outside", tells: false);
        }
    }

    public NetworkSpace Pod { get; } = new();
    public NetworkSpace Outside { get; } = new();

    /// <returns>Who answered, for example "inbound 10.77.0.2:8080" or "application"; "refused" when nobody did.</returns>
    public static string Call(NetworkSpace from, int user, string address, int port, string? source = null) => from.RunAs(user, () =>
    {
        var target = new IPEndPoint(IPAddress.Parse(address), port);
        using var client = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 5000, SendTimeout = 5000 };
        if (source is not null) client.Bind(new IPEndPoint(IPAddress.Parse(source), 0));
        try
        {
            client.Connect(target);
            var buffer = new byte[200];
            return Encoding.ASCII.GetString(buffer, 0, client.Receive(buffer));
        }
        catch (SocketException)
        {
            return "refused";
        }
    });

    /// <summary>Sends a datagram from the pod; answers whether the port took it.</summary>
    public bool DatagramArrives(int user, string address, int port, int listenOn)
    {
        using var listener = Pod.Run(() =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 1000 };
            socket.Bind(new IPEndPoint(IPAddress.Any, listenOn));
            return socket;
        });
        using var sender = Pod.RunAs(user, () =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.SendTo([1], new IPEndPoint(IPAddress.Parse(address), port));
            return socket;
        });
        try
        {
            return listener.Receive(new byte[10]) == 1;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        foreach (var listener in listeners) listener.Dispose();
        Pod.Dispose();
        Outside.Dispose();
    }

    private void Serve(NetworkSpace space, bool v6, int port, string name, bool tells)
    {
        var listener = space.Run(() =>
        {
            var socket = new Socket(v6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            if (v6) socket.DualMode = false;
            socket.SetRawSocketOption(v6 ? 41 : 0, v6 ? 75 : 19, BitConverter.GetBytes(1)); // IP_TRANSPARENT: TPROXY hands over only to such
            socket.Bind(new IPEndPoint(v6 ? IPAddress.IPv6Any : IPAddress.Any, port));
            socket.Listen(50);
            return socket;
        });
        listeners.Add(listener);
        _ = AnswerAsync(listener, name, tells);
    }

    private static async Task AnswerAsync(Socket listener, string name, bool tells)
    {
        try
        {
            while (true)
            {
                using var connection = await listener.AcceptAsync();
                await connection.SendAsync(Encoding.ASCII.GetBytes(tells ? $"{name} {Original(connection)}" : name));
            }
        }
        catch (SocketException)
        {
            return; // the listener has been closed
        }
        catch (ObjectDisposedException)
        {
            return;
        }
    }

    private static IPEndPoint Original(Socket connection)
    {
        var v6 = connection.AddressFamily == AddressFamily.InterNetworkV6;
        var address = new byte[28];
        try
        {
            connection.GetRawSocketOption(v6 ? 41 : 0, 80, address);
        }
        catch (SocketException)
        {
            return (IPEndPoint)connection.LocalEndPoint!; // TPROXY: the socket itself has the address that was called
        }
        return new(new IPAddress(v6 ? address.AsSpan(8, 16) : address.AsSpan(4, 4)), BinaryPrimitives.ReadUInt16BigEndian(address.AsSpan(2)));
    }
}
