using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Telemetry;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.ControlPlane.FrontDoor;

/// <summary>Live traffic as JSON. The fields are the API of /api and of the CLI's -o json: rates are per second, latencies in milliseconds, shares from 0 to 1.</summary>
internal static class TrafficViews
{
    /// <summary>One edge for each pair of workloads and service; the caller's side is told where both sides counted.</summary>
    public static JsonArray Edges(IReadOnlyDictionary<Series, Tally> window, TimeSpan length, World? world)
    {
        var edges = new JsonArray();
        // The server does not know by which of its services it was called; the caller does.
        var called = window.Keys.Where(s => s.Reporter == "source").ToLookup(s => (s.Source, s.Destination), s => (s.Service, s.ServiceNamespace));
        var groups = window.GroupBy(t => (t.Key.Source, t.Key.Destination, Service: t.Key.Reporter == "source" || !called.Contains((t.Key.Source, t.Key.Destination))
                ? (t.Key.Service, t.Key.ServiceNamespace) : called[(t.Key.Source, t.Key.Destination)].First()))
            .OrderBy(g => g.Key.Source.Name, StringComparer.Ordinal).ThenBy(g => g.Key.Service.Service, StringComparer.Ordinal).ThenBy(g => g.Key.Destination.Name, StringComparer.Ordinal);
        // What ended before an endpoint was chosen says nothing about how the others are shared out.
        var requestsTo = window.Where(t => t.Key.Reporter == "source" && Reached(t.Key, t.Value))
            .GroupBy(t => (t.Key.Source.Name, t.Key.Service, t.Key.ServiceNamespace)).ToDictionary(g => g.Key, g => g.Sum(t => t.Value.Requests));
        foreach (var group in groups)
        {
            var bySource = group.Where(t => t.Key.Reporter == "source").ToList();
            var seen = bySource.Count > 0 ? bySource : [.. group];
            var tally = Sum(seen.Select(t => t.Value));
            var first = seen[0].Key;
            var total = requestsTo.GetValueOrDefault((first.Source.Name, first.Service, first.ServiceNamespace));
            var destination = seen.Select(t => t.Key.DestinationPrincipal).FirstOrDefault(IsKnown) ?? group.Select(t => t.Key.DestinationPrincipal).FirstOrDefault(IsKnown) ?? "";
            var source = group.Select(t => t.Key.SourcePrincipal).FirstOrDefault(IsKnown) ?? "";
            var edge = Golden(tally, length);
            edge["source"] = first.Source.Name;
            edge["sourceNamespace"] = first.Source.Namespace;
            edge["sourceApp"] = first.Source.App;
            edge["service"] = first.Service;
            edge["serviceNamespace"] = first.ServiceNamespace;
            edge["destination"] = first.Destination.Name;
            edge["destinationNamespace"] = first.Destination.Namespace;
            edge["destinationApp"] = first.Destination.App;
            edge["version"] = first.Destination.Version;
            edge["protocol"] = first.Protocol;
            var reached = seen.Any(t => Reached(t.Key, t.Value));
            edge["reached"] = reached;
            edge["mtls"] = group.All(t => t.Key.IsMutualTls);
            edge["meanings"] = Meanings(tally);
            edge["sourceIdentity"] = source;
            edge["destinationIdentity"] = destination;
            edge["share"] = total > 0 && reached ? Math.Round((double)tally.Requests / total, 4) : null;
            edge["wantedShare"] = world is null || !reached ? null : WantedShares.Of(world, first.Service, first.ServiceNamespace, first.Destination.Version);
            edges.Add((JsonNode)edge);
        }
        return edges;
    }

    /// <summary>False for requests that all failed and whose other end nobody knows: no endpoint took them.</summary>
    private static bool Reached(Series series, Tally tally) =>
        series.Destination.Name != "unknown" || IsKnown(series.DestinationPrincipal) || tally.Requests == 0 || tally.Failures < tally.Requests;

    /// <param name="of">What a row stands for: a workload, a service or a namespace.</param>
    public static JsonArray Stat(IReadOnlyDictionary<Series, Tally> window, TimeSpan length, Func<Series, (string Namespace, string Name)> of, Func<Series, bool> filter)
    {
        var rows = new JsonArray();
        var once = Once(window).Select(t => t.Key).ToHashSet();
        foreach (var group in window.Where(t => filter(t.Key)).GroupBy(t => of(t.Key)).OrderBy(g => g.Key.Namespace, StringComparer.Ordinal).ThenBy(g => g.Key.Name, StringComparer.Ordinal))
        {
            var seen = group.Where(t => once.Contains(t.Key)).ToList();
            var row = Golden(Sum(seen.Select(t => t.Value)), length);
            row["name"] = group.Key.Name;
            row["namespace"] = group.Key.Namespace;
            row["meshed"] = group.Any(t => t.Key.Reporter == "destination");
            row["mtlsShare"] = MutualTlsShare(seen);
            rows.Add((JsonNode)row);
        }
        return rows;
    }

    public static JsonObject Summary(IReadOnlyDictionary<Series, Tally> window, TimeSpan length)
    {
        var seen = Once(window).ToList();
        var summary = Golden(Sum(seen.Select(t => t.Value)), length);
        summary["mtlsShare"] = MutualTlsShare(seen);
        return summary;
    }

    /// <summary>Both sides count the same request. The caller's count is taken where there is one, since it also knows of those that never arrived.</summary>
    private static IEnumerable<KeyValuePair<Series, Tally>> Once(IReadOnlyDictionary<Series, Tally> window)
    {
        var told = window.Keys.Where(s => s.Reporter == "source").Select(s => (s.Source, s.Destination)).ToHashSet();
        return window.Where(t => t.Key.Reporter == "source" || !told.Contains((t.Key.Source, t.Key.Destination)));
    }

