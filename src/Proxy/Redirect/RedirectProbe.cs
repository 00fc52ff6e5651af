using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Mesh.Proxy.Redirect;

/// <summary>Is the redirection at work? A call to an address nobody has must arrive at the proxy's port, and must still know where it was going.</summary>
internal static class RedirectProbe
{
    private const int SolIp = 0;
    private const int SolIpv6 = 41;
    private const int OriginalDestination = 80; // SO_ORIGINAL_DST, IP6T_SO_ORIGINAL_DST

    public static async Task<bool> ReachesProxyAsync(RedirectOptions options, bool v6, CancellationToken cancel)
    {
        var loopback = v6 ? IPAddress.IPv6Loopback : IPAddress.Loopback;
        var nobody = v6 ? IPAddress.Parse("::6") : IPAddress.Parse("127.0.0.6");
        var listeners = new List<Socket>();
        try
        {
            foreach (var port in (string[])[options.ProxyPort, options.InboundPort])
            {
                var listener = new Socket(loopback.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                listeners.Add(listener);
                listener.Bind(new IPEndPoint(loopback, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture)));
                listener.Listen(16);
            }
            using var done = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var arrivals = listeners.Select(listener => ArrivedAsync(listener, options.ProbePort, done.Token)).ToList();
            var calls = CallAsync(loopback, new(nobody, options.ProbePort), done.Token);
            var arrived = await await Task.WhenAny(arrivals);
            await done.CancelAsync();
            await Task.WhenAll([.. arrivals, calls]);
            return arrived;
        }
        catch (SocketException)
        {
            return false; // a port is taken, or the address family is not there: either way nothing was shown to work
        }
        finally
        {
            foreach (var listener in listeners) listener.Dispose();
        }
    }

    private static async Task<bool> ArrivedAsync(Socket listener, int port, CancellationToken cancel)
    {
        try
        {
            while (true)
            {
                using var connection = await listener.AcceptAsync(cancel);
                if (OriginalPort(connection) == port) return true;
            }
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private static async Task CallAsync(IPAddress from, IPEndPoint to, CancellationToken cancel)
    {
        using var interval = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        try
        {
            do
            {
                using var client = new Socket(from.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                client.Bind(new IPEndPoint(from, 0));
                try
                {
                    await client.ConnectAsync(to, cancel);
                }
                catch (SocketException)
                {
                    continue; // not redirected (yet): nobody listens there
                }
            }
            while (await interval.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException)
        {
            return;
        }
    }

    private static int OriginalPort(Socket connection)
    {
        Span<byte> address = stackalloc byte[28];
        try
        {
            connection.GetRawSocketOption(connection.AddressFamily == AddressFamily.InterNetwork ? SolIp : SolIpv6, OriginalDestination, address);
        }
        catch (SocketException)
        {
            return -1; // it was not redirected: the kernel knows no other destination
        }
        return BinaryPrimitives.ReadUInt16BigEndian(address[2..]);
    }
}
