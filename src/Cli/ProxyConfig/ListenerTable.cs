using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

internal sealed record ListenerFilter(string Address, int Port, string Type)
{
    public static readonly ListenerFilter All = new("", 0, "");

    public bool Takes(JsonNode listener) =>
        (Address.Length == 0 || ListenerTable.Addresses(listener).Any(a => string.Equals(a, Address, StringComparison.OrdinalIgnoreCase)))
        && (Port == 0 || ListenerTable.Port(listener) == Port)
        && (Type.Length == 0 || string.Equals(ListenerTable.TypeOf(listener), Type, StringComparison.OrdinalIgnoreCase));
}

internal static class ListenerTable
{
    private const string HttpFilter = "envoy.filters.network.http_connection_manager";
    private const string TcpFilter = "envoy.filters.network.tcp_proxy";

    // Lists that Istio writes often have a short name in this column.
    private static readonly (string Name, string[] Protocols)[] KnownProtocols =
    [
        ("HTTP", ["http/1.0", "http/1.1", "h2c"]),
        ("Istio HTTP Plain", ["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"]),
        ("HTTP TLS", ["http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"]),
        ("TCP TLS", ["istio-peer-exchange", "istio"]),
    ];

    /// <summary>In the order of the dump.</summary>
    public static IReadOnlyList<JsonNode> Select(ConfigDump dump, ListenerFilter filter) => [.. dump.Listeners.Where(filter.Takes)];

    private static IEnumerable<JsonNode> InOrder(IEnumerable<JsonNode> listeners) =>
        listeners.OrderBy(Port).ThenBy(listener => Addresses(listener)[0], StringComparer.Ordinal).ThenBy(TypeOf, StringComparer.Ordinal);

    /// <summary>One row for each filter chain, those that lead to the same place together, as istioctl orders them.</summary>
    public static Table Of(IEnumerable<JsonNode> listeners, string? prefix = null)
    {
        string[] head = prefix is null ? [] : ["NAME"];
        var table = new Table().Add([.. head, "ADDRESSES", "PORT", "MATCH", "DESTINATION"]);
        foreach (var listener in InOrder(listeners))
            foreach (var (chain, destination) in Chains(listener).Select(c => (c, Destination(c))).OrderByDescending(c => c.Item2, StringComparer.Ordinal))
            {
                string[] first = prefix is null ? [] : [prefix + listener.Text("name")];
                table.Add([.. first, string.Join(',', Addresses(listener)), $"{Port(listener)}", Match(chain), destination]);
            }
        return table;
    }

    /// <summary>One row for each listener.</summary>
    public static Table Short(IEnumerable<JsonNode> listeners, string? prefix = null)
    {
        string[] head = prefix is null ? [] : ["NAME"];
        var table = new Table().Add([.. head, "ADDRESSES", "PORT", "TYPE"]);
        foreach (var listener in InOrder(listeners))
        {
            string[] first = prefix is null ? [] : [prefix + listener.Text("name")];
            table.Add([.. first, string.Join(',', Addresses(listener)), $"{Port(listener)}", TypeOf(listener)]);
        }
        return table;
    }

    public static IReadOnlyList<string> Addresses(JsonNode listener) =>
        [Address(listener.Get("address")), .. listener.Items("additional_addresses").Select(a => Address(a.Get("address")))];

    public static int Port(JsonNode listener) => listener.Number("address", "socket_address", "port_value");

    public static string TypeOf(JsonNode listener)
    {
        var filters = Chains(listener).SelectMany(chain => chain.Items("filters")).Where(filter => filter.Text("name") != TcpFilter || !LeadsNowhere(filter))
            .Select(filter => filter.Text("name")).ToHashSet();
        return (filters.Contains(HttpFilter), filters.Contains(TcpFilter)) switch
        {
            (true, true) => "HTTP+TCP",
            (true, false) => "HTTP",
            (false, true) => "TCP",
            _ => "UNKNOWN",
        };
    }

    private static string Address(JsonNode? address) => address.Text("socket_address", "address") is { Length: > 0 } ip ? ip : address.Text("pipe", "path");

    private static bool LeadsNowhere(JsonNode filter) => filter.Get("typed_config")?.ToJsonString().Contains("BlackHoleCluster", StringComparison.Ordinal) == true;

    private static IEnumerable<JsonNode> Chains(JsonNode listener) =>
        listener.Get("default_filter_chain") is { } last ? listener.Items("filter_chains").Append(last) : listener.Items("filter_chains");

    private static string Match(JsonNode chain)
    {
        var match = chain.Get("filter_chain_match");
        var parts = new List<string>();
        if (match.Texts("server_names") is { Count: > 0 } names) parts.Add($"SNI: {string.Join(',', names)}");
        if (match.Text("transport_protocol") is { Length: > 0 } transport) parts.Add($"Trans: {transport}");
        if (match.Texts("application_protocols") is { Count: > 0 } protocols) parts.Add($"App: {Protocols(protocols)}");

        var port = match.Number("destination_port") is > 0 and var number ? $":{number}" : "";
        var ranges = match.Items("prefix_ranges").Select(range => $"{range.Text("address_prefix")}/{range.Number("prefix_len")}").ToList();
        if (ranges.Count > 0) parts.Add($"Addr: {string.Join(',', ranges)}{port}");
        else if (port.Length > 0) parts.Add($"Addr: *{port}");
        return parts.Count == 0 ? "ALL" : string.Join("; ", parts);
    }

    private static string Protocols(IReadOnlyList<string> protocols) =>
        KnownProtocols.FirstOrDefault(known => known.Protocols.SequenceEqual(protocols)).Name ?? string.Join(',', protocols);

    private static string Destination(JsonNode chain)
    {
        foreach (var filter in chain.Items("filters"))
        {
            var config = filter.Get("typed_config");
            switch (filter.Text("name"))
            {
                case HttpFilter when config.Get("route_config") is { } inline: return Inline(inline);
                case HttpFilter when config.Text("rds", "route_config_name") is { Length: > 0 } route: return $"Route: {route}";
                case HttpFilter: return "HTTP";
                case TcpFilter when config is not null && !LeadsNowhere(filter): return Cluster(config.Text("cluster"));
            }
        }
        return "Non-HTTP/Non-TCP";
    }

    private static string Inline(JsonNode route)
    {
        var hosts = route.Items("virtual_hosts").ToList();
        if (hosts is [var only] && only.Texts("domains") is ["*"] && only.Items("routes").ToList() is [var all]
            && all.Text("match", "prefix") == "/" && all.Text("route", "cluster") is { Length: > 0 } cluster) return Cluster(cluster);

        return "Inline Route: " + string.Join("; ", hosts.Select(host =>
        {
            var domains = host.Texts("domains") is ["*"] ? "" : string.Join('/', host.Texts("domains")) + " ";
            return domains + string.Join(", ", host.Items("routes").Select(r => RouteTable.Match(r.Get("match"))));
        }));
    }

    private static string Cluster(string name) => name.Contains("Cluster", StringComparison.Ordinal) ? name : $"Cluster: {name}";
}
