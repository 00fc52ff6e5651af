using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>Room 4 of 8: which route serves this request, and to which cluster does it go?</summary>
internal static class Router
{
    /// <summary>Sets the exchange's virtual host and route.</summary>
    /// <returns>False when none matches: the answer is 404, flag NR, unless a filter answers first.</returns>
    public static bool TryMatch(Exchange exchange)
    {
        exchange.RouteIsStale = false;
        (exchange.VirtualHost, exchange.Route, exchange.WeightedCluster) = (null, null, null);
        exchange.Routes = exchange.Snapshot.RoutesOf(exchange.Settings);
        if (exchange.Routes is not { } table || HostOf(table, exchange.Request) is not { } host) return false;

        exchange.VirtualHost = host;
        foreach (var route in host.Routes)
        {
            if (!PathMatches(route.Match, exchange.Request)) continue;

            exchange.Route = route;
            return true;
        }
        return false;
    }

    /// <summary>The cluster's name; draws among weighted ones.</summary>
    public static string PickCluster(Exchange exchange, Forward forward)
    {
        var clusters = forward.Clusters;
        if (clusters.Length == 1) return clusters[0].Name;

        uint total = 0;
        foreach (var cluster in clusters) total += cluster.Weight;
        var roll = (uint)exchange.Random.NextInt64(Math.Max(total, 1));
        foreach (var cluster in clusters)
        {
            if (roll < cluster.Weight)
            {
                exchange.WeightedCluster = cluster;
                return cluster.Name;
            }
            roll -= cluster.Weight;
        }
        return "";
    }

    /// <summary>Header edits, rewrites and what else the route changes about the request, once, before the first attempt.</summary>
    public static void EditRequest(Exchange exchange, Forward forward)
    {
        if (exchange.VirtualHost is { AttemptCountInRequest: true }) exchange.Request.Headers.Set(KnownHeader.XEnvoyAttemptCount, 1);
    }

    /// <summary>What a further attempt says differently.</summary>
    public static void EditForRetry(Exchange exchange)
    {
        if (exchange.VirtualHost is { AttemptCountInRequest: true }) exchange.Request.Headers.Set(KnownHeader.XEnvoyAttemptCount, exchange.Attempt + 1);
    }

    public static void EditResponse(Exchange exchange, Forward forward) { }

    private static VirtualHost? HostOf(RouteTable table, RequestHead request)
    {
        var text = System.Text.Encoding.Latin1.GetString(request.Authority).ToLowerInvariant();
        if (table.IgnorePortInHost && text.LastIndexOf(':') is > 0 and var colon) text = text[..colon];
        VirtualHost? best = null;
        var score = -1;
        foreach (var host in table.VirtualHosts)
        {
            foreach (var domain in host.Domains)
            {
                var s = domain == text ? int.MaxValue : domain == "*" ? 0 : domain.StartsWith('*') && text.EndsWith(domain[1..], StringComparison.Ordinal) ? domain.Length : -1;
                if (s > score) (best, score) = (host, s);
            }
        }
        return best;
    }

    private static bool PathMatches(RouteMatchSettings match, RequestHead request)
    {
        var path = System.Text.Encoding.Latin1.GetString(request.PathOnly);
        return match.PathKind == PathMatchKind.Path ? path == match.Path : path.StartsWith(match.Path, StringComparison.Ordinal);
    }
}
