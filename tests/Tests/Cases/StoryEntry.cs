using System.Globalization;
using System.Net;
using Mesh.Model.Translate;
using Mesh.Proxy.Config;

namespace Mesh.Tests.Cases;

/// <summary>
/// Where the calls of a story come in: at the caller's sidecar, at the gateway, or from outside at the server's. At the latter two a call comes to the real listener
/// with its filter chains; those that need TLS are left out, because there are no identities here.
/// </summary>
internal sealed class StoryEntry
{
    private const int ListenFrom = 20_000, CapturedInbound = 15006;

    private readonly string serverAddress;
    private readonly Func<int, int> targetPort;
    private readonly Dictionary<string, int> ports = [];

    private StoryEntry(ProxyConfiguration configuration, Func<Listener, IEnumerable<(string Key, Listener Listener)>> entries, string serverAddress, Func<int, int> targetPort)
    {
        Configuration = configuration;
        this.serverAddress = serverAddress;
        this.targetPort = targetPort;
        foreach (var resource in configuration.Listeners.All)
        {
            if (ResourceFromXds.Decode(resource.TypeUrl, resource.Name, resource.Body).Resource is not Listener listener || listener.Address.Ip is null) continue;
            foreach (var (key, entry) in entries(listener))
            {
                ports[key] = ListenFrom + ports.Count;
                if (!key.Contains('@', StringComparison.Ordinal)) ports[key] = int.Parse(key, CultureInfo.InvariantCulture); // chains are chosen by the port
                Listeners.Add(entry with { Name = key, Address = SocketTarget.At(new(IPAddress.Loopback, ports[key])) });
            }
        }
    }

    public ProxyConfiguration Configuration { get; }

    /// <summary>On loopback, each at a port of its own.</summary>
    public List<Listener> Listeners { get; } = [];

    public static StoryEntry AtCaller(CaseWorld world) => new(world.ForCaller(), OfCaller, "", port => port);

    public static StoryEntry AtServer(CaseWorld world) => new(world.ForServer(), OfServer, world.Server.Ip, port => port);

    /// <summary>The port of the gateway's Service leads to that of its pods.</summary>
    public static StoryEntry AtGateway(CaseWorld world) => new(world.ForGateway(), OfGateway, "", port => port switch { 80 => 8080, 443 => 8443, _ => port });

    /// <summary>Nobody has a certificate here, and what was called at the server's own address is found there.</summary>
    public Cluster Adapt(Cluster cluster)
    {
        var plain = cluster with { Tls = null, TransportMatches = [] };
        if (serverAddress.Length == 0 || cluster.Discovery != ClusterDiscovery.OriginalDestination || cluster.Name.Split('|') is not ["inbound", var port, ..]) return plain;

        var address = new IPEndPoint(IPAddress.Parse(serverAddress), int.Parse(port, CultureInfo.InvariantCulture));
        return plain with
        {
            Discovery = ClusterDiscovery.Static, LoadBalancing = new(), BindAddress = null,
            Endpoints = new() { Name = cluster.Name, Localities = [new() { Endpoints = [new Endpoint { Address = SocketTarget.At(address) }] }] },
        };
    }

    /// <returns>The port on loopback where a call for that authority comes in; null where nobody listens.</returns>
    public int? PortFor(string authority)
    {
        var (host, written) = authority.Split(':') is [var name, var number] ? (name, number) : (authority, "80");
        var port = targetPort(int.Parse(written, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture);
        if (ports.TryGetValue(port, out var own)) return own;

        var named = ports.Where(p => p.Key.StartsWith(port + "@", StringComparison.Ordinal)).ToList();
        var chosen = named.Find(p => p.Key.Split('@')[1].StartsWith(host, StringComparison.Ordinal));
        return chosen.Key is not null ? chosen.Value : named.Find(p => p.Key == $"{port}@{port}") is { Key: not null } whole ? whole.Value : null;
    }

    /// <summary>Which address was called does not matter to a sidecar's HTTP routes: the table of the port does.</summary>
    private static IEnumerable<(string, Listener)> OfCaller(Listener listener)
    {
        if (listener.Direction != TrafficDirection.Outbound || listener.Chains.FirstOrDefault(chain => chain.Http is not null) is not { Http: { } http }) yield break;
        yield return ($"{listener.Address.Ip!.Port}@{http.RoutesName}",
            new() { Name = "", Address = listener.Address, Direction = TrafficDirection.Outbound, DefaultChain = new() { Name = "http", Http = Quiet(http) } });
    }

    private static IEnumerable<(string, Listener)> OfServer(Listener listener)
    {
        if (listener.Name != "virtualInbound") return [];
        return listener.Chains.Select(chain => chain.Match.DestinationPort).OfType<int>().Append(CapturedInbound).Distinct()
            .Select(port => (port.ToString(CultureInfo.InvariantCulture), InPlainText(listener) with { UseOriginalDestination = false }));
    }

    private static IEnumerable<(string, Listener)> OfGateway(Listener listener) => [(listener.Address.Ip!.Port.ToString(CultureInfo.InvariantCulture), InPlainText(listener))];

    private static Listener InPlainText(Listener listener) => listener with
    {
        Chains = [.. listener.Chains.Where(chain => chain.Tls is null).Select(Quiet)],
        DefaultChain = listener.DefaultChain is { Tls: null } last ? Quiet(last) : null,
        AccessLogs = [],
    };

    private static FilterChain Quiet(FilterChain chain) => chain with
    {
        Http = chain.Http is { } http ? Quiet(http) : null, Tcp = chain.Tcp is { } tcp ? tcp with { AccessLogs = [] } : null,
    };

    private static HttpConnectionSettings Quiet(HttpConnectionSettings http) => http with { AccessLogs = [], Tracing = null };
}
