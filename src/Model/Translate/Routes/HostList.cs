using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>A host, the service of that name if there is one, and the VirtualService that speaks for it if one does.</summary>
internal readonly record struct Told(MeshService? Service, string Host, VirtualService? Rule);

/// <summary>Who stands in a route table, in which order, and who speaks for whom.</summary>
internal static class HostList
{
    /// <summary>Hosts that a VirtualService speaks for, oldest first, then the services that none speaks for.</summary>
    public static IEnumerable<Told> Of(View view, RouteNeed need)
    {
        var (egress, port, only) = (need.Egress, need.Port, need.Only);
        var services = new Dictionary<string, MeshService>();
        foreach (var service in only is null ? egress.Services : [only])
            if (service.Resolution != Resolution.Alias && service.PortNumbered(port) is { } at && at.Protocol.IsHttpOrAuto()) services.TryAdd(service.Host, service);

        var left = new HashSet<string>(services.Keys);
        var context = view.Routes(port, "mesh");
        var wildcards = WildcardOwners(egress, services.Keys);
        foreach (var vs in egress.VirtualServices)
        {
            if (vs.Http.IsEmpty) continue;
            if (!RouteBuilder.Says(vs, context)) continue;
            var servesPort = port == 80 || vs.Hosts.Any(host => services.ContainsKey(host) || Covered(host, vs).Count > 0);
            foreach (var host in vs.Hosts)
            {
                if (services.TryGetValue(host, out var exact))
                {
                    left.Remove(host);
                    yield return new(exact, host, vs);
                    continue;
                }
                var covered = Covered(host, vs);
                foreach (var service in covered)
                {
                    left.Remove(service.Host);
                    yield return new(service, service.Host, vs);
                }
                // A host that no service has at this port is served on port 80 only, or where another host of the same rule has the port.
                if (covered.Count == 0 && only is null && servesPort) yield return new(null, host, vs);
            }
        }
        foreach (var service in services.Values)
            if (left.Contains(service.Host)) yield return new(service, service.Host, null);

        List<MeshService> Covered(string pattern, VirtualService vs) => Hostnames.IsWildcard(pattern)
            ? [.. services.Values.Where(service => wildcards.GetValueOrDefault(service.Host) == vs && Hostnames.IsWithin(service.Host, pattern))] : [];
    }

    /// <summary>For services without a rule of their own name: the most specific wildcard wins, then the oldest.</summary>
    private static Dictionary<string, VirtualService> WildcardOwners(EgressScope egress, IEnumerable<string> hosts)
    {
        var patterns = new List<(string Pattern, VirtualService Owner)>();
        var exact = new HashSet<string>();
        foreach (var vs in egress.VirtualServices.Where(vs => !vs.Http.IsEmpty))
            foreach (var host in vs.Hosts)
                if (Hostnames.IsWildcard(host)) patterns.Add((host, vs));
                else exact.Add(host);
        var owners = new Dictionary<string, VirtualService>();
        if (patterns.Count == 0) return owners;
        foreach (var host in hosts)
        {
            if (exact.Contains(host)) continue;
            var best = patterns.Where(pattern => Hostnames.IsWithin(host, pattern.Pattern)).OrderByDescending(pattern => pattern.Pattern.Length).FirstOrDefault();
            if (best.Owner is not null) owners[host] = best.Owner;
        }
        return owners;
    }
}
