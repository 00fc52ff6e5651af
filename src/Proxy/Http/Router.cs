using System.Buffers.Text;
using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>Room 4 of 8: which route serves this request, to which cluster does it go, and what is changed about it?</summary>
internal static class Router
{
    /// <summary>Sets the exchange's virtual host and route.</summary>
    /// <returns>False when none matches: the answer is 404, flag NR, unless a filter answers first.</returns>
    public static bool TryMatch(Exchange exchange)
    {
        exchange.RouteIsStale = false;
        (exchange.VirtualHost, exchange.Route, exchange.WeightedCluster) = (null, null, null);
        exchange.Routes = exchange.Snapshot.RoutesOf(exchange.Settings);
        if (exchange.Routes is not { } table || RouteIndex.Of(table).Find(exchange.Request.Authority) is not { } host) return false;

        exchange.VirtualHost = host.Host;
        if (MustRedirectToTls(exchange, host.Host)) return (exchange.Route = TlsRedirect) is not null;

        foreach (var entry in host.Routes)
        {
            if (!entry.Match.IsMatch(exchange)) continue;

            exchange.Route = entry.Route;
            if (entry.Route.Action is Forward { Clusters: [var first, ..] } forward)
                exchange.WeightedCluster = forward.Clusters.Length == 1 || entry.TotalWeight == 0 ? first : Draw(exchange, forward, entry.TotalWeight);
            return true;
        }
        return false;
    }

    /// <summary>The cluster's name; of weighted ones, the one that was drawn when the route was chosen.</summary>
    public static string PickCluster(Exchange exchange, Forward forward)
    {
        if (forward.ClusterHeader.Length > 0) return exchange.Request.Headers.GetText(forward.ClusterHeader) ?? "";
        var chosen = exchange.WeightedCluster ?? (forward.Clusters.IsEmpty ? null : forward.Clusters[0]);
        if (chosen is null) return "";
        return chosen.ClusterHeader.Length > 0 ? exchange.Request.Headers.GetText(chosen.ClusterHeader) ?? "" : chosen.Name;
    }

    /// <summary>Header edits, rewrites and what else the route changes about the request, once, before the first attempt.</summary>
    public static void EditRequest(Exchange exchange, Forward forward)
    {
        var route = exchange.Route!;
        ApplyEdits(exchange, toRequest: true);
        Rewrites.RewriteHost(exchange, forward);
        Rewrites.RewritePath(exchange, route, forward);
        exchange.Hash = forward.HashPolicies.IsEmpty ? null : HashPolicies.Evaluate(exchange, forward);
        if (exchange.VirtualHost is { AttemptCountInRequest: true }) exchange.Request.Headers.Set(KnownHeader.XEnvoyAttemptCount, 1);
        if (route.DecoratorOperation.Length > 0 && route.DecoratorPropagate && !exchange.Client.IsInbound && exchange.Settings.Tracing is not null)
            exchange.Request.Headers.Set(KnownHeader.XEnvoyDecoratorOperation, Encoding.Latin1.GetBytes(route.DecoratorOperation));
    }

    /// <summary>What a further attempt says differently.</summary>
    public static void EditForRetry(Exchange exchange)
    {
        if (exchange.VirtualHost is { AttemptCountInRequest: true }) exchange.Request.Headers.Set(KnownHeader.XEnvoyAttemptCount, exchange.Attempt + 1);
    }

    /// <summary>For responses from upstream and for answers of our own.</summary>
    public static void EditResponse(Exchange exchange)
    {
        if (exchange.HashCookie is { } cookie) exchange.Response.Headers.Append(KnownHeader.SetCookie, Encoding.Latin1.GetBytes(cookie));
        if (exchange.Route is not null) ApplyEdits(exchange, toRequest: false);
    }

    public static void EditResponse(Exchange exchange, Forward forward) => EditResponse(exchange);

    /// <summary>Copies to send beside the request; the most specific level that has any says which.</summary>
    public static ImmutableArray<Mirror> MirrorsOf(Exchange exchange, Forward forward) =>
        !forward.Mirrors.IsEmpty ? forward.Mirrors : exchange.VirtualHost?.Mirrors ?? [];

    /// <summary>The authority a copy bears: "-shadow" before the port, so that a log can tell it apart.</summary>
    public static byte[] ShadowAuthority(ReadOnlySpan<byte> authority)
    {
        var port = RouteIndex.PortStart(authority);
        return [.. authority[..port], .. "-shadow"u8, .. authority[port..]];
    }

    // From the weighted cluster up to the table, so that the widest edit has the last word, or the reverse where the table says so.
    private static void ApplyEdits(Exchange exchange, bool toRequest)
    {
        if (exchange.Routes is { MostSpecificEditsWin: true } table)
        {
            Apply(table.Headers, exchange, toRequest);
            Apply(exchange.VirtualHost?.Headers, exchange, toRequest);
            Apply(exchange.Route?.Headers, exchange, toRequest);
            Apply(exchange.WeightedCluster?.Headers, exchange, toRequest);
            return;
        }
        Apply(exchange.WeightedCluster?.Headers, exchange, toRequest);
        Apply(exchange.Route?.Headers, exchange, toRequest);
        Apply(exchange.VirtualHost?.Headers, exchange, toRequest);
        Apply(exchange.Routes?.Headers, exchange, toRequest);
    }

    private static void Apply(HeaderEditSet? set, Exchange exchange, bool toRequest)
    {
        if (set is null || set.IsEmpty) return;
        if (toRequest) HeaderEdits.ApplyToRequest(set, exchange);
        else HeaderEdits.ApplyToResponse(set, exchange);
    }

    private static WeightedCluster? Draw(Exchange exchange, Forward forward, ulong total)
    {
        var roll = forward.WeightsHeader.Length > 0 && exchange.Request.Headers.GetText(forward.WeightsHeader) is { } text && ulong.TryParse(text, out var given)
            ? given % total
            : (ulong)exchange.Random.NextInt64((long)total);
        foreach (var cluster in forward.Clusters)
        {
            if (roll < cluster.Weight) return cluster;
            roll -= cluster.Weight;
        }
        return null;
    }

    private static readonly Route TlsRedirect = new()
    {
        Match = new() { Path = "/" },
        Action = new Config.Redirect { HttpsRedirect = true },
    };

    private static bool MustRedirectToTls(Exchange exchange, VirtualHost host)
    {
        if (host.RequireTls == RequireTls.None || host.RequireTls == RequireTls.ExternalOnly && exchange.IsInternal) return false;
        return !exchange.Request.Headers.Get(KnownHeader.XForwardedProto).SequenceEqual("https"u8);
    }
}
