using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>A sidecar's route tables: one for each HTTP port, and one for each service on a port whose protocol is detected.</summary>
internal static class OutboundRoutes
{
    /// <param name="name"><c>8080</c>, or <c>host:8080</c> for a detected port.</param>
    public static RouteConfiguration Build(View view, EgressScope egress, string name, int port, MeshService? only)
    {
        var table = new RouteConfiguration
        {
            Name = name,
            ValidateClusters = false,
            IgnorePortInHostMatching = true,
            MaxDirectResponseBodySizeBytes = 1_048_576,
        };
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (service, host, routes) in Hosts(view, egress, port, only))
        {
            var made = new VirtualHost { Name = Names.HostAndPort(host, port), IncludeRequestAttemptCount = view.Shape.CountsAttempts };
            if (only is not null) made.Domains.Add("*");
            else
                foreach (var domain in Domains(view, service, host))
                    if (taken.Add(domain)) made.Domains.Add(domain);
            if (made.Domains.Count == 0 || only is not null && table.VirtualHosts.Count > 0) continue;
            made.Routes.Add(routes);
            table.VirtualHosts.Add(made);
        }
        if (only is null) table.VirtualHosts.Add(VirtualHosts.CatchAll(view.Scope.Outbound, view.Shape.CountsAttempts));
        return table;
    }

    private static IEnumerable<string> Domains(View view, MeshService? service, string host)
    {
        if (service is null) return [host];
        var own = VirtualHosts.DomainsOf(service, host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns);
        return own.Concat(view.Scope.AliasesOf(host)
            .SelectMany(alias => VirtualHosts.DomainsOf(alias, alias.Host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns)));
    }

    /// <summary>Hosts that a VirtualService speaks for, oldest first, then the services that none speaks for.</summary>
    private static IEnumerable<(MeshService? Service, string Host, List<Route> Routes)> Hosts(View view, EgressScope egress, int port, MeshService? only)
    {
        var services = new Dictionary<string, MeshService>();
        foreach (var service in only is null ? egress.Services : [only])
            if (service.Resolution != Resolution.Alias && service.PortNumbered(port) is { } at && at.Protocol.IsHttpOrAuto()) services.TryAdd(service.Host, service);

        var left = new HashSet<string>(services.Keys);
        var context = view.Routes(port, "mesh");
        var wildcards = WildcardOwners(egress, services.Keys);
        foreach (var vs in egress.VirtualServices)
        {
            if (vs.Http.IsEmpty) continue;
            List<Route>? routes = null;
            foreach (var host in vs.Hosts)
            {
                if (services.TryGetValue(host, out var exact))
                {
                    routes ??= RouteBuilder.Build(vs, context);
                    if (routes.Count == 0) break;
                    left.Remove(host);
                    yield return (exact, host, Copy(routes));
                    continue;
                }
                var covered = Hostnames.IsWildcard(host)
                    ? services.Values.Where(service => wildcards.GetValueOrDefault(service.Host) == vs && Hostnames.IsWithin(service.Host, host)).ToList() : [];
                foreach (var service in covered)
                {
                    routes ??= RouteBuilder.Build(vs, context);
                    if (routes.Count == 0) break;
                    left.Remove(service.Host);
                    yield return (service, service.Host, Copy(routes));
                }
                // A host outside the registry is served on port 80 only, or where another host of the same rule has that port.
                if (covered.Count > 0 || only is not null || view.Scope.Find(host) is not null) continue;
                if (port != 80 && !vs.Hosts.Any(other => services.ContainsKey(other))) continue;
                routes ??= RouteBuilder.Build(vs, context);
                if (routes.Count > 0) yield return (null, host, Copy(routes));
            }
        }
        foreach (var service in services.Values)
            if (left.Contains(service.Host)) yield return (service, service.Host, [RouteBuilder.Default(service, service.PortNumbered(port)!, context)]);
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

    private static List<Route> Copy(List<Route> routes) => [.. routes.Select(route => route.Clone())];
}
