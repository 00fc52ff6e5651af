using System.Net;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Upstream.Balancing;

namespace Mesh.Proxy.Upstream;

/// <summary>Room 5 of 8: a cluster as one loop sees it: its endpoints, their connections, how much is under way. Loop thread only.</summary>
internal sealed class ClusterState
{
    /// <summary>Endpoints that original destinations made up; beyond it the oldest idle ones go.</summary>
    private const int OriginalDestinationsMax = 4096;

    /// <summary>Half of Envoy's: an endpoint that fails is to be set aside soon.</summary>
    private static readonly TimeSpan HealthWindow = TimeSpan.FromSeconds(0.5);

    private readonly Dictionary<IPEndPoint, EndpointState> _originals = [];
    private EndpointState[] _all = [];
    private Balancer _balancer;
    private OutlierDetector? _outliers;
    private CircuitBudget _budget;
    private readonly NamedEndpoints _names;
    private readonly LoopTimer _healthTimer;
    private long _healthShownAt;
    private ClusterEndpoints? _told;

    public ClusterState(Worker worker, Cluster cluster, ClusterEndpoints? endpoints)
    {
        (Worker, Config) = (worker, cluster);
        RoomFreed = new(worker.Loop);
        _healthTimer = new(worker.Loop, ShowHealth);
        _balancer = new(cluster.LoadBalancing, worker.Loop.Random, worker.Loop.Clock);
        _budget = CircuitBudget.Of(cluster.Limits);
        _outliers = MakeOutliers(cluster);
        _names = new(worker.Loop, () => Update(Config, _told));
        Update(cluster, endpoints);
    }

    public Worker Worker { get; }
    public Cluster Config { get; private set; }
    public IReadOnlyList<EndpointState> All => _all;
    public bool IsRetired { get; private set; }

    // What is under way, against the limits.
    public int Requests { get; private set; }
    public int Pending { get; set; }

    /// <summary>The limits that are in force now, shared by all loops.</summary>
    public CircuitBudget Budget => _budget;
    public int Connections { get; private set; }
    public int Retries { get; private set; }

    /// <summary>Series that this cluster's requests are counted in.</summary>
    public SeriesCache Series { get; } = new();

    /// <summary>Rung when a connection became free or was closed: whoever waits for one looks again.</summary>
    public LoopSignal RoomFreed { get; }

    public long RequestsTotal, RequestsOverflowed, PendingOverflowed, ConnectsTotal, ConnectsFailed, ConnectTimeouts, RetriesTotal, TimeoutsTotal;
    public long BytesSent, BytesReceived, Status2xx, Status3xx, Status4xx, Status5xx;

    /// <summary>Connections over TLS end with their exchanges; new exchanges shake hands anew.</summary>
    public void RenewConnections()
    {
        foreach (var endpoint in _all)
            if (Config.TlsFor(endpoint.Endpoint) is not null) endpoint.Pools.Renew();
    }

