using System.Net;
using System.Net.Sockets;

namespace Mesh.SystemTests.Demo;

/// <summary>Ports of 127.0.0.1 that nobody listens on, as the kernel says.</summary>
internal static class FreePorts
{
    /// <returns>The first of four in a row.</returns>
    public static int FourInARow()
    {
        while (true)
        {
            var taken = new List<Socket>();
            try
            {
                taken.Add(Bound(0));
                var first = ((IPEndPoint)taken[0].LocalEndPoint!).Port;
                if (first > 65_000) continue;
                for (var i = 1; i < 4; i++) taken.Add(Bound(first + i));
                return first;
            }
            catch (SocketException)
            {
                continue; // one of the three that follow is in use: another four
            }
            finally
            {
                foreach (var socket in taken) socket.Dispose();
            }
        }
    }

    private static Socket Bound(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }
}
