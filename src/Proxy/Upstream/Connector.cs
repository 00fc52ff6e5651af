using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Upstream;

/// <summary>Opens a connection to an endpoint: TCP, then TLS where the cluster says so, both within the cluster's connect timeout.</summary>
internal static class Connector
{
    public static async ValueTask<(UpstreamConnection? Connection, Failure? Failure)> ConnectAsync(
        EndpointState endpoint, UpstreamTls? tls, ImmutableArray<string> alpn, string serverName, Deadline deadline)
    {
        var cluster = endpoint.Cluster;
        var worker = cluster.Worker;
        var limit = Deadline.After(worker.Loop.Clock, cluster.Config.ConnectTimeout).Sooner(deadline);
        cluster.ConnectsTotal++;
        endpoint.ConnectsTotal++;
        if (Target(endpoint.Endpoint.Address) is not { } target)
            return Failed(endpoint, new(FailureKind.DnsFailed, Side.Upstream));

        var (context, refusal) = tls is null ? (null, null) : worker.Secure.ForClient(tls, alpn, tls.AutoSanValidation ? serverName : "");
        if (tls is not null && context is null) return Failed(endpoint, new(FailureKind.ConnectFailed, Side.Upstream) { TransportReason = refusal, BeforeRequestSent = true });

        var (plain, status) = await worker.Loop.Transport.ConnectAsync(target, limit, OptionsOf(cluster.Config, target));
        if (plain is null) return Failed(endpoint, FailureOf(worker, status, deadline));
        if (context is null) return (new(endpoint, plain), null);

        var outcome = await context.HandshakeAsync(plain, limit, serverName.Length > 0 ? serverName : null);
        if (outcome.Connection is not null) return (new(endpoint, outcome.Connection), null);
        if (outcome.Status == IoStatus.TimedOut) return Failed(endpoint, FailureOf(worker, outcome.Status, deadline));

        return Failed(endpoint, new(FailureKind.ConnectFailed, Side.Upstream) { TransportReason = outcome.Reason is { } reason ? TlsWords.Of(reason) : TlsWords.ConnectionReset, BeforeRequestSent = true });
    }

    private static (UpstreamConnection?, Failure?) Failed(EndpointState endpoint, Failure failure)
    {
        endpoint.ConnectsFailed++;
        endpoint.Cluster.ConnectsFailed++;
        if (failure.Kind == FailureKind.ConnectTimeout) endpoint.Cluster.ConnectTimeouts++;
        return (null, failure);
    }

    private static Failure FailureOf(Worker worker, IoStatus status, Deadline request) => status switch
    {
        IoStatus.TimedOut when request.HasPassed(worker.Loop.Clock) => new(FailureKind.Timeout, Side.Upstream) { BeforeRequestSent = true },
        IoStatus.TimedOut => new(FailureKind.ConnectTimeout, Side.Upstream) { BeforeRequestSent = true },
        IoStatus.Refused => new(FailureKind.ConnectFailed, Side.Upstream) { TransportReason = "delayed connect error: Connection refused", BeforeRequestSent = true },
        IoStatus.Unreachable => new(FailureKind.ConnectFailed, Side.Upstream) { TransportReason = "delayed connect error: No route to host", BeforeRequestSent = true },
        _ => new(FailureKind.ConnectFailed, Side.Upstream) { TransportReason = "delayed connect error: Connection reset by peer", BeforeRequestSent = true },
    };

    private static EndPoint? Target(SocketTarget address) =>
        address.Ip ?? (EndPoint?)(address.UnixPath is { } path ? new UnixDomainSocketEndPoint(path) : null);

    private static ConnectOptions OptionsOf(Cluster cluster, EndPoint target)
    {
        if (cluster.BindAddress is null && cluster.KeepAlive is null) return ConnectOptions.Default;

        var bind = cluster.BindAddress is { } source && (target as IPEndPoint)?.AddressFamily == source.AddressFamily ? new IPEndPoint(source, 0) : null;
        return new() { Bind = bind, KeepAlive = cluster.KeepAlive is { } k ? new(k.Idle, k.Interval, (int?)k.Probes) : null };
    }
}
