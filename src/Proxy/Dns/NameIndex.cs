using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Dns;

/// <summary>What the mesh knows about a name.</summary>
/// <param name="Alias">Set when the name is a search-list expansion: the name it stands for.</param>
internal readonly record struct NameAnswer(string? Alias, ImmutableArray<IPAddress> Addresses);

/// <summary>The name table made ready for questions: services under all the names a pod may use, wildcards, and the first search domain's expansions.</summary>
internal sealed class NameIndex
{
    private readonly FrozenDictionary<string, NameAnswer> names;

    /// <param name="proxyDomain">"ns.svc.cluster.local": where the pod lives.</param>
    /// <param name="search">The search list of the pod's resolv.conf.</param>
    public NameIndex(NameTable table, string proxyDomain, ImmutableArray<string> search)
    {
        var all = new Dictionary<string, NameAnswer>(StringComparer.Ordinal);
        foreach (var (host, entry) in table.Names)
            foreach (var name in NamesOf(host, entry, proxyDomain)) all[name] = new(null, entry.Addresses);

        // Only the first domain: a resolver tries that one first, and what it finds ends its search.
        if (!search.IsEmpty)
        {
            foreach (var (name, answer) in all.ToList())
                if (!name.StartsWith('*')) all.TryAdd($"{name}.{search[0]}", new(name, answer.Addresses));
        }
        names = all.ToFrozenDictionary(StringComparer.Ordinal);
    }

    public int Count => names.Count;

    /// <param name="name">Lower case, without the dot at its end.</param>
    public bool TryFind(string name, out NameAnswer answer)
    {
        if (names.TryGetValue(name, out answer)) return true;

        for (var dot = name.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = name.IndexOf('.', dot + 1))
            if (names.TryGetValue("*" + name[dot..], out answer)) return true;
        return false;
    }

    // A Kubernetes service answers to its short names as far as the pod may use them; any other host to its own name only.
    private static IEnumerable<string> NamesOf(string host, NameEntry entry, string proxyDomain)
    {
        yield return host.ToLowerInvariant();
        foreach (var other in entry.AltHosts) yield return other.ToLowerInvariant();
        if (entry.Registry != "Kubernetes" || entry.ShortName.Length == 0 || entry.Namespace.Length == 0) yield break;

        var (service, space) = (entry.ShortName.ToLowerInvariant(), entry.Namespace.ToLowerInvariant());
        if (!host.StartsWith($"{service}.{space}.svc.", StringComparison.OrdinalIgnoreCase)) yield break;
        yield return $"{service}.{space}";
        yield return $"{service}.{space}.svc";
        if (proxyDomain.StartsWith(space + ".", StringComparison.Ordinal)) yield return service;
    }
}