    public void Update(Cluster cluster, ClusterEndpoints? endpoints)
    {
        var isNamed = cluster.Discovery is ClusterDiscovery.StrictDns or ClusterDiscovery.LogicalDns;
        if (!isNamed && ReferenceEquals(cluster, Config) && ReferenceEquals(endpoints, _told) && _all.Length > 0) return;

        _told = endpoints;
        endpoints = _names.Expand(cluster, endpoints);

        var reconnect = !ReferenceEquals(cluster, Config) && !cluster.Equals(Config);
        if (!cluster.LoadBalancing.Equals(Config.LoadBalancing)) _balancer = new(cluster.LoadBalancing, Worker.Loop.Random, Worker.Loop.Clock);
        if (!Equals(cluster.Outliers, Config.Outliers)) RenewOutliers(cluster);
        _budget = CircuitBudget.Of(cluster.Limits);
        (Config, Endpoints) = (cluster, endpoints);
        var known = new Dictionary<SocketTarget, EndpointState>();
        foreach (var state in _all) known.TryAdd(state.Endpoint.Address, state);
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
            _outliers?.Forget(gone);
        }
        _all = [.. next];
        _healthTimer.Disarm();
        HealthChanged();
    }

    public ClusterEndpoints? Endpoints { get; private set; }

    /// <summary>Some endpoint's health, ejection or weight changed.</summary>
    public void HealthChanged()
    {
        _balancer.Rebuild(_all, Endpoints);
    }

    /// <summary>
    /// An ejection began or ended. The first counts at once; what follows within the window counts together at its end, as at Envoy (update_merge_window, a second):
    /// endpoints that fail one behind the other do not all disappear in the same moment.
    /// </summary>
    private void EjectionsChanged()
    {
        if (_healthTimer.IsArmed) return;
        if (_healthShownAt == 0 || Worker.Loop.Clock.GetElapsedTime(_healthShownAt) > HealthWindow) ShowHealth();
        else _healthTimer.Arm(Deadline.After(Worker.Loop.Clock, HealthWindow));
    }

    private void ShowHealth()
    {
        _healthShownAt = Worker.Loop.Clock.GetTimestamp();
        HealthChanged();
    }

    /// <summary>The cluster is gone from the configuration: nothing new begins, what is under way may end.</summary>
    public void Retire()
    {
        IsRetired = true;
        _names.Stop();
        _healthTimer.Disarm();
        foreach (var state in _all.Concat(_originals.Values)) state.Pools.Retire();
        RoomFreed.Wake();
    }

    /// <returns>False when nothing is healthy.</returns>
    public bool TryPick(Exchange exchange, out EndpointState endpoint)
    {
        if (Config.Discovery == ClusterDiscovery.OriginalDestination) return TryOriginalDestination(exchange.Client, DestinationOf(exchange), out endpoint);

        LookForOutliers();
        endpoint = _balancer.Pick(new() { Hash = exchange.Hash, Tried = exchange.Tried, Retry = exchange.Attempt > 1 ? RetryPolicy.Of(exchange) : null })!;
        return endpoint is not null;
    }

    /// <summary>Some name of it has never been answered, so whether it has endpoints is not known yet.</summary>
    public bool IsResolving => _names.IsFirstAnswerDue;

    /// <summary>Waits for the first answer to every name; a moment only, for a resolver that does not answer at all.</summary>
    public ValueTask ResolvedAsync(Deadline deadline) => _names.FirstAnswerAsync(deadline);

    /// <summary>For a TCP connection.</summary>
    public bool TryPick(ClientConnection client, out EndpointState endpoint)
    {
        if (Config.Discovery == ClusterDiscovery.OriginalDestination) return TryOriginalDestination(client, client.Destination, out endpoint);

        LookForOutliers();
        ulong? hash = Config.LoadBalancing.Policy is BalancingPolicy.RingHash or BalancingPolicy.Maglev ? HashPolicies.OfAddress(client.Source.Address) : null;
        endpoint = _balancer.Pick(new() { Hash = hash })!;
        return endpoint is not null;
    }

    /// <summary>A TCP connection to the endpoint could, or could not, be made.</summary>
    public void ReportConnect(EndpointState endpoint, bool isConnected)
    {
        Judge(endpoint, isConnected ? 200 : null);
    }

    /// <summary>Counts a request in, if the limits allow one more; <see cref="EndExchange"/> counts it out, once, however many attempts it made.</summary>
    public bool TryBeginRequest(Exchange exchange, EndpointState endpoint)
    {
        if (exchange.CountedAt is not { } before)
        {
            if (!_budget.TryBeginRequest())
            {
                RequestsOverflowed++;
                return false;
            }
            Requests++;
            exchange.Budget = _budget;
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

        if (exchange.Budget is not { } budget || !budget.TryBeginRetry()) return false;

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
        if (_outliers is null || exchange.Endpoint is not { } blamed || failure.Side != Side.Upstream || failure.Kind is FailureKind.Overflow or FailureKind.NoHealthyUpstream) return;
        Judge(blamed, null);
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
        if (_outliers is null || exchange.Endpoint is not { } endpoint) return;
        var seen = exchange.IsGrpc && Http.Grpc.StatusIn(exchange.Response.Headers) is { } grpc ? Http.Grpc.HttpStatusOf(grpc) : status;
        Judge(endpoint, seen);
    }

    /// <summary>Counts what an endpoint did, here and on the other loops: a row of failures is a row whichever loop saw them.</summary>
    /// <param name="status">Null: it could not be reached, or broke off.</param>
    private void Judge(EndpointState endpoint, int? status)
    {
        if (_outliers is null) return;
        if (Worker.Siblings.Length > 0 && (status is not { } answered || _outliers.MattersToOthers(endpoint, answered))) Tell(Config.Name, endpoint.Endpoint.Address, status);

        Count(endpoint, status);
    }

    private void Count(EndpointState endpoint, int? status)
    {
        if (status is { } answered ? _outliers!.Report(endpoint, answered, _all) : _outliers!.ReportLocalOrigin(endpoint, _all)) EjectionsChanged();
    }

    private void Tell(string cluster, SocketTarget address, int? status)
    {
        foreach (var other in Worker.Siblings) other.Loop.Post(() => other.Cluster(cluster)?.Hear(address, status));
    }

    private void Hear(SocketTarget address, int? status)
    {
        if (_outliers is not null && Array.Find(_all, state => state.Endpoint.Address.Equals(address)) is { } endpoint) Count(endpoint, status);
    }

    public void EndExchange(Exchange exchange)
    {
        if (exchange.CountedAt is { } endpoint)
        {
            exchange.CountedAt = null;
            endpoint.ActiveRequests--;
            Requests--;
            exchange.Budget?.EndRequest();
        }
        if (exchange.IsCountedAsRetry)
        {
            exchange.IsCountedAsRetry = false;
            Retries--;
            exchange.Budget?.EndRetry();
        }
        exchange.Budget = null;
    }

    public bool MayConnect => _budget.MayConnect;

    public void ConnectionOpened()
    {
        Connections++;
        _budget.ConnectionOpened();
    }

    public void ConnectionClosed()
    {
        Connections--;
        _budget.ConnectionClosed();
        RoomFreed.WakeOne();
    }

    private IPEndPoint DestinationOf(Exchange exchange) =>
        Config.UseOriginalDestinationHeader && exchange.Request.Headers.GetText(Config.OriginalDestinationHeader) is { } text && IPEndPoint.TryParse(text, out var named)
            ? named
            : exchange.Client.Destination;

    private void LookForOutliers()
    {
        if (_outliers is not null && _outliers.Look(_all)) EjectionsChanged();
    }

    private OutlierDetector? MakeOutliers(Cluster cluster) =>
        cluster.Outliers is { } settings ? new(settings, Worker.Loop.Random, Worker.Loop.Clock) : null;

    private void RenewOutliers(Cluster cluster)
    {
        foreach (var state in _all) state.IsEjected = false;
        _outliers = MakeOutliers(cluster);
    }

    private bool TryOriginalDestination(ClientConnection client, IPEndPoint destination, out EndpointState endpoint)
    {
        // Nobody redirected this connection: the address is our own listener's, and a call to it would come back here for ever.
        if (!client.IsRedirected && destination.Equals(client.LocalSocket) && destination.Port == client.Listener.Address.Ip?.Port)
        {
            endpoint = null!;
            return false;
        }

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
