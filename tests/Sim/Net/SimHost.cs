using System.Net;

namespace Mesh.Sim.Net;

/// <summary>A machine or pod: addresses, what listens there, and what its kernel does to connections.</summary>
public sealed class SimHost
{
    internal SimHost(SimNetwork network, string name, IPAddress[] addresses)
    {
        Network = network;
        Name = name;
        Addresses = addresses;
    }

    public SimNetwork Network { get; }

    public string Name { get; }

    public IReadOnlyList<IPAddress> Addresses { get; }

    /// <summary>
    /// The redirection rule for connections that leave or enter this host, as iptables would have it: where it really goes, or null to leave it.
    /// The acceptor then sees the original destination.
    /// </summary>
    public Func<SimRoute, IPEndPoint?>? Redirect { get; set; }

    internal List<MemoryAcceptor> Acceptors { get; } = [];

    internal List<MemoryDatagramSocket> Datagrams { get; } = [];

    internal int NextPort { get; set; } = 40_000;

    internal IPAddress AddressFor(IPAddress target) => IPAddress.IsLoopback(target) ? target : Addresses[0];

    internal MemoryAcceptor? AcceptorFor(IPEndPoint target)
    {
        var all = Acceptors.Where(a => Covers(a.LocalAddress, target)).ToList();
        return all.Count == 0 ? null : all[Network.Random.Next(all.Count)];
    }

    internal static bool Covers(IPEndPoint local, IPEndPoint target) =>
        local.Port == target.Port
        && (local.Address.Equals(target.Address) || local.Address.Equals(IPAddress.Any) || local.Address.Equals(IPAddress.IPv6Any));
}

/// <summary>A connection on its way.</summary>
/// <param name="Entering">True on the host it arrives at, false on the one it leaves.</param>
/// <param name="Mark">The SO_MARK its maker set.</param>
public readonly record struct SimRoute(IPEndPoint Source, IPEndPoint Target, bool Entering, int Mark);
