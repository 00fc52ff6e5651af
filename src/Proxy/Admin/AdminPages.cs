using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Proxy.Control;
using Mesh.Proxy.Observe;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Admin;

/// <summary>The pages of port 15000, with the paths, words and JSON shapes of Envoy's admin, because tools and people know those.</summary>
internal sealed class AdminPages(Sidecar sidecar, StderrLogger log, Action<bool> quit)
{
    private static readonly TimeSpan PatternTimeout = TimeSpan.FromMilliseconds(200);

    private static readonly (Signal Signal, string Name)[] ExportSignals = [(Signal.Spans, "spans"), (Signal.Logs, "logs")];

    private bool _healthFailed;

    public bool HealthFailed => _healthFailed;

    public Task<AdminReply> AnswerAsync(AdminRequest request) => Task.FromResult(Answer(request));

    private AdminReply Answer(AdminRequest request)
    {
        switch (request.Path)
        {
            case "/ready": return sidecar.NotReady() is { } why ? new(503, StateWord() + "\n" + why + "\n") : AdminReply.Ok("LIVE\n");
            case "/server_info": return AdminReply.Json(ServerInfo());
            case "/config_dump": return AdminReply.Json(ConfigDump.Write(sidecar, request.Query.ContainsKey("include_eds"), request.Query.GetValueOrDefault("resource", ""), request.Query.GetValueOrDefault("name_regex", "")));
            case "/certs": return AdminReply.Json(ConfigDump.WriteCertificates(sidecar));
            case "/clusters": return request.Query.GetValueOrDefault("format") == "json" ? AdminReply.Json(ConfigDump.WriteClusters(sidecar)) : AdminReply.Ok(Clusters());
            case "/listeners": return request.Query.GetValueOrDefault("format") == "json" ? AdminReply.Json(ConfigDump.WriteListeners(sidecar)) : AdminReply.Ok(Listeners());
            case "/stats/prometheus": return AdminReply.Metrics(Metrics().ToAsyncEnumerable());
            case "/stats": return Stats(request);
            case "/authz": return AuthorizationPage.CanI(sidecar.Snapshot, sidecar.Bootstrap.InstanceIp, request.Query);
            case "/authz/policies": return AuthorizationPage.Policies(sidecar.Snapshot);
            case "/memory": return AdminReply.Json($"{{\"allocated\":\"{GC.GetTotalMemory(false)}\",\"heap_size\":\"{Environment.WorkingSet}\"}}\n");
            case "/help" or "/": return AdminReply.Ok("/authz\n/authz/policies\n/certs\n/clusters\n/config_dump\n/drain_listeners\n/healthcheck/fail\n/healthcheck/ok\n/help\n/listeners\n/logging\n/memory\n/quitquitquit\n/ready\n/server_info\n/stats\n/stats/prometheus\n");
        }
        if (request.Method != "POST") return request.Path is "/quitquitquit" or "/logging" or "/drain_listeners" or "/healthcheck/fail" or "/healthcheck/ok"
            ? new(405, $"Method {request.Method} not allowed, POST required.") : AdminReply.NotFound;

        switch (request.Path)
        {
            case "/quitquitquit": return AdminReply.Ok() with { Afterwards = () => quit(true) };
            case "/logging": return Logging(request);
            case "/drain_listeners":
                sidecar.BeginDrain();
                return AdminReply.Ok();
            case "/healthcheck/fail":
                _healthFailed = true;
                return AdminReply.Ok();
            case "/healthcheck/ok":
                _healthFailed = false;
                return AdminReply.Ok();
            default: return AdminReply.NotFound;
        }
    }

    public IEnumerable<PooledText> Metrics() => Prometheus.Write([.. sidecar.Loops.Select(loop => loop.Worker.Counters)], [.. Gauges()]);

