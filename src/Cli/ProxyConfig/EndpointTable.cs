using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

internal sealed record EndpointFilter(string Address, int Port, string Cluster, string Status)
{
    public static readonly EndpointFilter All = new("", 0, "", "");

    public bool Takes(Endpoint endpoint) =>
        (Address.Length == 0 || string.Equals(endpoint.Ip, Address, StringComparison.OrdinalIgnoreCase))
        && (Port == 0 || endpoint.Port == Port)
        && (Cluster.Length == 0 || endpoint.Cluster == Cluster)
        && (Status.Length == 0 || string.Equals(endpoint.Status, Status, StringComparison.OrdinalIgnoreCase));
}

/// <summary>One address of one cluster as the proxy sees it now. <see cref="Port"/> is 0 for a socket in the file system.</summary>
internal sealed record Endpoint(string Ip, int Port, string Pipe, string Status, bool FailedOutlierCheck, string Locality, string Cluster)
{
    public string Address => Pipe.Length > 0 ? $"unix://{Pipe}" : $"{Ip}:{Port.ToString(CultureInfo.InvariantCulture)}";

    public static Endpoint Read(JsonNode? address, string status, bool failedOutlierCheck, string locality, string cluster) => new(
        address.Text("socket_address", "address"), address.Number("socket_address", "port_value"), address.Text("pipe", "path"),
        status.Length == 0 ? "HEALTHY" : status, failedOutlierCheck, locality, cluster);
}

internal static class EndpointTable
{
    /// <summary>From /clusters?format=json, which knows the health of each address.</summary>
    public static IReadOnlyList<Endpoint> Select(JsonNode? clusters, EndpointFilter filter) =>
    [
        .. clusters.Items("cluster_statuses")
            .SelectMany(cluster => cluster.Items("host_statuses").Select(host => Endpoint.Read(
                host.Get("address"), host.Text("health_status", "eds_health_status"), host.Text("health_status", "failed_outlier_check") == "true", "", cluster.Text("name"))))
            .Where(filter.Takes)
            .OrderBy(e => e.Pipe.Length > 0 ? e.Address : e.Ip, StringComparer.Ordinal).ThenBy(e => e.Port).ThenBy(e => e.Cluster, StringComparer.Ordinal),
    ];

    /// <summary>The clusters of that dump that hold one of the endpoints, for -o json.</summary>
    public static IEnumerable<JsonNode> ClustersOf(JsonNode? clusters, EndpointFilter filter)
    {
        var names = Select(clusters, filter).Select(e => e.Cluster).ToHashSet();
        return clusters.Items("cluster_statuses").Where(cluster => names.Contains(cluster.Text("name")));
    }

    public static Table Of(IEnumerable<Endpoint> endpoints)
    {
        var table = new Table(gap: 5).Add("ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER");
        foreach (var endpoint in endpoints)
            table.Add(endpoint.Address, endpoint.Status, endpoint.FailedOutlierCheck ? "FAILED" : "OK", endpoint.Cluster);
        return table;
    }

    /// <summary>From the configuration dump, in the order of the clusters' table.</summary>
    public static Table OfDump(ConfigDump dump, string prefix)
    {
        var table = new Table(gap: 5).Add("NAME", "STATUS", "LOCALITY", "CLUSTER");
        var assignments = dump.Endpoints.Select(assignment => (assignment, name: ClusterName.Parse(assignment.Text("cluster_name"))))
            .OrderBy(a => a.name.Host, StringComparer.Ordinal).ThenBy(a => a.name.Subset, StringComparer.Ordinal).ThenBy(a => a.name.PortNumber);
        foreach (var (assignment, _) in assignments)
            foreach (var locality in assignment.Items("endpoints"))
                foreach (var entry in locality.Items("lb_endpoints"))
                {
                    var endpoint = Endpoint.Read(entry.Get("endpoint", "address"), entry.Text("health_status"), false, Locality(locality.Get("locality")), assignment.Text("cluster_name"));
                    table.Add(prefix + (endpoint.Pipe.Length > 0 ? endpoint.Pipe : endpoint.Address), endpoint.Status, endpoint.Locality, endpoint.Cluster);
                }
        return table;
    }

    private static string Locality(JsonNode? locality) =>
        string.Join('/', ((string[])[locality.Text("region"), locality.Text("zone"), locality.Text("sub_zone")]).Where(part => part.Length > 0));
}
