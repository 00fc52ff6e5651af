using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

/// <summary>A cluster's name in its parts: direction|port|subset|host. Other names stand for themselves.</summary>
internal sealed record ClusterName(string Direction, string Port, string Subset, string Host)
{
    public static ClusterName Parse(string name) => name.Split('|') is [var direction, var port, var subset, var host]
        ? new(direction, int.TryParse(port, CultureInfo.InvariantCulture, out var number) ? $"{number}" : "0", subset, host) : new("", "", "", name);

    public int PortNumber => int.TryParse(Port, out var port) ? port : 0;
}

internal sealed record ClusterFilter(string Fqdn, int Port, string Subset, string Direction)
{
    public static readonly ClusterFilter All = new("", 0, "", "");

    /// <summary>Each looks for its text anywhere in the cluster's name, as istioctl does: subset v1 finds v10 too.</summary>
    public bool Takes(string name) =>
        name.Contains(Fqdn, StringComparison.Ordinal) && name.Contains(Subset, StringComparison.Ordinal) && name.Contains(Direction, StringComparison.Ordinal)
        && (Port == 0 || name.Contains($"|{Port}|", StringComparison.Ordinal));
}

internal static class ClusterTable
{
    public static IReadOnlyList<JsonNode> Select(ConfigDump dump, ClusterFilter filter) =>
    [
        .. dump.Clusters.Where(cluster => filter.Takes(cluster.Text("name")))
            .Select(cluster => (cluster, name: ClusterName.Parse(cluster.Text("name"))))
            .OrderBy(c => c.name.Host, StringComparer.Ordinal).ThenBy(c => c.name.Subset, StringComparer.Ordinal)
            .ThenBy(c => c.name.PortNumber).ThenBy(c => c.name.Direction, StringComparer.Ordinal)
            .Select(c => c.cluster),
    ];

    /// <param name="prefix">Put before names, as <c>proxy-config all</c> has it; null leaves the column out.</param>
    public static Table Of(IEnumerable<JsonNode> clusters, string? prefix = null)
    {
        string[] head = prefix is null ? [] : ["NAME"];
        var table = new Table(gap: 5).Add([.. head, "SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"]);
        foreach (var cluster in clusters)
        {
            var text = cluster.Text("name");
            var name = ClusterName.Parse(text);
            var isPlain = name.Direction.Length == 0;
            string[] first = prefix is null ? [] : [prefix + text];
            table.Add([.. first, isPlain ? prefix + name.Host : name.Host, Dash(name.Port), Dash(name.Subset), Dash(name.Direction), Type(cluster), IstioConfig.NameOf(cluster)]);
        }
        return table;
    }

    private static string Dash(string text) => text.Length == 0 ? "-" : text;

    private static string Type(JsonNode cluster) =>
        cluster.Text("type") is { Length: > 0 } type ? type : "STATIC"; // of a custom type too, as istioctl has it
}