    private IEnumerable<Gauge> Gauges()
    {
        var counters = sidecar.Loops.Select(loop => loop.Worker.Counters).ToList();
        yield return new("envoy_server_live", "", sidecar.NotReady() is null ? 1 : 0);
        yield return new("envoy_server_uptime", "", (long)sidecar.Uptime.TotalSeconds);
        yield return new("envoy_server_concurrency", "", sidecar.Loops.Count);
        yield return new("envoy_server_memory_allocated", "", GC.GetTotalMemory(false));
        yield return new("envoy_server_memory_heap_size", "", Environment.WorkingSet);
        yield return new("envoy_http_downstream_cx_active", "", sidecar.Gate.Count);
        yield return new("envoy_http_downstream_cx_total", "", counters.Sum(c => c.DownstreamConnections), true);
        yield return new("mesh_rate_limit_errors_total", "", counters.Sum(c => c.RateLimitErrors), true);
        yield return new("mesh_requests_misdirected_total", "", counters.Sum(c => c.RequestsMisdirected), true);
        yield return new("envoy_listener_downstream_cx_active", "", counters.Sum(c => c.DownstreamConnectionsActive));
        yield return new("envoy_listener_downstream_cx_total", "", counters.Sum(c => c.DownstreamConnections), true);
        yield return new("envoy_listener_http_downstream_rq", "", counters.Sum(c => c.DownstreamRequests), true);
        yield return new("process_cpu_seconds_total", "", Environment.CpuUsage.TotalTime.TotalSeconds, true);
        yield return new("process_resident_memory_bytes", "", Environment.WorkingSet);
        yield return new("mesh_connections_shed_total", "", counters.Sum(c => c.ConnectionsShed), true);
        yield return new("mesh_requests_shed_total", "", counters.Sum(c => c.RequestsShed), true);
        yield return new("mesh_protocol_errors_total", "", counters.Sum(c => c.ProtocolErrors), true);
        yield return new("mesh_tls_handshakes_total", "", counters.Sum(c => c.TlsHandshakes), true);
        yield return new("mesh_tls_failures_total", "", counters.Sum(c => c.TlsFailures), true);
        yield return new("envoy_cluster_upstream_cx_active", "cluster_name=\"xds-grpc\"", sidecar.Keeper.State.IsConnected ? 1 : 0);
        foreach (var host in counters.SelectMany(c => c.RefusedHosts.All).GroupBy(entry => entry.Host, StringComparer.Ordinal))
            yield return new("mesh_egress_refused_total", $"host=\"{host.Key}\"", host.Sum(entry => entry.Count), true);
        yield return new("mesh_kept_configuration_in_use", "", sidecar.Keeper.State.GoesOnSince is null ? 0 : 1);
        foreach (var (signal, name) in ExportSignals)
        {
            var label = $"signal=\"{name}\"";
            yield return new("mesh_export_sent_total", label, counters.Sum(c => c.ExportsOf(signal).Sent), true);
            yield return new("mesh_export_failures_total", label, counters.Sum(c => c.ExportsOf(signal).Failures), true);
            yield return new("mesh_export_dropped_total", label + ",reason=\"queue_full\"", counters.Sum(c => c.ExportsOf(signal).DroppedFull), true);
            yield return new("mesh_export_dropped_total", label + ",reason=\"collector\"", counters.Sum(c => c.ExportsOf(signal).DroppedRefused), true);
        }
        foreach (var (name, states) in ClusterStates())
        {
            var label = $"cluster_name=\"{name.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
            yield return new("envoy_cluster_upstream_rq_total", label, states.Sum(s => s.RequestsTotal), true);
            yield return new("envoy_cluster_upstream_cx_active", label, states.Sum(s => s.Connections));
            yield return new("envoy_cluster_upstream_cx_total", label, states.Sum(s => s.ConnectsTotal), true);
            yield return new("envoy_cluster_upstream_cx_connect_fail", label, states.Sum(s => s.ConnectsFailed), true);
            yield return new("envoy_cluster_upstream_rq_pending_overflow", label, states.Sum(s => s.PendingOverflowed), true);
        }
    }

