using System.Collections.Immutable;
using System.Net;
using System.Text;
using Mesh.Net;
using Mesh.Net.Tls;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Upstream;
using Mesh.Sim.Net;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Tests.Proxy;

/// <summary>A proxy of one loop on a network in memory, given its snapshot by the test; wire in, wire out.</summary>
internal sealed class ProxyRig : IDisposable
{
    public static readonly IPEndPoint ProxyAddress = new(IPAddress.Loopback, 15001), ServerAddress = new(IPAddress.Loopback, 8080);

    public ProxyRig(SimConditions? conditions = null, int seed = 7, int bodyBytesPerSecondMin = 0, bool isGateway = false)
    {
        Network = new(seed, conditions ?? SimConditions.Calm);
        Loop = Network.CreateLoop();
        Worker = new(0, Loop, new NoTls(), new() { Id = "sidecar~10.0.0.1~test.default~default.svc.cluster.local", Cluster = "test.default", RequestBodyBytesPerSecondMin = bodyBytesPerSecondMin, IsGateway = isGateway }, new(), NullLogger.Instance);
        Listeners = new(Worker, new(1000));
    }

    public SimNetwork Network { get; }
    public Loop Loop { get; }
    public Worker Worker { get; }
    public Listeners Listeners { get; }
    public Snapshot Snapshot { get; private set; } = Snapshot.Empty;

    /// <summary>A listener on <see cref="ProxyAddress"/> whose one route leads everything to a server at <see cref="ServerAddress"/>.</summary>
    public void Serve(Func<Forward, Forward>? route = null, Func<Cluster, Cluster>? cluster = null, Func<HttpConnectionSettings, HttpConnectionSettings>? http = null, params IPEndPoint[] servers)
    {
        if (servers.Length == 0) servers = [ServerAddress];
        var table = new RouteTable
        {
            Name = "80",
            VirtualHosts =
            [
                new()
                {
                    Name = "all", Domains = ["*"], AttemptCountInRequest = true,
                    Routes =
                    [
                        new()
                        {
                            Name = "default", Match = new() { Path = "/" },
                            Action = (route ?? (r => r))(new() { Clusters = [new() { Name = "server" }], Timeout = null }),
                        },
                    ],
                },
            ],
        };
        var settings = (http ?? (s => s))(new() { RoutesName = "80", IdleTimeout = TimeSpan.FromHours(1), StreamIdleTimeout = null, Upgrades = [new("websocket", true)] });
        Use(Snapshot.Empty with
        {
            Routes = Snapshot.Empty.Routes.Add("80", table),
            Clusters = Snapshot.Empty.Clusters.Add("server", (cluster ?? (c => c))(new()
            {
                Name = "server", ConnectTimeout = TimeSpan.FromSeconds(1), Protocol = UpstreamProtocol.FromDownstream,
                Endpoints = new()
                {
                    Name = "server",
                    Localities = [new() { Endpoints = [.. servers.Select(address => new Endpoint { Address = SocketTarget.At(address) })] }],
                },
            })),
            Listeners = Snapshot.Empty.Listeners.Add("main", new()
            {
                Name = "main", Address = SocketTarget.At(ProxyAddress), Direction = TrafficDirection.Outbound,
                DefaultChain = new() { Name = "http", Http = settings },
            }),
        });
    }

    public void Use(Snapshot snapshot)
    {
        Snapshot = snapshot;
        Run(() =>
        {
            Worker.Use(snapshot);
            Listeners.Use(snapshot);
            return default;
        });
    }

    public void Run(Func<ValueTask> flow) => Network.Run(Loop, flow);

    /// <summary>A server that answers every connection by the script: it is given the wire and says what it does with it.</summary>
    public void Server(Func<Wire, ValueTask> script, IPEndPoint? at = null)
    {
        var acceptor = Loop.Transport.Listen(at ?? ServerAddress);
        Run(() =>
        {
            _ = AcceptAsync();
            return default;

            async Task AcceptAsync()
            {
                while (await acceptor.AcceptAsync(Deadline.Never) is { Connection: { } connection }) _ = ServeAsync(connection);
            }

            async Task ServeAsync(Connection connection)
            {
                try
                {
                    await script(new(connection));
                    await connection.CloseGentlyAsync(Deadline.After(Loop.Clock, TimeSpan.FromSeconds(10)));
                }
                catch (Exception e)
                {
                    ServerFaults.Add(e);
                    connection.Abort();
                }
            }
        });
    }

