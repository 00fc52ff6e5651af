using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>A sidecar's route tables: one for each HTTP port, and one for each service on a port whose protocol is detected.</summary>
internal static class OutboundRoutes
{
    /// <param name="name"><c>8080</c>, or <c>host:8080</c> for a detected port.</param>
    public static NamedResource Build(View view, Parts parts, EgressScope egress, string name, int port, MeshService? only)
    {
        var head = new RouteConfiguration
        {
            Name = name,
            ValidateClusters = false,
            IgnorePortInHostMatching = true,
            MaxDirectResponseBodySizeBytes = 1_048_576,
        };
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var table = new List<EncodedHost>();
        foreach (var (service, host, routes) in Hosts(view, egress, port, only))
        {
            if (only is not null && table.Count > 0) break;
            if (Encoded(view, parts, service, host, port, routes, only is not null, taken) is { } made) table.Add(made);
        }
        if (only is null) table.Add(HostBytes.Encode(VirtualHosts.CatchAll(view.Scope.Outbound, view.Shape.CountsAttempts)));
        var whole = HostBytes.Table(head, table);
        return view.Patches.Touches("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
            ? NamedResource.Of(name, Patching.Apply(RouteConfiguration.Parser.ParseFrom(whole.Body), view.Patches, "SIDECAR_OUTBOUND"))
            : whole;
    }

    /// <param name="routes">Null for a service without VirtualService, whose host is the same in every table it is in.</param>
    /// <returns>Null when other hosts took all its names.</returns>
    private static EncodedHost? Encoded(
        View view, Parts parts, MeshService? service, string host, int port, List<Route>? routes, bool isOnly, HashSet<string> taken)
    {
        if (routes is null && !isOnly && !view.Scope.AliasesOf(host).Any())
        {
            var key = new HostKey(
                view.Mesh, service!, port, view.RuleFor(service!), service!.Namespace == view.Shape.Namespace ? view.Shape.Namespace : "", view.Shape.AnswersDns,
                view.Shape.CountsAttempts);
            var usual = parts.Hosts.Get(key, _ => HostBytes.Encode(Host(view, host, port, null, Domains(view, service, host), service)));
            if (!usual.Domains.Any(taken.Contains))
            {
                taken.UnionWith(usual.Domains);
                return usual;
            }
        }
        var free = isOnly ? ["*"] : Domains(view, service, host).Where(taken.Add).ToList();
        return free.Count == 0 ? null : HostBytes.Encode(Host(view, host, port, routes, free, service));
    }

    private static VirtualHost Host(View view, string host, int port, List<Route>? routes, IEnumerable<string> domains, MeshService? service)
    {
        var made = new VirtualHost { Name = Names.HostAndPort(host, port), IncludeRequestAttemptCount = view.Shape.CountsAttempts };
        made.Domains.Add(domains);
        if (routes is not null) made.Routes.Add(routes);
        else made.Routes.Add(RouteBuilder.Default(service!, service!.PortNumbered(port)!, view.Routes(port, "mesh")));
        return made;
    }

    private static IEnumerable<string> Domains(View view, MeshService? service, string host)
    {
        if (service is null) return [host];
        var own = VirtualHosts.DomainsOf(service, host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns);
        return own.Concat(view.Scope.AliasesOf(host)
            .SelectMany(alias => VirtualHosts.DomainsOf(alias, alias.Host, view.Shape.Namespace, view.Mesh.Domain, view.Shape.AnswersDns)));
    }

    /// <summary>Hosts that a VirtualService speaks for, oldest first, then the services that none speaks for.</summary>
    private static IEnumerable<(MeshService? Service, string Host, List<Route>? Routes)> Hosts(View view, EgressScope egress, int port, MeshService? only)
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
                    yield return (exact, host, routes);
                    continue;
                }
                var covered = Hostnames.IsWildcard(host)
                    ? services.Values.Where(service => wildcards.GetValueOrDefault(service.Host) == vs && Hostnames.IsWithin(service.Host, host)).ToList() : [];
                foreach (var service in covered)
                {
                    routes ??= RouteBuilder.Build(vs, context);
                    if (routes.Count == 0) break;
                    left.Remove(service.Host);
                    yield return (service, service.Host, routes);
                }
                // A host outside the registry is served on port 80 only, or where another host of the same rule has that port.
                if (covered.Count > 0 || only is not null || view.Scope.Find(host) is not null) continue;
                if (port != 80 && !vs.Hosts.Any(other => services.ContainsKey(other))) continue;
                routes ??= RouteBuilder.Build(vs, context);
                if (routes.Count > 0) yield return (null, host, routes);
            }
        }
        foreach (var service in services.Values)
            if (left.Contains(service.Host)) yield return (service, service.Host, null);
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
