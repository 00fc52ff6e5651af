using System.Net;
using System.Net.Sockets;

namespace Mesh.SystemTests.Demo;

/// <summary>
/// Ports of 127.0.0.1 that nobody listens on, below those that the kernel gives to callers: nothing takes one between the look and the use.
/// Each is given out once.
/// </summary>
internal static class FreePorts
{
    private const int Lowest = 21_000, Highest = 27_000;

    private static int next = Lowest;

    /// <returns>The first of four in a row.</returns>
    public static int FourInARow()
    {
        for (var first = Interlocked.Add(ref next, 4); first < Highest; first = Interlocked.Add(ref next, 4))
        {
            if (Enumerable.Range(first, 4).All(IsFree)) return first;
        }

        throw new InvalidOperationException($"no four free ports in a row between {Lowest} and {Highest}");
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