    /// <summary>A server that answers each request with what it was asked, as text, and keeps the connection.</summary>
    public void EchoServer() => Server(async wire =>
    {
        while (await wire.ReadHeadAsync() is { Length: > 0 } head)
        {
            var length = head.Split('\n').FirstOrDefault(line => line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase));
            var body = length is null ? "" : await wire.ReadAsync(int.Parse(length.Split(':')[1].Trim(), System.Globalization.CultureInfo.InvariantCulture));
            var echo = head + body;
            await wire.WriteAsync($"HTTP/1.1 200 OK\r\ncontent-length: {echo.Length}\r\nconnection-id: {wire.Id}\r\n\r\n{echo}");
        }
    });

    public async ValueTask<Wire> ConnectAsync()
    {
        var (connection, status) = await Loop.Transport.ConnectAsync(ProxyAddress, Deadline.After(Loop.Clock, TimeSpan.FromSeconds(1)));
        Assert.Equal(IoStatus.Ok, status);
        return new(connection!);
    }

    /// <summary>One request on a connection of its own; the whole answer as text.</summary>
    public string Call(string request)
    {
        var answer = "";
        Run(async () =>
        {
            var wire = await ConnectAsync();
            await wire.WriteAsync(request);
            answer = await wire.ReadResponseAsync();
            wire.Connection.Close();
        });
        return answer;
    }

    /// <summary>What went wrong in the scripts of servers.</summary>
    public List<Exception> ServerFaults { get; } = [];

    public void Dispose()
    {
        Network.Dispose();
        Assert.Empty(ServerFaults);
    }

    internal sealed class NoTls : TlsProvider
    {
        public override Mesh.Net.Tls.TlsContext CreateContext(TlsSettings settings) => throw new TlsSettingsException("no TLS in this test");
    }
}

/// <summary>A connection as a test reads and writes it.</summary>
internal sealed class Wire(Connection connection)
{
    private static int _ids;

    public int Id { get; } = Interlocked.Increment(ref _ids);
    public Connection Connection => connection;
    private Deadline Soon => Deadline.After(connection.Loop.Clock, TimeSpan.FromMinutes(1));

    public async ValueTask WriteAsync(string text) => await connection.WriteAsync(Encoding.Latin1.GetBytes(text), Soon);

    /// <summary>Up to the blank line; empty at the end of the connection.</summary>
    public async ValueTask<string> ReadHeadAsync()
    {
        while (true)
        {
            var end = connection.Input.Span.IndexOf("\r\n\r\n"u8);
            if (end >= 0) return Take(end + 4);
            if (await connection.FillAsync(Soon) != IoStatus.Ok) return "";
        }
    }

    public async ValueTask<string> ReadAsync(int count)
    {
        while (connection.Input.Length < count)
            if (await connection.FillAsync(Soon) != IoStatus.Ok) break;
        return Take(Math.Min(count, connection.Input.Length));
    }

    /// <summary>A response with content-length or chunks, or until the end.</summary>
    public async ValueTask<string> ReadResponseAsync()
    {
        var head = await ReadHeadAsync();
        var length = head.Split('\n').FirstOrDefault(line => line.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase));
        if (length is not null) return head + await ReadAsync(int.Parse(length.Split(':')[1].Trim(), System.Globalization.CultureInfo.InvariantCulture));
        if (!head.Contains("transfer-encoding: chunked", StringComparison.OrdinalIgnoreCase)) return head + await ReadAllAsync();

        while (connection.Input.Span.IndexOf("0\r\n\r\n"u8) < 0)
            if (await connection.FillAsync(Soon) != IoStatus.Ok) break;
        return head + Take(connection.Input.Length);
    }

    public async ValueTask<string> ReadAllAsync()
    {
        while (await connection.FillAsync(Soon) == IoStatus.Ok) { }
        return Take(connection.Input.Length);
    }

    private string Take(int count)
    {
        var text = Encoding.Latin1.GetString(connection.Input.Span[..count]);
        connection.Input.Consume(count);
        return text;
    }
}
