using System.Net;
using System.Net.Sockets;
using Mesh.Proxy.Observe;

namespace Mesh.Proxy.Admin;

/// <summary>The ports beside the traffic: 15000 for the admin (this host only), 15020 for the agent's pages, 15021 for readiness, 15090 for the metrics.</summary>
internal sealed class AdminDoors : IDisposable
{
    private readonly List<AdminServer> _servers = [];
    private readonly MergedMetrics _metrics;

    public AdminDoors(Sidecar sidecar, StderrLogger log, Action<bool> quit)
    {
        var bootstrap = sidecar.Bootstrap;
        var admin = new AdminPages(sidecar, log, quit);
        _metrics = new(bootstrap);
        var status = new StatusPages(sidecar, admin, new(bootstrap), _metrics, quit);
        var everywhere = bootstrap.StatusAddress ?? IPAddress.Any;
        Open(new IPEndPoint(bootstrap.StatusAddress ?? IPAddress.Loopback, bootstrap.AdminPort), admin.AnswerAsync);
        if (bootstrap.AdminSocketPath is { } path) Open(new UnixDomainSocketEndPoint(path), admin.AnswerAsync);
        Open(new IPEndPoint(everywhere, bootstrap.StatusPort), status.AnswerAsync);
        Open(new IPEndPoint(everywhere, bootstrap.ReadyPort), status.AnswerReadinessAsync);
        Open(new IPEndPoint(everywhere, bootstrap.PrometheusPort), request => Task.FromResult(
            request.Path == "/stats/prometheus" ? AdminReply.Metrics(admin.Metrics().ToAsyncEnumerable()) : AdminReply.NotFound));

        void Open(EndPoint address, Func<AdminRequest, Task<AdminReply>> answer)
        {
            var server = new AdminServer(address, answer, log);
            server.Start();
            _servers.Add(server);
        }
    }

    public void Dispose()
    {
        foreach (var server in _servers) server.Dispose();
        _metrics.Dispose();
    }
}
