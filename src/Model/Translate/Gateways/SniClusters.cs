using System.Collections.Immutable;
using Envoy.Config.Cluster.V3;
using Envoy.Config.Endpoint.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>
/// Behind an AUTO_PASSTHROUGH server every cluster has a twin named by the SNI of mesh mTLS: the same endpoints, nothing decrypted, nothing encrypted.
/// </summary>
internal static class SniClusters
{
    public static bool AreWanted(ImmutableArray<BoundServer> servers) => servers.Any(server => server.Server.Tls?.Mode == ServerTlsMode.AutoPassthrough);

    public static IEnumerable<NamedResource> Clusters(IEnumerable<NamedResource> clusters, Parts parts)
    {
        foreach (var resource in clusters)
        {
            if (Twin(resource.Name) is not { } name) continue;
            var cluster = Cluster.Parser.ParseFrom(resource.Body);
            if (cluster.ClusterDiscoveryTypeCase != Cluster.ClusterDiscoveryTypeOneofCase.Type || cluster.Type != Cluster.Types.DiscoveryType.Eds) continue;
            cluster.Name = name;
            cluster.AltStatName = Names.Stat(name);
            cluster.EdsClusterConfig.ServiceName = name;
            cluster.TransportSocket = null;
            cluster.TransportSocketMatches.Clear();
            cluster.TypedExtensionProtocolOptions.Clear();
            yield return parts.Share(name, cluster);
        }
    }

    public static IEnumerable<NamedResource> Endpoints(IEnumerable<NamedResource> assignments, Parts parts)
    {
        foreach (var resource in assignments)
        {
            if (Twin(resource.Name) is not { } name) continue;
            var assignment = ClusterLoadAssignment.Parser.ParseFrom(resource.Body);
            assignment.ClusterName = name;
            // What is passed on is mesh mTLS: an endpoint that does not speak it would read noise, or plain text that was meant for another.
            foreach (var locality in assignment.Endpoints)
            {
                var speaking = locality.LbEndpoints.Where(SpeaksMutualTls).ToList();
                locality.LbEndpoints.Clear();
                locality.LbEndpoints.Add(speaking);
            }
            yield return parts.Share(name, assignment);
        }
    }

    private static bool SpeaksMutualTls(LbEndpoint endpoint) => endpoint.Metadata?.FilterMetadata.ContainsKey("envoy.transport_socket_match") == true;

    /// <summary>The SNI of an outbound cluster; null for other clusters.</summary>
    public static string? Twin(string cluster) =>
        cluster.Split('|') is ["outbound", var port, var subset, var host] && int.TryParse(port, out var number) ? Names.Sni(number, subset, host) : null;
}