    private List<(string Name, List<ClusterState> States)> ClusterStates()
    {
        // Read while the loops go on: a number may be a moment old, and a cluster may be missing in one of them.
        var all = new Dictionary<string, List<ClusterState>>();
        foreach (var (worker, _) in sidecar.Loops)
        {
            foreach (var state in worker.PublishedClusters)
            {
                if (!all.TryGetValue(state.Config.Name, out var list)) all[state.Config.Name] = list = [];
                list.Add(state);
            }
        }
        return [.. all.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value))];
    }

    private AdminReply Stats(AdminRequest request)
    {
        if (request.Query.GetValueOrDefault("format") == "prometheus") return AdminReply.Metrics(Metrics().ToAsyncEnumerable());

        Regex? filter = null;
        if (request.Query.GetValueOrDefault("filter") is { Length: > 0 and <= 1024 } pattern)
        {
            try
            {
                filter = new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, PatternTimeout);
            }
            catch (Exception e) when (e is ArgumentException or NotSupportedException)
            {
                return new(400, "Invalid re2 regex\n");
            }
        }
        var lines = StatLines().Where(line => filter is null || filter.IsMatch(line.Name)).OrderBy(line => line.Name, StringComparer.Ordinal).ToList();
        if (request.Query.GetValueOrDefault("format") == "json")
        {
            var stats = new JsonArray([.. lines.Select(line => (JsonNode)new JsonObject { ["name"] = line.Name, ["value"] = line.Value })]);
            return AdminReply.Json(new JsonObject { ["stats"] = stats }.ToJsonString());
        }
        return AdminReply.Ok(string.Concat(lines.Select(line => $"{line.Name}: {line.Value}\n")));
    }

    private IEnumerable<(string Name, long Value)> StatLines()
    {
        var state = sidecar.Keeper.State;
        var (cds, lds) = (state.StatusOf(Config.ResourceFromXds.ClusterType), state.StatusOf(Config.ResourceFromXds.ListenerType));
        var counters = sidecar.Loops.Select(loop => loop.Worker.Counters).ToList();
        yield return ("server.state", sidecar.IsDraining ? 1 : sidecar.NotReady() is null ? 0 : 2);
        yield return ("server.live", sidecar.NotReady() is null ? 1 : 0);
        yield return ("server.uptime", (long)sidecar.Uptime.TotalSeconds);
        yield return ("server.concurrency", sidecar.Loops.Count);
        yield return ("server.memory_allocated", GC.GetTotalMemory(false));
        yield return ("server.total_connections", sidecar.Gate.Count);
        yield return ("cluster_manager.cds.update_success", cds.Accepted);
        yield return ("cluster_manager.cds.update_rejected", cds.Rejected);
        yield return ("cluster_manager.active_clusters", sidecar.Snapshot.Clusters.Count);
        yield return ("cluster_manager.warming_clusters", state.Waiting.Count(text => text.StartsWith("cluster", StringComparison.Ordinal)));
        yield return ("listener_manager.lds.update_success", lds.Accepted);
        yield return ("listener_manager.lds.update_rejected", lds.Rejected);
        yield return ("listener_manager.total_listeners_active", sidecar.Snapshot.Listeners.Count);
        yield return ("listener_manager.total_listeners_warming", state.Waiting.Count(text => text.StartsWith("listener", StringComparison.Ordinal)));
        yield return ("listener_manager.total_listeners_draining", sidecar.Loops.Max(loop => loop.Listeners.LeavingCount));
        yield return ("control_plane.connected_state", state.IsConnected ? 1 : 0);
        yield return ("http.downstream_cx_total", counters.Sum(c => c.DownstreamConnections));
        yield return ("http.downstream_cx_active", counters.Sum(c => c.DownstreamConnectionsActive));
        yield return ("http.downstream_rq_total", counters.Sum(c => c.DownstreamRequests));
        foreach (var (name, states) in ClusterStates())
        {
            var prefix = $"cluster.{name}.";
            yield return (prefix + "upstream_cx_active", states.Sum(s => s.Connections));
            yield return (prefix + "upstream_cx_total", states.Sum(s => s.ConnectsTotal));
            yield return (prefix + "upstream_cx_connect_fail", states.Sum(s => s.ConnectsFailed));
            yield return (prefix + "upstream_cx_connect_timeout", states.Sum(s => s.ConnectTimeouts));
            yield return (prefix + "upstream_rq_active", states.Sum(s => s.Requests));
            yield return (prefix + "upstream_rq_total", states.Sum(s => s.RequestsTotal));
            yield return (prefix + "upstream_rq_timeout", states.Sum(s => s.TimeoutsTotal));
            yield return (prefix + "upstream_rq_retry", states.Sum(s => s.RetriesTotal));
            yield return (prefix + "upstream_rq_pending_overflow", states.Sum(s => s.PendingOverflowed));
            yield return (prefix + "upstream_rq_pending_active", states.Sum(s => s.Pending));
            yield return (prefix + "upstream_rq_2xx", states.Sum(s => s.Status2xx));
            yield return (prefix + "upstream_rq_3xx", states.Sum(s => s.Status3xx));
            yield return (prefix + "upstream_rq_4xx", states.Sum(s => s.Status4xx));
            yield return (prefix + "upstream_rq_5xx", states.Sum(s => s.Status5xx));
            yield return (prefix + "membership_total", states.Max(s => s.All.Count));
            yield return (prefix + "membership_healthy", states.Max(s => s.All.Count(endpoint => endpoint.IsHealthy)));
        }
    }

    private string Clusters()
    {
        var text = new StringBuilder();
        foreach (var (name, states) in ClusterStates())
        {
            text.Append(name).Append("::observability_name::").Append(name).Append('\n');
            var limits = states[0].Config.Limits;
            text.Append(CultureInfo.InvariantCulture, $"{name}::default_priority::max_connections::{limits.ConnectionsMax}\n");
            text.Append(CultureInfo.InvariantCulture, $"{name}::default_priority::max_pending_requests::{limits.PendingMax}\n");
            text.Append(CultureInfo.InvariantCulture, $"{name}::default_priority::max_requests::{limits.RequestsMax}\n");
            text.Append(CultureInfo.InvariantCulture, $"{name}::default_priority::max_retries::{limits.RetriesMax}\n");
            foreach (var endpoint in states[0].All)
            {
                var where = $"{name}::{endpoint.Endpoint.Address}::";
                var same = states.SelectMany(s => s.All).Where(e => e.Endpoint.Address.Equals(endpoint.Endpoint.Address)).ToList();
                text.Append(CultureInfo.InvariantCulture, $"{where}cx_active::{same.Sum(e => e.ActiveConnections)}\n{where}cx_connect_fail::{same.Sum(e => e.ConnectsFailed)}\n{where}cx_total::{same.Sum(e => e.ConnectsTotal)}\n");
                text.Append(CultureInfo.InvariantCulture, $"{where}rq_active::{same.Sum(e => e.ActiveRequests)}\n{where}rq_error::{same.Sum(e => e.RequestsFailed)}\n{where}rq_total::{same.Sum(e => e.RequestsTotal)}\n");
                text.Append(CultureInfo.InvariantCulture, $"{where}hostname::{endpoint.Endpoint.Hostname}\n{where}health_flags::{HealthFlags(same)}\n{where}weight::{endpoint.Endpoint.Weight}\n");
                text.Append(CultureInfo.InvariantCulture, $"{where}region::{endpoint.Locality.Region}\n{where}zone::{endpoint.Locality.Zone}\n{where}sub_zone::{endpoint.Locality.SubZone}\n{where}canary::false\n{where}priority::{endpoint.Priority}\n");
            }
        }
        return text.ToString();
    }

    private static string HealthFlags(List<EndpointState> same)
    {
        if (same.All(endpoint => endpoint.IsHealthy)) return "healthy";

        return (same.Any(e => e.IsEjected) ? "/failed_outlier_check" : "") + (same.Any(e => !e.IsPassing) ? "/failed_active_hc" : "") + (same.Any(e => !e.Endpoint.IsServing) ? "/failed_eds_health" : "");
    }

    private string Listeners() => string.Concat(sidecar.Snapshot.Listeners.Values.OrderBy(l => l.Name, StringComparer.Ordinal).Select(l => $"{l.Name}::{l.Address}\n"));

    private AdminReply Logging(AdminRequest request)
    {
        var wanted = request.Query.GetValueOrDefault("level") ?? request.Query.Values.FirstOrDefault();
        if (wanted is not null)
        {
            if (StderrLogger.LevelOf(wanted) is not { } level) return new(400, "error: invalid logger level\n");

            log.Least = level;
        }
        return AdminReply.Ok($"active loggers:\n  all: {log.Least.ToString().ToLowerInvariant()}\n");
    }

    private string StateWord() => sidecar.IsDraining ? "DRAINING" : sidecar.NotReady() is null ? "LIVE" : "INITIALIZING";

    private string ServerInfo() => new JsonObject
    {
        ["version"] = $"mesh/{Bootstrap.Version}/Clean/RELEASE",
        ["state"] = StateWord(),
        ["uptime_current_epoch"] = $"{(long)sidecar.Uptime.TotalSeconds}s",
        ["uptime_all_epochs"] = $"{(long)sidecar.Uptime.TotalSeconds}s",
        ["hot_restart_version"] = "disabled",
        ["command_line_options"] = new JsonObject
        {
            ["concurrency"] = sidecar.Loops.Count,
            ["service_cluster"] = sidecar.Bootstrap.ServiceCluster,
            ["service_node"] = sidecar.Bootstrap.NodeId,
            ["drain_time"] = $"{(long)sidecar.Bootstrap.DrainDuration.TotalSeconds}s",
            ["log_level"] = log.Least.ToString().ToLowerInvariant(),
        },
        ["node"] = new JsonObject
        {
            ["id"] = sidecar.Bootstrap.NodeId,
            ["cluster"] = sidecar.Bootstrap.ServiceCluster,
            ["metadata"] = sidecar.Bootstrap.Metadata.DeepClone(),
            ["locality"] = new JsonObject { ["region"] = sidecar.Bootstrap.Region, ["zone"] = sidecar.Bootstrap.Zone, ["sub_zone"] = sidecar.Bootstrap.SubZone },
        },
    }.ToJsonString();
}
