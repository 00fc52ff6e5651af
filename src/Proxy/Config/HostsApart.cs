using System.Collections.Immutable;

namespace Mesh.Proxy.Config;

/// <summary>
/// Route tables whose virtual hosts come one by one (VHDS), put together again: a table is whole, and changes, only with all that one message said.
/// A table whose hosts have not come yet is not whole, and what served before it goes on serving.
/// </summary>
internal sealed class HostsApart
{
    private readonly Dictionary<string, RouteTable> heads = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SortedDictionary<string, VirtualHost>> hosts = new(StringComparer.Ordinal);
    private readonly HashSet<string> changed = new(StringComparer.Ordinal);

    public bool IsTable(string name) => heads.ContainsKey(name);

    public void Put(string name, RouteTable head)
    {
        heads[name] = head;
        changed.Add(name);
    }

    public void Put(string name, VirtualHost host)
    {
        var table = TableOf(name);
        if (!hosts.TryGetValue(table, out var known)) hosts[table] = known = new(StringComparer.Ordinal);
        known[name] = host;
        changed.Add(table);
    }

    /// <summary>A host that is gone; or a table that has none, which is an answer too.</summary>
    public void Remove(string name)
    {
        var table = TableOf(name);
        if (table == name) hosts[table] = new(StringComparer.Ordinal);
        else if (hosts.TryGetValue(table, out var known)) known.Remove(name);
        changed.Add(table);
    }

    public void RemoveTable(string name)
    {
        heads.Remove(name);
        hosts.Remove(name);
        changed.Remove(name);
    }

    /// <summary>The tables that changed since the last call and are whole.</summary>
    public IReadOnlyList<RouteTable> TakeChanged()
    {
        var whole = new List<RouteTable>();
        foreach (var name in changed)
            if (heads.TryGetValue(name, out var head) && hosts.TryGetValue(name, out var known)) whole.Add(head with { VirtualHosts = [.. Unclaimed(known.Values.Concat(head.VirtualHosts))] });
        changed.Clear();
        return whole;
    }

    /// <summary>Each domain once: the control plane gives none twice, but a proxy does not stand or fall by that.</summary>
    private static IEnumerable<VirtualHost> Unclaimed(IEnumerable<VirtualHost> all)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var host in all)
            if (host.Domains.All(taken.Add)) yield return host;
            else if (host.Domains.Where(taken.Add).ToImmutableArray() is { IsEmpty: false } left) yield return host with { Domains = left };
    }

    private static string TableOf(string name) => Xds.TypeUrl.CollectionOf(name) is { Length: > 0 } table ? table : name;
}
