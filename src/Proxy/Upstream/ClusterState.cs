using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Upstream;

/// <summary>Room 5 of 8: a cluster as one loop sees it: its endpoints, their connections, how much is under way. Loop thread only.</summary>
internal sealed class ClusterState
{
    /// <summary>Endpoints that original destinations made up; beyond it the oldest idle ones go.</summary>
    private const int OriginalDestinationsMax = 4096;

    private readonly Dictionary<IPEndPoint, EndpointState> _originals = [];
    private EndpointState[] _all = [];
    private EndpointState[] _healthy = [];

    public ClusterState(Worker worker, Cluster cluster, ClusterEndpoints? endpoints)
    {
        (Worker, Config) = (worker, cluster);
        RoomFreed = new(worker.Loop);
        Update(cluster, endpoints);
    }

    public Worker Worker { get; }
    public Cluster Config { get; private set; }
    public IReadOnlyList<EndpointState> All => _all;
    public bool IsRetired { get; private set; }

    // What is under way, against the limits.
    public int Requests { get; private set; }
    public int Pending { get; set; }
    public int Connections { get; private set; }
    public int Retries { get; private set; }

    /// <summary>Rung when a connection became free or was closed: whoever waits for one looks again.</summary>
    public LoopSignal RoomFreed { get; }

    public long RequestsTotal, RequestsOverflowed, PendingOverflowed, ConnectsTotal, ConnectsFailed, ConnectTimeouts, RetriesTotal, TimeoutsTotal;
    public long BytesSent, BytesReceived, Status2xx, Status3xx, Status4xx, Status5xx;

    public void Update(Cluster cluster, ClusterEndpoints? endpoints)
    {
        if (ReferenceEquals(cluster, Config) && ReferenceEquals(endpoints, Endpoints) && _all.Length > 0) return;

        var reconnect = !ReferenceEquals(cluster, Config) && !cluster.Equals(Config);
        (Config, Endpoints) = (cluster, endpoints);
        var known = _all.ToDictionary(state => state.Endpoint.Address);
        var next = new List<EndpointState>();
        foreach (var place in endpoints?.Localities ?? [])
        {
            foreach (var endpoint in place.Endpoints)
            {
                if (known.Remove(endpoint.Address, out var state))
                {
                    if (reconnect || !ReferenceEquals(state.Endpoint, endpoint) && !Equals(state.Endpoint.Metadata, endpoint.Metadata)) state.Pools.Renew();
                    (state.Endpoint, state.Locality, state.Priority) = (endpoint, place.Locality, place.Priority);
                }
                else
                {
                    state = new(this, endpoint, place.Locality, place.Priority) { AddedAt = Worker.Loop.Clock.GetTimestamp() };
                }
                next.Add(state);
            }
        }
        foreach (var gone in known.Values)
        {
            gone.IsRemoved = true;
            gone.Pools.Retire();
        }
        _all = [.. next];
        HealthChanged();
    }

    public ClusterEndpoints? Endpoints { get; private set; }

    /// <summary>Some endpoint's health, ejection or weight changed.</summary>
    public void HealthChanged()
    {
        _healthy = [.. _all.Where(state => state.IsHealthy)];
    }

    /// <summary>The cluster is gone from the configuration: nothing new begins, what is under way may end.</summary>
    public void Retire()
    {
        IsRetired = true;
        foreach (var state in _all.Concat(_originals.Values)) state.Pools.Retire();
        RoomFreed.Wake();
    }

    /// <returns>False when nothing is healthy.</returns>
    public bool TryPick(Exchange exchange, out EndpointState endpoint)
    {
        if (Config.Discovery == ClusterDiscovery.OriginalDestination) return TryOriginalDestination(exchange.Client.Destination, out endpoint);

        endpoint = null!;
        if (_healthy.Length == 0) return false;

        var first = _healthy[exchange.Random.Next(_healthy.Length)];
        var second = _healthy[exchange.Random.Next(_healthy.Length)];
        endpoint = first.ActiveRequests <= second.ActiveRequests ? first : second;
        return true;
    }

