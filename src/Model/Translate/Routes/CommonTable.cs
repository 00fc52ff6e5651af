using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change the hosts of a route table, for callers whose namespace and labels nobody asks for.</summary>
/// <param name="Egress">The services and the VirtualServices with HTTP routes that the listener sees.</param>
internal sealed record TableKey(MeshConfig Mesh, Seen Seen, ObjectList Egress, int Port, bool AnswersDns, bool CountsAttempts);

/// <summary>
/// The hosts of one port as callers of any namespace see them, but for the short names that are a service's own namespace's. Made once for all namespaces
/// that see the same services and routes: each then adds only the short names of its own.
/// </summary>
internal sealed class CommonTable
{
    private readonly ImmutableArray<(Told Told, EncodedHost Encoded)> hosts;
    private readonly ImmutableArray<EncodedHost> all;
    private readonly HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
    private readonly ILookup<string, int> homes;
    private readonly bool hasRivals;

    private CommonTable(View view, Parts parts, RouteNeed need)
    {
        var told = new HashSet<(MeshService?, string)>();
        var kept = ImmutableArray.CreateBuilder<(Told, EncodedHost)>();
        foreach (var one in HostList.Of(view, need))
        {
            if (!told.Add((one.Service, one.Host))) continue;   // an older VirtualService speaks for it, in every namespace
            var encoded = OutboundRoutes.Usual(view, parts, one, need.Port, "");
            kept.Add((one, encoded));
            foreach (var name in encoded.Domains) hasRivals |= !names.Add(name);
        }
        hosts = kept.ToImmutable();
        all = [.. hosts.Select(host => host.Encoded)];
        homes = Enumerable.Range(0, hosts.Length).ToLookup(i => VirtualHosts.HomeOf(hosts[i].Told.Host, view.Mesh.Domain));
    }

    /// <returns>Null where who calls can make more of a difference than short names do.</returns>
    public static CommonTable? Find(View view, Parts parts, RouteNeed need)
    {
        if (need.Only is not null || view.Scope.Registry.LabelsMatter || view.Scope.Registry.Index.HasAliases) return null;
        var routes = need.Egress.VirtualServices.Where(vs => !vs.Http.IsEmpty).ToList();
        if (routes.Exists(RouteBuilder.AsksWhoCalls)) return null;

        var key = new TableKey(view.Mesh, view.Scope.Seen, parts.Share([.. need.Egress.Services, null, .. routes]), need.Port, view.Shape.AnswersDns, view.Shape.CountsAttempts);
        var table = parts.Tables.Get(key, _ => new(view, parts, need));
        return table.hasRivals ? null : table;
    }

    /// <param name="near">Encodes a host with the short names that its own namespace may use.</param>
    /// <returns>Null when a short name is another host's name too: then the order of the hosts decides.</returns>
    public ImmutableArray<EncodedHost>? For(string ns, Func<Told, EncodedHost> near)
    {
        if (ns.Length == 0 || !homes.Contains(ns)) return all;

        var own = all.ToBuilder();
        var added = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var i in homes[ns])
        {
            own[i] = near(hosts[i].Told);
            foreach (var name in own[i].Domains)
                if (!hosts[i].Encoded.Domains.Contains(name) && (names.Contains(name) || !added.Add(name))) return null;
        }
        return own.ToImmutable();
    }
}
