using System.Collections.Frozen;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>A route table made ready: which virtual host a Host header names, and the conditions of its routes.</summary>
internal sealed class RouteIndex
{
    private const int HostBytesMax = 512;

    private readonly RouteTable table;
    private readonly FrozenDictionary<string, VirtualHostIndex> exact;
    private readonly FrozenDictionary<string, VirtualHostIndex>.AlternateLookup<ReadOnlySpan<char>> byText;
    // Longest first: the most specific wildcard wins.
    private readonly (byte[] Text, VirtualHostIndex Host)[] suffixes;
    private readonly (byte[] Text, VirtualHostIndex Host)[] prefixes;
    private readonly VirtualHostIndex? any;

    private RouteIndex(RouteTable table)
    {
        this.table = table;
        var exactHosts = new Dictionary<string, VirtualHostIndex>(StringComparer.Ordinal);
        var (suffixHosts, prefixHosts) = (new List<(byte[], VirtualHostIndex)>(), new List<(byte[], VirtualHostIndex)>());
        foreach (var config in table.VirtualHosts)
        {
            var host = new VirtualHostIndex(config);
            foreach (var domain in config.Domains)
            {
                if (domain == "*") any = host;
                else if (domain.StartsWith('*')) suffixHosts.Add((Encoding.ASCII.GetBytes(domain[1..]), host));
                else if (domain.EndsWith('*')) prefixHosts.Add((Encoding.ASCII.GetBytes(domain[..^1]), host));
                else exactHosts.TryAdd(domain, host);
            }
        }
        exact = exactHosts.ToFrozenDictionary(StringComparer.Ordinal);
        byText = exact.GetAlternateLookup<ReadOnlySpan<char>>();
        suffixes = [.. suffixHosts.OrderByDescending(pair => pair.Item1.Length)];
        prefixes = [.. prefixHosts.OrderByDescending(pair => pair.Item1.Length)];
    }

    public static RouteIndex Of(RouteTable table) => table.Cell.Get(table, static t => new RouteIndex(t));

    /// <summary>Null when no virtual host has this name and none takes all.</summary>
    public VirtualHostIndex? Find(ReadOnlySpan<byte> authority)
    {
        if (authority.IsEmpty || authority.Length > HostBytesMax) return any;

        Span<byte> host = stackalloc byte[authority.Length];
        Ascii.ToLower(authority, host, out var length);
        // A host that is not ASCII can be no domain of the table.
        if (length < authority.Length) return any;
        if (table.IgnorePortInHost) host = host[..PortStart(host)];

        Span<char> text = stackalloc char[host.Length];
        Encoding.ASCII.GetChars(host, text);
        if (byText.TryGetValue(text, out var found)) return found;
        foreach (var (suffix, wild) in suffixes)
            if (host.Length > suffix.Length && host.EndsWith(suffix)) return wild;
        foreach (var (prefix, wild) in prefixes)
            if (host.Length > prefix.Length && host.StartsWith(prefix)) return wild;
        return any;
    }

    /// <summary>Where a port's colon stands, a number behind it or nothing; the length when there is none.</summary>
    public static int PortStart(ReadOnlySpan<byte> host)
    {
        var colon = host.LastIndexOf((byte)':');
        if (colon < 0 || colon < host.LastIndexOf((byte)']')) return host.Length;
        return host[(colon + 1)..].IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0 ? colon : host.Length;
    }
}

/// <summary>A virtual host and its routes made ready, in order.</summary>
internal sealed class VirtualHostIndex
{
    public VirtualHostIndex(VirtualHost host)
    {
        Host = host;
        Routes = [.. host.Routes.Select(route => new RouteEntry(route))];
    }

    public VirtualHost Host { get; }
    public RouteEntry[] Routes { get; }
}

/// <summary>A route and what was made ready of it.</summary>
internal sealed class RouteEntry(Route route)
{
    private readonly ulong totalWeight = route.Action is Forward forward ? forward.Clusters.Aggregate(0UL, (sum, cluster) => sum + cluster.Weight) : 0;

    public Route Route => route;
    public RouteMatch Match { get; } = new(route.Match);
    public ulong TotalWeight => totalWeight;

    public static RouteMatch MatchOf(Route route) => route.Cell.Get(route, static r => new RouteMatch(r.Match));
}
