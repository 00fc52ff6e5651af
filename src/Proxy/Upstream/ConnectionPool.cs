using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Upstream;

/// <summary>Room 6 of 8: idle and busy connections to one endpoint, spoken to in one way. Last returned, first given: the others may run out. Loop thread only.</summary>
internal sealed class ConnectionPool
{
    private readonly List<H1Upstream> _idle = [];
    private readonly List<H2Upstream> _multiplexed = [];
    private readonly LoopTimer _idleTimer;
    private int _connecting;
    private bool? _isMultiplexed;

    public ConnectionPool(EndpointState endpoint, UpstreamProtocol protocol, UpstreamTls? tls, string serverName, long owner, bool mayShare)
    {
        (Endpoint, Protocol, Tls, ServerName, Owner, MayShare) = (endpoint, protocol, tls, serverName, owner, mayShare);
        _idleTimer = new(endpoint.Cluster.Worker.Loop, CloseIdle);
        _isMultiplexed = protocol switch
        {
            UpstreamProtocol.Http2 => true,
            UpstreamProtocol.Http1 when !MayBeMesh => false,
            _ => null,
        };
    }

    public EndpointState Endpoint { get; }
    public UpstreamProtocol Protocol { get; }
    public UpstreamTls? Tls { get; }
    public string ServerName { get; }
    /// <summary>The downstream connection that alone may use it; 0: all.</summary>
    public long Owner { get; }
    /// <summary>Exchanges of its kind may travel together on one HTTP/2 connection to one of our own sidecars.</summary>
    public bool MayShare { get; }
    public bool IsRetired { get; private set; }

    private static readonly ImmutableArray<string> Http1Alpn = ["http/1.1"], Http2Alpn = ["h2"];

    private ClusterState Cluster => Endpoint.Cluster;
    private Loop Loop => Cluster.Worker.Loop;

    /// <summary>The other side may be one of our own sidecars, which then takes HTTP/2 for everything.</summary>
    private bool MayBeMesh => MayShare && Tls is not null && Cluster.Worker.Node.Http2BetweenSidecars && Tls.Alpn.Any(name => name.StartsWith("istio", StringComparison.Ordinal));

    public bool IsForHost(ReadOnlySpan<byte> authority)
    {
        var colon = authority.LastIndexOf((byte)':');
        if (colon > 0 && authority[colon..].IndexOf((byte)']') < 0) authority = authority[..colon];
        return System.Text.Ascii.EqualsIgnoreCase(authority, ServerName);
    }

    /// <summary>A stream for one exchange: on a pooled connection at once, otherwise on a new one.</summary>
    public ValueTask<(IUpstreamStream? Stream, Failure? Failure)> OpenAsync(Exchange exchange, Deadline deadline) =>
        TryOpen(exchange) is { } stream ? new((stream, null)) : OpenSlowlyAsync(exchange, deadline);

    /// <summary>An HTTP/1.1 connection whose exchange is complete.</summary>
    public void TakeBack(H1Upstream connection)
    {
        if (IsRetired || Cluster.Config.IdleTimeout == TimeSpan.Zero)
        {
            connection.Close();
            return;
        }
        connection.IdleSince = Loop.Clock.GetTimestamp();
        _idle.Add(connection);
        connection.WatchWhileIdle();
        if (_idle.Count == 1 && Cluster.Config.IdleTimeout is { } idle) _idleTimer.Arm(Deadline.After(Loop.Clock, idle));
        if (Cluster.RoomFreed.HasWaiters) Cluster.RoomFreed.Wake();
    }

    /// <summary>A connection that has ended, or must not be used any more.</summary>
    public void Forget(H1Upstream connection)
    {
        _idle.Remove(connection);
        CountClosed();
    }

    public void Forget(H2Upstream connection)
    {
        _multiplexed.Remove(connection);
        CountClosed();
    }

    /// <summary>A stream ended, or the peer allows more: whoever waits may have it.</summary>
    public void RoomOnMultiplexed()
    {
        if (Cluster.RoomFreed.HasWaiters) Cluster.RoomFreed.Wake();
    }

    /// <summary>Nothing new begins here; idle connections close now, busy ones after their last exchange.</summary>
    public void Retire()
    {
        IsRetired = true;
        _idleTimer.Disarm();
        while (_idle.Count > 0) _idle[^1].Close();
        for (var i = _multiplexed.Count - 1; i >= 0; i--) _multiplexed[i].Drain();
    }

