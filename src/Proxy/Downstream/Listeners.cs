using System.Collections.Immutable;
using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Downstream;

/// <summary>The listeners of one loop: sockets, and the virtual ones that connections are handed to by their original destination. Loop thread only.</summary>
internal sealed class Listeners(Worker worker, ConnectionGate gate)
{
    private readonly Dictionary<string, ListenerState> _byName = [];
    private readonly Dictionary<IPEndPoint, ListenerState> _byAddress = [];
    private readonly List<ListenerState> _leaving = [];
    private ImmutableDictionary<string, Secret> _secrets = ImmutableDictionary<string, Secret>.Empty;

    /// <summary>Listeners that still wait for their last connections. Read by any thread; a moment old at worst.</summary>
    public int LeavingCount => _leaving.Count;

    public IEnumerable<ListenerState> All => _byName.Values;
    public ConnectionGate Gate => gate;
    public Worker Worker => worker;

    /// <summary>Listeners that did not change are left alone; removed ones let their connections finish, and so do changed chains of a listener that stays.</summary>
    public void Use(Snapshot snapshot)
    {
        worker.Loop.AssertOwned();
        var hasLostRoots = TrustedRoots.HasLost(_secrets, snapshot.Secrets);
        _secrets = snapshot.Secrets;
        foreach (var name in _byName.Keys.Where(name => !snapshot.Listeners.ContainsKey(name)).ToList())
        {
            _byName.Remove(name, out var gone);
            gone!.CloseSockets();
            Leave(gone);
        }
        foreach (var (name, listener) in snapshot.Listeners)
        {
            _byName.TryGetValue(name, out var before);
            if (before is not null && ReferenceEquals(before.Listener, listener)) continue;

            _byName[name] = new(this, listener, before);
            if (before is not null) Leave(before);
        }

        if (hasLostRoots)
            foreach (var state in _byName.Values) state.RenewConnections();

        _byAddress.Clear();
        foreach (var state in _byName.Values)
        {
            if (state.Listener.Address.Ip is { } address) _byAddress[address] = state;
            foreach (var more in state.Listener.AdditionalAddresses)
                if (more.Ip is { } another) _byAddress[another] = state;
        }
    }

    /// <summary>The listener that carries this destination: exactly, or by its port on any address; null when there is none.</summary>
    public ListenerState? For(IPEndPoint destination)
    {
        if (_byAddress.TryGetValue(destination, out var exact)) return exact;

        var any = destination.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        if (_byAddress.TryGetValue(new(any, destination.Port), out var wildcard)) return wildcard;
        return any.Equals(IPAddress.IPv6Any) ? null : _byAddress.GetValueOrDefault(new(IPAddress.IPv6Any, destination.Port));
    }

    public void StopAccepting(Func<ListenerState, bool> which)
    {
        foreach (var state in _byName.Values.Where(which)) state.CloseSockets();
    }

    public void Drain(Func<ListenerState, bool> which)
    {
        foreach (var state in _byName.Values.Concat(_leaving).Where(which)) state.Drain();
    }

    public void CutAll()
    {
        foreach (var state in _byName.Values.Concat(_leaving)) state.CutAll();
    }

    public void Forget(ListenerState state) => _leaving.Remove(state);

    public void ReportCannotListen(string name, string address, string reason) => Log.CannotListen(worker.Log, name, address, reason);

    private void Leave(ListenerState state)
    {
        if (state.ConnectionCount > 0) _leaving.Add(state);
        state.Drain();
    }
}

/// <summary>How many connections the whole process may hold: counted over all loops, so the one place where loops share a number.</summary>
internal sealed class ConnectionGate(int connectionsMax)
{
    private int _count;

    public int Count => Volatile.Read(ref _count);
    public int Max => connectionsMax;

    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _count) <= connectionsMax) return true;

        Interlocked.Decrement(ref _count);
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _count);
}
