using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Security;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Tcp;

/// <summary>The L4 spine: the life of one TCP connection, top to bottom: authorize, pick, connect, relay, record.</summary>
internal sealed class ConnectionRunner(Worker worker, ClientConnection client, Connection downstream, FilterChain chain) : ILiveConnection
{
    /// <summary>The cluster without endpoints, where connections end that nothing is known about.</summary>
    private const string OutsideRegistry = "BlackHoleCluster";

    private readonly TcpRecord _record = new();
    private Connection? _upstream;

    public ListenerState? Keeper { get; set; }

    public async ValueTask RunAsync()
    {
        var clock = worker.Loop.Clock;
        _record.StartedUtc = clock.GetUtcNow() - clock.GetElapsedTime(client.StartedAt);
        var failure = await ServeAsync();
        if (failure is { } lost) Fail(lost);

        _record.EndedAt = clock.GetTimestamp();
        _record.Flags = client.Flags;
        if (chain.Tcp is not null) worker.Logs.Record(chain.Tcp.AccessLogs, client, _record, worker);
        if (failure is null) return;

        // In order, as Envoy does it: the client sees an end and no fault, whatever it had already sent.
        downstream.Input.Consume(downstream.Input.Length);
        await downstream.CloseGentlyAsync(Deadline.After(clock, TimeSpan.FromSeconds(1)));
    }

    /// <summary>A connection whose handshake failed: it was on its way to where the chain leads, and is logged as such.</summary>
    public static void RecordUnserved(Worker worker, ClientConnection client, TcpProxySettings settings)
    {
        var clock = worker.Loop.Clock;
        var record = new TcpRecord { StartedUtc = clock.GetUtcNow() - clock.GetElapsedTime(client.StartedAt), EndedAt = clock.GetTimestamp(), Flags = client.Flags };
        if (settings.Clusters is [var only]) record.UpstreamCluster = record.UpstreamClusterAlias = only.Name;
        worker.Logs.Record(settings.AccessLogs, client, record, worker);
    }

    public bool HasPeerIdentity => client.IsMutualTls;

    public void Drain() { }

    public void Cut()
    {
        downstream.Abort();
        _upstream?.Abort();
    }

    /// <summary>The network filters before the terminal one.</summary>
    /// <returns>Null: go on. Otherwise why the connection is refused, as the log has it.</returns>
    public static string? RefusalOf(Worker worker, ClientConnection client, FilterChain chain) => NetworkFilters.Refusal(worker, client, chain, isAskedLater: false)?.Answer?.Details;

    private async ValueTask<Failure?> RefusalAsync()
    {
        if (NetworkFilters.Refusal(worker, client, chain, isAskedLater: true) is { } refused) return refused;
        foreach (var authorizer in NetworkFilters.ToAsk(chain, client))
            if (await ConnectionCheck.RefusalAsync(worker, client, authorizer) is { } denied) return denied;
        return null;
    }

    private async ValueTask<Failure?> ServeAsync()
    {
        await MeetCallerAsync();
        if (await RefusalAsync() is { Answer: { } refusal } refused)
        {
            if (refused.Kind is FailureKind.ExternalDenied or FailureKind.ExternalFailed) client.Flags = client.Flags.With(ResponseFlag.UAEX);
            if (chain.Tcp is { Clusters: [var only] }) _record.UpstreamCluster = _record.UpstreamClusterAlias = only.Name;
            client.TerminationDetails = refusal.Details;
            await RefuseAsync();
            return null;
        }
        if (chain.Tcp is not { } settings) return null;

        var name = chain.Filters.Any(filter => filter is NetworkSniCluster) ? client.ServerName : PickCluster(settings);
        if (worker.Cluster(name) is not { } cluster) return new(FailureKind.ClusterNotFound, Side.Local);

        _record.UpstreamCluster = name;
        _record.UpstreamConfig = cluster.Config;
        _record.UpstreamClusterAlias = cluster.Config.AltStatName.Length > 0 ? cluster.Config.AltStatName : name;
        if (name == OutsideRegistry && client.Listener.Direction == TrafficDirection.Outbound)
            worker.Counters.RefusedHosts.Count(client.ServerName.Length > 0 ? client.ServerName : client.Destination.Address.ToString());
        var (upstream, failure) = await ConnectAsync(cluster, settings);
        if (upstream is null) return failure;

        await RelayAsync(cluster, upstream, settings);
        return null;
    }

    /// <summary>A refused client that says nothing is not kept longer than this.</summary>
    private static readonly TimeSpan RefusedSilenceMax = TimeSpan.FromSeconds(10);

    /// <summary>Decided before a byte was passed on, told after the client's first ones: closed in order, as Envoy closes it, so that the client's own proxy sees an end and no fault.</summary>
    private async ValueTask RefuseAsync()
    {
        if (downstream.Input.IsEmpty) await downstream.FillAsync(Deadline.After(worker.Loop.Clock, RefusedSilenceMax));
        _record.BytesReceived = client.BytesReceived = downstream.Input.Length;
        downstream.Input.Consume(downstream.Input.Length);
        await downstream.CloseGentlyAsync(Deadline.After(worker.Loop.Clock, TimeSpan.FromSeconds(1)));
    }

