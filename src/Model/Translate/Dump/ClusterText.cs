using Envoy.Config.Cluster.V3;
using Envoy.Extensions.TransportSockets.Tls.V3;
using Envoy.Extensions.Upstreams.Http.V3;

namespace Mesh.Model.Translate;

/// <summary>One line a cluster: how its endpoints are found, chosen, spoken to and limited. What is usual is not told.</summary>
internal static class ClusterText
{
    public static string Line(Cluster cluster) => DumpText.Join(
        cluster.Name, Kind(cluster), Policy(cluster), Http(cluster), Security(cluster), Limits(cluster), Outliers(cluster.OutlierDetection),
        cluster.UpstreamBindConfig is { } bind ? $"from {bind.SourceAddress.Address}" : null,
        cluster.LoadAssignment is { } inline ? $"[{string.Join(' ', inline.Endpoints.SelectMany(group => group.LbEndpoints).Select(one => DumpText.Of(one.Endpoint.Address)))}]" : null);

    private static string Kind(Cluster cluster) =>
        cluster.ClusterDiscoveryTypeCase == Cluster.ClusterDiscoveryTypeOneofCase.ClusterType ? cluster.ClusterType.Name : cluster.Type switch
        {
            Cluster.Types.DiscoveryType.Eds => "sent",
            Cluster.Types.DiscoveryType.OriginalDst => "as called",
            Cluster.Types.DiscoveryType.StrictDns => "dns",
            Cluster.Types.DiscoveryType.LogicalDns => "dns, one by one",
            _ => "fixed",
        };

    private static string? Policy(Cluster cluster) => cluster.LbPolicy switch
    {
        Cluster.Types.LbPolicy.RoundRobin when cluster.Type != Cluster.Types.DiscoveryType.Static => "round robin",
        Cluster.Types.LbPolicy.Random => "random",
        Cluster.Types.LbPolicy.RingHash => $"ring of {cluster.RingHashLbConfig?.MinimumRingSize}",
        Cluster.Types.LbPolicy.Maglev => "maglev",
        _ => null,
    };

    private static string? Http(Cluster cluster)
    {
        if (!cluster.TypedExtensionProtocolOptions.TryGetValue(UpstreamHttp.Key, out var any)) return null;
        var options = any.Unpack<HttpProtocolOptions>();
        return DumpText.Join(
            options.UseDownstreamProtocolConfig is not null ? "protocol of the caller" : options.ExplicitHttpConfig?.Http2ProtocolOptions is not null ? "http2" : null,
            options.CommonHttpProtocolOptions?.MaxRequestsPerConnection is { } max ? $"{max} requests a connection" : null,
            options.CommonHttpProtocolOptions?.IdleTimeout is { } idle ? $"idle {DumpText.Of(idle)}" : null);
    }

    private static string? Security(Cluster cluster)
    {
        if (cluster.TransportSocketMatches.Count > 0) return $"mutual tls where marked, {Tls(cluster.TransportSocketMatches[0].TransportSocket.TypedConfig.Unpack<UpstreamTlsContext>())}";
        if (cluster.TransportSocket is not { } socket) return null;
        return socket.Name == ClusterTls.SocketName ? Tls(socket.TypedConfig.Unpack<UpstreamTlsContext>()) : socket.Name;
    }

    private static string Tls(UpstreamTlsContext context)
    {
        var common = context.CommonTlsContext;
        var names = (common.CombinedValidationContext?.DefaultValidationContext ?? common.ValidationContext)?.MatchTypedSubjectAltNames.Select(name => name.Matcher.Exact).Distinct() ?? [];
        return DumpText.Join(
            $"tls {string.Join(',', common.TlsCertificateSdsSecretConfigs.Select(secret => secret.Name))}".TrimEnd(), context.Sni.Length > 0 ? $"sni {context.Sni}" : null,
            names.Any() ? $"believes {string.Join(' ', names)}" : null,
            common.ValidationContext is not null && !names.Any() ? "believes anybody" : null);
    }

    private static string? Limits(Cluster cluster)
    {
        if (cluster.CircuitBreakers?.Thresholds is not [var limit]) return null;
        static string? Limit(string name, uint? value) => value is null or uint.MaxValue ? null : $"{name} {value}";
        return DumpText.Join(
            Limit("connections", limit.MaxConnections), Limit("pending", limit.MaxPendingRequests), Limit("requests", limit.MaxRequests), Limit("retries", limit.MaxRetries),
            cluster.ConnectTimeout.Seconds == 10 ? null : $"connect {DumpText.Of(cluster.ConnectTimeout)}");
    }

    private static string? Outliers(OutlierDetection? outliers) => outliers is null ? null : DumpText.Join(
        "outliers", outliers.Consecutive5Xx is { } any ? $"5xx {any}" : null, outliers.ConsecutiveGatewayFailure is { } gateway ? $"gateway {gateway}" : null,
        outliers.BaseEjectionTime is { } time ? $"for {DumpText.Of(time)}" : null, outliers.MaxEjectionPercent is { } share ? $"up to {share}%" : null);
}

/// <summary>Endpoints by cluster: address, weight where it is not 1, locality, priority.</summary>
internal static class EndpointText
{
    public static IEnumerable<string> Lines(Envoy.Config.Endpoint.V3.ClusterLoadAssignment assignment)
    {
        yield return assignment.ClusterName;
        foreach (var group in assignment.Endpoints)
            foreach (var one in group.LbEndpoints)
                yield return "  " + DumpText.Join(
                    DumpText.Of(one.Endpoint.Address), one.LoadBalancingWeight is null or 1 ? null : $"weight {one.LoadBalancingWeight}",
                    Place(group.Locality), Share(group), group.Priority > 0 ? $"priority {group.Priority}" : null,
                    one.Metadata?.FilterMetadata.ContainsKey("envoy.transport_socket_match") == true ? "mutual tls" : null);
    }

    /// <summary>The locality's weight where it is not the sum of its endpoints'.</summary>
    private static string? Share(Envoy.Config.Endpoint.V3.LocalityLbEndpoints group) =>
        group.LoadBalancingWeight is not { } weight || weight == group.LbEndpoints.Sum(one => (long)(one.LoadBalancingWeight ?? 1)) ? null : $"share {weight}";

    private static string? Place(Envoy.Config.Core.V3.Locality? place) => place is null or { Region: "", Zone: "" } ? null
        : string.Join('/', new[] { place.Region, place.Zone, place.SubZone }.Where(part => part.Length > 0));
}
