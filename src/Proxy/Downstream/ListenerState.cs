using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Downstream;

/// <summary>One listener as one loop lives it: its sockets, its chains made ready, its connections.</summary>
internal sealed class ListenerState
{
    private readonly Listeners _listeners;
    private readonly List<Acceptor> _acceptors = [];
    private readonly Dictionary<FilterChain, HttpChain> _http = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<ILiveConnection, FilterChain?> _connections = new(ReferenceEqualityComparer.Instance);
    private readonly Succession _sockets, _line;
    private Dictionary<UInt128, FilterChain>? _chains; // by what they were told; made when first asked for

    /// <param name="before">The state it replaces: its sockets are taken over where the address is the same, so that no connection is refused in between.</param>
    public ListenerState(Listeners listeners, Listener listener, ListenerState? before)
    {
        (_listeners, Listener) = (listeners, listener);
        (_sockets, _line) = (new(this), new(this));
        Matcher = new(listener);
        if (before is not null && before.Listener.Address.Equals(listener.Address) && before.Listener.BindToPort == listener.BindToPort)
        {
            _acceptors.AddRange(before._acceptors);
            before._acceptors.Clear();
            _sockets = before._sockets;
            _sockets.Newest = this;
            if (!listener.DiffersInChainsOnly(before.Listener)) return;

            _line = before._line;
            _line.Newest = this;
            TakeUnchanged(before);
            return;
        }
        before?.CloseSockets();
        if (!listener.BindToPort || listener.IsInternal) return;

        Listen(listener.Address);
        foreach (var more in listener.AdditionalAddresses) Listen(more);
    }

    public Listener Listener { get; }
    public FilterChainMatcher Matcher { get; }
    public Listeners Owner => _listeners;
    /// <summary>The state that has this one's sockets now.</summary>
    public ListenerState Present => _sockets.Newest;
    /// <summary>Where a connection that has no chain yet looks for one: in the newest chains, unless more than chains has changed since it came.</summary>
    public ListenerState Heir => _line.Newest;

    /// <summary>Who serves a connection that this one has chosen a chain for: the newest state that still has the chain.</summary>
    public (ListenerState State, FilterChain Chain) ServerOf(FilterChain chain)
    {
        var heir = Heir;
        return heir != this && heir.Same(chain) is { } now ? (heir, now) : (this, chain);
    }

    public bool IsDraining { get; private set; }
    public int ConnectionCount => _connections.Count;
    public IReadOnlyList<Acceptor> Acceptors => _acceptors;
    public bool IsInbound => Listener.Direction == TrafficDirection.Inbound;

    public HttpChain Http(FilterChain chain)
    {
        if (_http.TryGetValue(chain, out var ready)) return ready;

        var drains = IsInbound || _listeners.Worker.Node.IsGateway;
        return _http[chain] = new(_listeners.Worker, chain, chain.Http!, drains);
    }

    /// <param name="chain">Null while it is not known.</param>
    public void Add(ILiveConnection connection, FilterChain? chain)
    {
        _connections.Add(connection, chain);
        connection.Keeper = this;
        if (IsDraining) connection.Drain();
    }

    public static void Remove(ILiveConnection connection)
    {
        if (connection.Keeper is not { } keeper) return;

        connection.Keeper = null;
        keeper._connections.Remove(connection);
        if (keeper.IsDraining && keeper._connections.Count == 0) keeper._listeners.Forget(keeper);
    }

    public void Drain()
    {
        IsDraining = true;
        foreach (var connection in _connections.Keys.ToList()) connection.Drain();
    }

    /// <summary>Those who are here may have shown certificates under a root that is gone: they are asked to come again, the listener goes on.</summary>
    public void RenewConnections()
    {
        if (!IsInbound && !_listeners.Worker.Node.IsGateway) return;
        foreach (var connection in _connections.Keys.Where(connection => connection.HasPeerIdentity).ToList()) connection.Drain();
    }

    public void CutAll()
    {
        foreach (var connection in _connections.Keys.ToList()) connection.Cut();
    }

    public void CloseSockets()
    {
        foreach (var acceptor in _acceptors) acceptor.Close();
        _acceptors.Clear();
    }

    /// <summary>Connections whose chain has not changed go on as if nothing had, with the chain's filters and what those have counted.</summary>
    private void TakeUnchanged(ListenerState before)
    {
        foreach (var (connection, chain) in before._connections.ToList())
        {
            if (chain is null || Same(chain) is not { } now) continue;

            before._connections.Remove(connection);
            _connections.Add(connection, now);
            connection.Keeper = this;
        }
        foreach (var (chain, ready) in before._http)
        {
            // A filter that is delivered on its own may have changed meanwhile.
            if (Same(chain) is { } now && !ready.Settings.Filters.OfType<DiscoveredFilter>().Any()) _http[now] = ready;
        }
    }

    private FilterChain? Same(FilterChain chain)
    {
        if (_chains is null)
        {
            _chains = [];
            foreach (var own in Listener.Chains)
                if (own.Fingerprint != 0) _chains.TryAdd(own.Fingerprint, own);
        }
        if (_chains.TryGetValue(chain.Fingerprint, out var same)) return same;
        return Listener.DefaultChain is { } last && last.IsSameAs(chain) ? last : null;
    }

    private void Listen(SocketTarget address)
    {
        var target = address.Ip ?? (EndPoint?)(address.UnixPath is { } path ? new System.Net.Sockets.UnixDomainSocketEndPoint(path) : null);
        if (target is null) return;

        try
        {
            var acceptor = _listeners.Worker.Loop.Transport.Listen(target, new()
            {
                Backlog = Listener.BacklogMax is > 0 and var backlog ? backlog : 4096,
                ReusePort = true,
                Transparent = Listener.Transparent,
                OriginalDestination = Listener.UseOriginalDestination || Listener.Filters.Any(filter => filter.Kind == ListenerFilterKind.OriginalDestination),
                KeepAlive = Listener.KeepAlive is { } k ? new(k.Idle, k.Interval, (int?)k.Probes) : null,
            });
            _acceptors.Add(acceptor);
            _ = AcceptLoop.RunAsync(this, acceptor);
        }
        catch (IOException e)
        {
            _listeners.ReportCannotListen(Listener.Name, address.ToString(), e.Message);
        }
    }

    /// <summary>States that follow one another share one, so that the oldest knows the newest and none in between is kept alive.</summary>
    private sealed class Succession(ListenerState first)
    {
        public ListenerState Newest { get; set; } = first;
    }
}