    private async ValueTask RelayAsync(ClusterState cluster, UpstreamConnection upstream, TcpProxySettings settings)
    {
        _upstream = upstream.Io;
        _record.UpstreamConnectedAt = worker.Loop.Clock.GetTimestamp();
        (_record.UpstreamLocal, _record.UpstreamRemote, _record.UpstreamPeer, _record.UpstreamTls) = (upstream.Local, upstream.Remote, upstream.Peer, upstream.Tls);
        var progress = new Relay.Progress();
        TcpStats? stats = null;
        var isTold = cluster.Config.ExchangesPeerMetadata && upstream.Alpn == PeerPreamble.Protocol;
        if (isTold) await TellAsync(upstream.Io);
        else BeginStats();
        var outcome = await Relay.RunAsync(downstream, upstream.Io, settings.IdleTimeout ?? TimeSpan.FromDays(365), progress, isTold ? HearAsync : null);
        if (stats is null) BeginStats();
        stats!.End(client.Flags);
        upstream.Io.Close();
        Leave(cluster, upstream.Endpoint);
        (_record.BytesReceived, _record.BytesSent) = (progress.BytesUp, progress.BytesDown);
        (client.BytesReceived, client.BytesSent) = (progress.BytesUp, progress.BytesDown);
        cluster.BytesSent += progress.BytesUp;
        cluster.BytesReceived += progress.BytesDown;
        if (outcome is { Status: IoStatus.Reset, BrokenByUpstream: true }) client.Flags = client.Flags.With(ResponseFlag.UR);

        // The client's bytes go up meanwhile: hearing who answers costs the connection no round trip.
        async ValueTask HearAsync()
        {
            _record.UpstreamLabels = await PeerPreamble.ReadAsync(upstream.Io);
            BeginStats();
        }

        void BeginStats() => stats = TcpStats.Begin(worker, client, chain, cluster, upstream, _record, progress);
    }

    /// <summary>Between sidecars that agreed on it, each says first who it is. The server hears its caller before anything else, since what is decided next may ask.</summary>
    private async ValueTask MeetCallerAsync()
    {
        if (client.Alpn != PeerPreamble.Protocol || !chain.Filters.Any(filter => filter is NetworkPeerMetadata)) return;

        await TellAsync(downstream);
        client.PeerLabels = await PeerPreamble.ReadAsync(downstream);
    }

    private async ValueTask TellAsync(Connection peer)
    {
        var preamble = worker.PeerPreamble ??= PeerPreamble.Write(worker.Node);
        await peer.WriteAsync(preamble, Deadline.After(worker.Loop.Clock, TellMax));
    }

    private static readonly TimeSpan TellMax = TimeSpan.FromSeconds(10);

    private void Fail(in Failure failure)
    {
        client.Flags = client.Flags.With(failure.Entry.Flag);
        if (failure.TransportReason is not null) _record.UpstreamFailure = Failures.Unspaced(failure.TransportReason);
    }

    private string PickCluster(TcpProxySettings settings)
    {
        if (settings.Clusters.Length == 1) return settings.Clusters[0].Name;

        uint total = 0;
        foreach (var choice in settings.Clusters) total += choice.Weight;
        var roll = (uint)worker.Loop.Random.NextInt64(Math.Max(total, 1));
        foreach (var choice in settings.Clusters)
        {
            if (roll < choice.Weight) return choice.Name;

            roll -= choice.Weight;
        }
        return "";
    }

    private async ValueTask<(UpstreamConnection? Connection, Failure? Failure)> ConnectAsync(ClusterState cluster, TcpProxySettings settings)
    {
        Failure? failure = null;
        var attempts = (int)Math.Clamp(settings.ConnectAttemptsMax, 1, 64);
        while (_record.ConnectAttempts < attempts)
        {
            _record.ConnectAttempts++;
            if (cluster.IsResolving) await cluster.ResolvedAsync(Deadline.Never);
            if (!cluster.TryPick(client, out var endpoint)) return (null, new(FailureKind.NoHealthyUpstream, Side.Upstream));
            if (!cluster.MayConnect) return (null, new(FailureKind.Overflow, Side.Upstream));

            _record.UpstreamEndpoint = endpoint.Endpoint;
            cluster.ConnectionOpened();
            endpoint.ActiveConnections++;
            endpoint.ActiveRequests++;
            var tls = cluster.Config.TlsFor(endpoint.Endpoint);
            (var upstream, failure) = await Connector.ConnectAsync(endpoint, tls, [], tls?.Sni ?? "", Deadline.Never);
            cluster.ReportConnect(endpoint, upstream is not null);
            if (upstream is not null) return (upstream, null);

            Leave(cluster, endpoint);
        }
        client.Flags = client.Flags.With(failure!.Value.Entry.Flag).With(ResponseFlag.URX);
        return (null, failure);
    }

    private static void Leave(ClusterState cluster, EndpointState endpoint)
    {
        endpoint.ActiveConnections--;
        endpoint.ActiveRequests--;
        cluster.ConnectionClosed();
    }
}