    /// <returns>Null when nothing reached anybody.</returns>
    private static JsonNode? MutualTlsShare(IReadOnlyList<KeyValuePair<Series, Tally>> seen)
    {
        var reached = seen.Where(t => Reached(t.Key, t.Value)).ToList();
        var total = reached.Sum(t => t.Value.Requests);
        return total == 0 ? null : Math.Round((double)reached.Where(t => t.Key.IsMutualTls).Sum(t => t.Value.Requests) / total, 4);
    }

    public static JsonObject Record(RequestRecord r) => new()
    {
        ["proxy"] = r.Proxy,
        ["time"] = r.Started.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture),
        ["reporter"] = r.Reporter,
        ["source"] = r.Source,
        ["sourceWorkload"] = r.SourceWorkload,
        ["sourceNamespace"] = r.SourceNamespace,
        ["sourceIdentity"] = r.SourcePrincipal,
        ["destinationWorkload"] = r.DestinationWorkload,
        ["destinationNamespace"] = r.DestinationNamespace,
        ["destinationIdentity"] = r.DestinationPrincipal,
        ["destinationService"] = r.DestinationService,
        ["method"] = r.Method,
        ["authority"] = r.Authority,
        ["path"] = r.Path,
        ["protocol"] = r.Protocol,
        ["status"] = r.Status,
        ["grpcStatus"] = r.GrpcStatus < 0 ? null : r.GrpcStatus,
        ["latencyMs"] = Math.Round(r.DurationMs, 3),
        ["flags"] = r.Flags,
        ["flagsMeaning"] = ResponseFlagMeaning.Of(r.Flags),
        ["details"] = r.Details,
        ["route"] = r.Route,
        ["cluster"] = r.Cluster,
        ["endpoint"] = r.Upstream,
        ["attempts"] = r.Attempts,
        ["mtls"] = r.IsMutualTls,
        ["policy"] = r.Policy,
        ["requestId"] = r.RequestId,
        ["traceId"] = r.TraceId,
        ["requestBytes"] = r.RequestBytes,
        ["responseBytes"] = r.ResponseBytes,
    };

    private static JsonObject Golden(Tally tally, TimeSpan length)
    {
        var flags = new JsonObject();
        foreach (var ((status, flag), count) in tally.Ends.OrderByDescending(end => end.Value))
            flags[$"{status} {flag}"] = count;
        return new()
        {
            ["requests"] = tally.Requests,
            ["failures"] = tally.Failures,
            ["rps"] = Math.Round(tally.Requests / length.TotalSeconds, 3),
            ["success"] = tally.Requests == 0 ? null : Math.Round(1 - (double)tally.Failures / tally.Requests, 4),
            ["p50Ms"] = Rounded(tally.PercentileMs(0.50)),
            ["p95Ms"] = Rounded(tally.PercentileMs(0.95)),
            ["p99Ms"] = Rounded(tally.PercentileMs(0.99)),
            ["tcpOpen"] = tally.Opened - tally.Closed,
            ["tcpOpened"] = tally.Opened,
            ["readBytesPerSecond"] = Math.Round((tally.Received + tally.RequestBytes) / length.TotalSeconds, 1),
            ["writeBytesPerSecond"] = Math.Round((tally.Sent + tally.ResponseBytes) / length.TotalSeconds, 1),
            ["ends"] = flags,
        };
    }

    /// <summary>The flags of these ends in plain words.</summary>
    private static JsonObject Meanings(Tally tally)
    {
        var words = new JsonObject();
        foreach (var flags in tally.Ends.Keys.Select(end => end.Flags).Distinct().Where(flags => ResponseFlagMeaning.Of(flags).Length > 0)) words[flags] = ResponseFlagMeaning.Of(flags);
        return words;
    }

    private static Tally Sum(IEnumerable<Tally> tallies)
    {
        var sum = new Tally();
        foreach (var tally in tallies) sum.Add(tally);
        return sum;
    }

    private static bool IsKnown(string principal) => principal.StartsWith("spiffe://", StringComparison.Ordinal);

    private static JsonNode? Rounded(double? ms) => ms is { } value ? Math.Round(value, 3) : null;
}

/// <summary>What the configuration asks for: the weight of one version of a service in the first rule that splits it.</summary>
internal static class WantedShares
{
    public static JsonNode? Of(World world, string service, string space, string version)
    {
        var rule = world.Resources.OfType<VirtualService>()
            .Where(v => v.Hosts.Any(host => IsService(host, v.Meta.Namespace, service, space)))
            .SelectMany(v => v.Http).FirstOrDefault(http => http.Route.Length > 1);
        if (rule is null) return null;

        var subsets = world.Resources.OfType<DestinationRule>()
            .Where(d => IsService(d.Host, d.Meta.Namespace, service, space)).SelectMany(d => d.Subsets).ToLookup(s => s.Name, s => s.Labels["version"]);
        var total = rule.Route.Sum(route => route.Weight);
        var mine = rule.Route.Where(route => (subsets[route.Destination.Subset].FirstOrDefault() ?? route.Destination.Subset) == version).Sum(route => route.Weight);
        return total == 0 ? null : Math.Round((double)mine / total, 4);
    }

    private static bool IsService(string host, string hostNamespace, string service, string space)
    {
        var parts = host.Split('.');
        return parts[0] == service && (parts.Length == 1 ? hostNamespace : parts[1]) == space;
    }
}