    /// <summary>For a TCP connection.</summary>
    public bool TryPick(ClientConnection client, out EndpointState endpoint)
    {
        if (Config.Discovery == ClusterDiscovery.OriginalDestination) return TryOriginalDestination(client.Destination, out endpoint);

        endpoint = null!;
        if (_healthy.Length == 0) return false;

        endpoint = _healthy[Worker.Loop.Random.Next(_healthy.Length)];
        return true;
    }

    /// <summary>Counts a request in, if the limits allow one more; <see cref="EndExchange"/> counts it out, once, however many attempts it made.</summary>
    public bool TryBeginRequest(Exchange exchange, EndpointState endpoint)
    {
        if (exchange.CountedAt is not { } before)
        {
            if (Requests >= Config.Limits.RequestsMax)
            {
                RequestsOverflowed++;
                return false;
            }
            Requests++;
        }
        else
        {
            before.ActiveRequests--;
        }
        exchange.CountedAt = endpoint;
        endpoint.ActiveRequests++;
        endpoint.RequestsTotal++;
        RequestsTotal++;
        return true;
    }

    public bool TryBeginRetry(Exchange exchange)
    {
        if (exchange.IsCountedAsRetry) return true;

        var limit = Config.Limits.RetryBudget is { } budget
            ? Math.Max(budget.RetriesMin, Requests * budget.Percent / 100)
            : Config.Limits.RetriesMax;
        if (Retries >= limit) return false;

        exchange.IsCountedAsRetry = true;
        Retries++;
        RetriesTotal++;
        return true;
    }

    /// <summary>An attempt failed without a response.</summary>
    public void Report(Exchange exchange, in Failure failure)
    {
        if (exchange.Endpoint is { } endpoint && failure.Side == Side.Upstream) endpoint.RequestsFailed++;
        if (failure.Kind is FailureKind.Timeout or FailureKind.PerTryTimeout) TimeoutsTotal++;
    }

    /// <summary>An attempt was answered.</summary>
    public void Report(Exchange exchange, int status)
    {
        switch (status / 100)
        {
            case 2: Status2xx++; break;
            case 3: Status3xx++; break;
            case 4: Status4xx++; break;
            case 5: Status5xx++; exchange.Endpoint!.RequestsFailed++; break;
        }
    }

    public void EndExchange(Exchange exchange)
    {
        if (exchange.CountedAt is { } endpoint)
        {
            exchange.CountedAt = null;
            endpoint.ActiveRequests--;
            Requests--;
        }
        if (exchange.IsCountedAsRetry)
        {
            exchange.IsCountedAsRetry = false;
            Retries--;
        }
    }

    public bool MayConnect => Connections < Config.Limits.ConnectionsMax;

    public void ConnectionOpened() => Connections++;

    public void ConnectionClosed()
    {
        Connections--;
        RoomFreed.WakeOne();
    }

    private bool TryOriginalDestination(IPEndPoint destination, out EndpointState endpoint)
    {
        if (Config.OriginalDestinationPortOverride is { } port && port != destination.Port) destination = new(destination.Address, port);
        if (_originals.TryGetValue(destination, out endpoint!)) return true;

        if (_originals.Count >= OriginalDestinationsMax) DropIdleOriginals();
        endpoint = new(this, new() { Address = SocketTarget.At(destination) }, Locality.Nowhere, 0) { AddedAt = Worker.Loop.Clock.GetTimestamp() };
        _originals[destination] = endpoint;
        return true;
    }

    private void DropIdleOriginals()
    {
        foreach (var (address, state) in _originals.Where(pair => pair.Value.ActiveRequests == 0).Take(OriginalDestinationsMax / 4).ToList())
        {
            _originals.Remove(address);
            state.Pools.Retire();
        }
    }
}
