using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Downstream;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Tcp;

/// <summary>The L4 spine: the life of one TCP connection, top to bottom: authorize, pick, connect, relay, record.</summary>
internal sealed class ConnectionRunner(Worker worker, ClientConnection client, Connection downstream, FilterChain chain) : ILiveConnection
{
    private Connection? _upstream;

    public async ValueTask RunAsync()
    {
        if (!await FiltersAcceptAsync(worker, client, chain)) return;
        if (chain.Tcp is not { } settings) return;

        var name = PickCluster(settings);
        if (worker.Cluster(name) is not { } cluster)
        {
            client.Flags = client.Flags.With(ResponseFlag.NC);
            return;
        }

        var (upstream, failure) = await ConnectAsync(cluster, settings);
        if (upstream is null)
        {
            client.Flags = client.Flags.With(failure!.Value.Entry.Flag);
            return;
        }

        _upstream = upstream.Io;
        var progress = new Relay.Progress();
        var outcome = await Relay.RunAsync(downstream, upstream.Io, settings.IdleTimeout ?? TimeSpan.FromDays(365), progress);
        upstream.Io.Close();
        cluster.ConnectionClosed();
        upstream.Endpoint.ActiveConnections--;
        upstream.Endpoint.ActiveRequests--;
        client.BytesReceived += progress.BytesUp;
        client.BytesSent += progress.BytesDown;
        if (outcome.Status == IoStatus.Reset && outcome.BrokenByUpstream) client.TerminationDetails = "upstream_reset";
    }

    public void Drain() { }

    public void Cut()
    {
        downstream.Abort();
        _upstream?.Abort();
    }

    /// <summary>The network filters before the terminal one.</summary>
    public static ValueTask<bool> FiltersAcceptAsync(Worker worker, ClientConnection client, FilterChain chain) => new(true);

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
        for (var attempt = 0u; attempt < Math.Max(1, settings.ConnectAttemptsMax); attempt++)
        {
            if (!cluster.TryPick(client, out var endpoint)) return (null, new(FailureKind.NoHealthyUpstream, Side.Upstream));
            if (!cluster.MayConnect) return (null, new(FailureKind.Overflow, Side.Upstream));

            cluster.ConnectionOpened();
            endpoint.ActiveConnections++;
            endpoint.ActiveRequests++;
            var tls = cluster.Config.TlsFor(endpoint.Endpoint);
            (var upstream, failure) = await Connector.ConnectAsync(endpoint, tls, [], tls?.Sni ?? "", Deadline.Never);
            if (upstream is not null) return (upstream, null);

            cluster.ConnectionClosed();
            endpoint.ActiveConnections--;
            endpoint.ActiveRequests--;
        }
        return (null, failure);
    }
}