    /// <summary>A stream on a pooled connection; null when none is free.</summary>
    public IUpstreamStream? TryOpen(Exchange exchange)
    {
        for (var i = 0; i < _multiplexed.Count;)
        {
            var connection = _multiplexed[i];
            if (connection.TryOpen(exchange) is { } stream) return stream;

            // One that has had its share may have left the list.
            if (i < _multiplexed.Count && ReferenceEquals(_multiplexed[i], connection)) i++;
        }

        while (_idle.Count > 0)
        {
            var connection = _idle[^1];
            _idle.RemoveAt(_idle.Count - 1);
            if (connection.TryBegin()) return connection;

            connection.Close();
        }
        return null;
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<(IUpstreamStream? Stream, Failure? Failure)> OpenSlowlyAsync(Exchange exchange, Deadline deadline)
    {
        var budget = Cluster.Budget;
        if (!budget.TryBeginPending())
        {
            Cluster.PendingOverflowed++;
            return (null, new(FailureKind.Overflow, Side.Upstream) { BeforeRequestSent = true });
        }

        Cluster.Pending++;
        try
        {
            while (!MayConnectNow())
            {
                var status = await Cluster.RoomFreed.WaitAsync(deadline);
                if (status == IoStatus.TimedOut) return (null, new(FailureKind.Timeout, Side.Upstream));
                if (IsRetired && Cluster.IsRetired) return (null, new(FailureKind.ClusterNotFound, Side.Upstream));
                if (TryOpen(exchange) is { } freed) return (freed, null);
            }
            return await ConnectAsync(exchange, deadline);
        }
        finally
        {
            Cluster.Pending--;
            budget.EndPending();
        }
    }

    // While a connection that may carry many exchanges is being made, others wait for it rather than each making its own handshake.
    private bool MayConnectNow()
    {
        if (_connecting > 0 && _isMultiplexed != false) return false;
        return Cluster.MayConnect || Endpoint.ActiveConnections == 0;
    }

    private async ValueTask<(IUpstreamStream? Stream, Failure? Failure)> ConnectAsync(Exchange exchange, Deadline deadline)
    {
        _connecting++;
        Cluster.ConnectionOpened();
        Endpoint.ActiveConnections++;
        var (connection, failure) = await Connector.ConnectAsync(Endpoint, Tls, Alpn(exchange), ServerName, deadline);
        _connecting--;
        if (connection is null)
        {
            CountClosed();
            return (null, failure);
        }

        var isMultiplexed = Tls is null || connection.Alpn.Length == 0 ? Protocol == UpstreamProtocol.Http2 : connection.Alpn is "h2" or TlsContexts.MeshH2 || Protocol == UpstreamProtocol.Http2;
        _isMultiplexed = isMultiplexed;
        if (!isMultiplexed)
        {
            if (Cluster.RoomFreed.HasWaiters) Cluster.RoomFreed.Wake();
            var single = new H1Upstream(this, connection);
            single.TryBegin();
            return (single, null);
        }

        var shared = new H2Upstream(this, connection);
        _multiplexed.Add(shared);
        shared.Start();
        if (Cluster.RoomFreed.HasWaiters) Cluster.RoomFreed.Wake();
        return shared.TryOpen(exchange) is { } stream
            ? (stream, null)
            : (null, new(FailureKind.UpstreamClosed, Side.Upstream) { BeforeRequestSent = true });
    }

    private ImmutableArray<string> Alpn(Exchange exchange)
    {
        if (Tls is null) return [];

        var spoken = Protocol == UpstreamProtocol.Http2 ? SpokenHttp.Http2 : exchange.Request.Version == HttpVersion.Http10 ? SpokenHttp.Http10 : SpokenHttp.Http11;
        return Offer(Tls.Alpn, exchange.AlpnOverrides, spoken, MayBeMesh);
    }

    /// <summary>The other side chooses its filter chain by what is offered, so what a filter says for the protocol spoken goes before what the cluster says for all.</summary>
    internal static ImmutableArray<string> Offer(ImmutableArray<string> ofCluster, ImmutableArray<AlpnOverride> overrides, SpokenHttp spoken, bool mayBeMesh)
    {
        var alpn = ofCluster;
        foreach (var choice in overrides)
            if (choice.Spoken == spoken) alpn = choice.Alpn;
        // Nobody said what to offer: what will be spoken.
        if (alpn.IsEmpty) alpn = spoken == SpokenHttp.Http2 ? Http2Alpn : Http1Alpn;
        return mayBeMesh ? [TlsContexts.MeshH2, .. alpn] : alpn;
    }

    private void CountClosed()
    {
        Endpoint.ActiveConnections--;
        Cluster.ConnectionClosed();
    }

    private void CloseIdle()
    {
        if (Cluster.Config.IdleTimeout is not { } idle) return;

        while (_idle.Count > 0 && Loop.Clock.GetElapsedTime(_idle[0].IdleSince) >= idle) _idle[0].Close();
        if (_idle.Count > 0) _idleTimer.Arm(Deadline.After(Loop.Clock, idle - Loop.Clock.GetElapsedTime(_idle[0].IdleSince)));
    }
}
