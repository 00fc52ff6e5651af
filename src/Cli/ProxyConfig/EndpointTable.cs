using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

internal sealed record EndpointFilter(string Address, int Port, string Cluster, string Status)
{
    public static readonly EndpointFilter All = new("", 0, "", "");

    public bool Takes(Endpoint endpoint) =>
        (Address.Length == 0 || string.Equals(endpoint.Host, Address, StringComparison.OrdinalIgnoreCase))
        && (Port == 0 || endpoint.Port == Port)
        && (Cluster.Length == 0 || string.Equals(endpoint.Cluster, Cluster, StringComparison.OrdinalIgnoreCase))
        && (Status.Length == 0 || string.Equals(endpoint.Status, Status, StringComparison.OrdinalIgnoreCase));
}

/// <summary>One address of one cluster as the proxy sees it now. <see cref="Port"/> is 0 for what is no address of the network.</summary>
internal sealed record Endpoint(string Host, int Port, string Status, bool FailedOutlierCheck, string Cluster)
{
    public string Address => Port > 0 ? $"{Host}:{Port.ToString(CultureInfo.InvariantCulture)}" : Host;

    public static Endpoint Read(JsonNode host, string cluster)
    {
        var (address, health) = (host.Get("address"), host.Get("health_status"));
        return new(HostOf(address), address.Number("socket_address", "port_value"), health.Text("eds_health_status") is { Length: > 0 } status ? status : "UNKNOWN",
            health.Text("failed_outlier_check") == "true", cluster);
    }

    private static string HostOf(JsonNode? address) =>
        address.Text("socket_address", "address") is { Length: > 0 } ip ? ip
        : address.Text("pipe", "path") is { Length: > 0 } path ? $"unix://{path}"
        : InternalAddress(address) ?? "unknown";

    /// <summary>A listener of the proxy itself stands in an address's place: envoy://listener/endpoint.</summary>
    public static string? InternalAddress(JsonNode? address) => address.Text("envoy_internal_address", "server_listener_name") is { Length: > 0 } listener
        ? $"envoy://{listener}/{address.Text("envoy_internal_address", "endpoint_id")}" : null;
}

internal static class EndpointTable
{
    /// <summary>From /clusters?format=json, which knows the health of each address.</summary>
    public static IReadOnlyList<Endpoint> Select(JsonNode? clusters, EndpointFilter filter) =>
    [
        .. clusters.Items("cluster_statuses")
            .SelectMany(cluster => cluster.Items("host_statuses").Select(host => Endpoint.Read(host, cluster.Text("name"))))
            .Where(filter.Takes)
            .OrderBy(e => e.Host, StringComparer.Ordinal).ThenBy(e => e.Port).ThenBy(e => e.Cluster, StringComparer.Ordinal),
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

    /// <summary>The assignments of the configuration dump with the endpoints that pass, in the order of the clusters' table.</summary>
    public static IReadOnlyList<JsonNode> Assignments(ConfigDump dump, EndpointFilter filter)
    {
        var kept = new List<JsonNode>();
        foreach (var assignment in dump.Endpoints.Select(given => given.DeepClone()))
        {
            var left = 0;
            foreach (var locality in assignment.Items("endpoints"))
            {
                var entries = locality.Items("lb_endpoints").Where(entry => Takes(filter, entry, assignment.Text("cluster_name"))).ToList();
                left += entries.Count;
                locality["lb_endpoints"] = new JsonArray([.. entries.Select(entry => entry.DeepClone())]);
            }
            if (left > 0) kept.Add(assignment);
        }
        return [.. kept.Select(assignment => (assignment, name: ClusterName.Parse(assignment.Text("cluster_name"))))
            .OrderBy(a => a.name.Host, StringComparer.Ordinal).ThenBy(a => a.name.Subset, StringComparer.Ordinal).ThenBy(a => a.name.PortNumber)
            .ThenBy(a => a.name.Direction, StringComparer.Ordinal).Select(a => a.assignment)];
    }

    public static Table OfAssignments(IEnumerable<JsonNode> assignments, string prefix = "")
    {
        var table = new Table(gap: 5).Add("NAME", "STATUS", "LOCALITY", "CLUSTER");
        foreach (var assignment in assignments)
            foreach (var locality in assignment.Items("endpoints"))
                foreach (var entry in locality.Items("lb_endpoints"))
                    table.Add(prefix + string.Join(',', Addresses(entry)), Status(entry), Locality(locality.Get("locality")), assignment.Text("cluster_name"));
        return table;
    }

    /// <summary>Here, unlike among the clusters' endpoints, an address is written with its port.</summary>
    private static bool Takes(EndpointFilter filter, JsonNode entry, string cluster) =>
        (filter.Address.Length == 0 || Addresses(entry).Contains(filter.Address, StringComparer.OrdinalIgnoreCase))
        && (filter.Port == 0 || entry.Number("endpoint", "address", "socket_address", "port_value") == filter.Port)
        && (filter.Cluster.Length == 0 || string.Equals(cluster, filter.Cluster, StringComparison.OrdinalIgnoreCase))
        && (filter.Status.Length == 0 || string.Equals(Status(entry), filter.Status, StringComparison.OrdinalIgnoreCase));

    private static IReadOnlyList<string> Addresses(JsonNode entry) =>
        [.. entry.Items("endpoint", "additional_addresses").Select(more => more.Get("address")).Prepend(entry.Get("endpoint", "address")).Select(Address)];

    private static string Address(JsonNode? address) => address.Text("pipe", "path") is { Length: > 0 } path ? path
        : address.Text("socket_address", "address") is { Length: > 0 } ip ? $"{ip}:{address.Number("socket_address", "port_value").ToString(CultureInfo.InvariantCulture)}"
        : Endpoint.InternalAddress(address) ?? "unknown";

    private static string Status(JsonNode entry) => entry.Text("health_status") is { Length: > 0 } status ? status : "UNKNOWN";

    private static string Locality(JsonNode? locality) =>
        string.Join('/', ((string[])[locality.Text("region"), locality.Text("zone"), locality.Text("sub_zone")]).Where(part => part.Length > 0));
}
