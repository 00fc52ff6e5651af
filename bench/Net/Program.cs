using System.Net;
using System.Net.Sockets;
using Mesh.Net;
using Mesh.Net.Epoll;
using Mesh.NetBench;

// The transport alone, one role a process, for comparison beside other proxies: see compare.sh.
if (args is ["ports", var wanted])
{
    var listeners = Enumerable.Range(0, int.Parse(wanted)).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
    listeners.ForEach(listener => listener.Start());
    Console.WriteLine(string.Join(' ', listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)));
    return 0;
}

if (args.Length < 3)
{
    Console.Error.WriteLine("usage: mesh-netbench ports COUNT | ROLE CERTIFICATES PORT [TARGET-PORT | COUNT] [plain | tls]");
    return 2;
}

var loop = new Loop(new EpollTransport(), TimeProvider.System, seed: 1);
var roles = new Roles(loop, folder: args[1], resumes: args[0].EndsWith("-again", StringComparison.Ordinal));
var port = int.Parse(args[2]);
var number = args.Length > 3 ? int.Parse(args[3]) : 0;
Func<ValueTask> role = args[0] switch
{
    "origin" => () => roles.ServeAsync(port, roles.AnswerAsync),
    "sink" => () => roles.ServeAsync(port, roles.DiscardAsync),
    "relay" => () => roles.ServeAsync(port, client => roles.RelayAsync(client, number)),
    "secure-out" => () => roles.ServeAsync(port, client => roles.RelaySecuredOutAsync(client, number)),
    "secure-in" => () => roles.ServeAsync(port, client => roles.RelaySecuredInAsync(client, number)),
    "secure-origin" or "secure-origin-again" => () => roles.ServeAsync(port, roles.AnswerSecuredAsync),
    "shake" or "shake-again" => () => roles.ShakeAsync(port, number),
    "push" => () => roles.PushAsync(port, megabytes: number),
    "hold" => () => roles.HoldAsync(port, number, isSecured: args is [.., "tls"]),
    _ => throw new ArgumentException($"no such role: {args[0]}"),
};
loop.Soon(() => _ = RunAsync());
loop.Run();
return 0;

async Task RunAsync()
{
    try
    {
        await role();
    }
    finally
    {
        loop.Stop();
    }
}
