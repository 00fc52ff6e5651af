using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One stretch of the way: who forwards the call, by which rule, where to, and how that connection is secured.</summary>
/// <param name="By"><c>sidecar</c>, or the Service of an egress gateway and the Gateway that takes the call there.</param>
/// <param name="Rule">The VirtualService and the rule in it; empty where none speaks.</param>
public sealed record EgressHop(string By, string Rule, string To, string Security);

/// <param name="End">What becomes of the call in the end.</param>
/// <param name="IsRefused">Nothing leaves.</param>
public sealed record EgressWay(int Port, string Protocol, ImmutableArray<EgressHop> Hops, string End, bool IsRefused);

/// <summary>
/// How a call from a workload to an external name would leave the mesh: by the rules that make the proxies' configuration. Of several shares the largest is followed.
/// </summary>
public static class EgressTrace
{
    private const int HopsMax = 4;

    /// <param name="port">Null: every port that the registry knows of the name, else 80 and 443.</param>
    public static (MeshService? Service, ImmutableArray<EgressWay> Ways) Of(World.World world, string ns, LabelSet labels, string host, int? port)
    {
        var sidecar = world.Registry.SidecarFor(ns, labels);
        var scope = world.Registry.ScopeOf(ns, sidecar);
        var service = ServiceOf(scope, host);
        IEnumerable<int> ports = port is { } one ? [one] : service is not null ? service.Ports.Select(known => known.Number) : [80, 443];
        return (service, [.. ports.Select(number => Way(new(world, ns, labels, host, number, scope, service?.PortNumbered(number)), service, sidecar))]);
    }

    private sealed record Call(World.World World, string Namespace, LabelSet Labels, string Host, int Port, Scope Scope, ServicePort? Known)
    {
        public AppProtocol Protocol => Known?.Protocol ?? (Port == 443 ? AppProtocol.Tls : Port == 80 ? AppProtocol.Http : AppProtocol.Auto);
    }

    private static EgressWay Way(Call call, MeshService? service, Sidecar? sidecar)
    {
        var hops = ImmutableArray.CreateBuilder<EgressHop>();
        var protocol = call.Protocol.ToString().ToUpperInvariant();
        var (by, gateways, at) = ("sidecar", (ImmutableArray<string>)["mesh"], call.Port);
        for (var hop = 0; hop < HopsMax; hop++)
        {
            var (rule, destination, end) = Next(call, by == "sidecar", gateways, at);
            if (end is not null) return new(call.Port, protocol, hops.ToImmutable(), end, false);
            if (destination is null)
            {
                if (hop > 0) return new(call.Port, protocol, hops.ToImmutable(), $"no VirtualService leads on from {by}: 404 or a closed connection", true);
                if (service is null || call.Known is null) return new(call.Port, protocol, [], Unknown(call, sidecar, out var refused), refused);
                destination = new(service.Host, "", call.Port);
            }
            var target = call.World.Registry.Find(destination.Host, call.Namespace) ?? ServiceOf(call.Scope, destination.Host);
            var number = destination.Port > 0 ? destination.Port : target is { Ports: [var only] } ? only.Number : at;
            var where = $"{destination.Host}:{number}{(destination.Subset.Length > 0 ? $" subset {destination.Subset}" : "")}";
            if (target is null) return new(call.Port, protocol, hops.ToImmutable(), $"{rule} leads to {where}, which nothing in the registry is: 503 or a closed connection", true);

            hops.Add(new(by, rule, where, Security(call, target, destination, number)));
            if (target.IsExternal || target.Source is not KubeService { Selector: { Count: > 0 } selector }) return new(call.Port, protocol, hops.ToImmutable(), Leaves(target, where), false);
            gateways = [.. call.World.Registry.Gateways.Where(gateway => gateway.Services.IsEmpty && gateway.Selector.Selects(selector) && Serves(gateway, call.Host, number)).Select(gateway => $"{gateway.Namespace}/{gateway.Name}")];
            if (gateways.IsEmpty)
                return target.Host == service?.Host ? new(call.Port, protocol, hops.ToImmutable(), $"stays in the mesh: {target.Host} is a Service", false)
                    : new(call.Port, protocol, hops.ToImmutable(), $"ends at {target.Host}: no Gateway there serves {call.Host} on port {number}", true);
            (by, at) = ($"{target.Host}, Gateway {string.Join(", ", gateways)}", number);
        }
        return new(call.Port, protocol, hops.ToImmutable(), $"goes in a circle: more than {HopsMax} hops", true);
    }

    private static bool Serves(Gateway gateway, string host, int port) =>
        gateway.Servers.Any(server => server.Port.Number == port && server.Hosts.Any(own => Hostnames.IsWithin(host, own[(own.IndexOf('/', StringComparison.Ordinal) + 1)..])));

    /// <summary>The name itself, else the closest wildcard.</summary>
    private static MeshService? ServiceOf(Scope scope, string host) =>
        scope.Find(host) ?? scope.Services.Where(service => Hostnames.IsWildcard(service.Host) && Hostnames.IsWithin(host, service.Host)).MaxBy(service => service.Host.Length);

    /// <returns>No destination where nothing speaks for the name; an end where the rule itself answers.</returns>
    private static (string Rule, Destination? Destination, string? End) Next(Call call, bool isSidecar, ImmutableArray<string> gateways, int at)
    {
        var context = new RouteContext(call.World.Mesh, call.Scope.Find, rule => null, [.. gateways], at, call.Labels, call.Namespace, !isSidecar);
        var rules = isSidecar ? call.Scope.Egress.SelectMany(egress => egress.VirtualServices) : call.World.Registry.VirtualServices;
        var speaking = rules.Distinct().Where(vs => vs.Hosts.Any(host => Hostnames.IsWithin(call.Host, host)))
            .OrderByDescending(vs => vs.Hosts.Where(host => Hostnames.IsWithin(call.Host, host)).Max(host => host.Length));
        foreach (var vs in speaking)
        {
            var name = $"VirtualService {vs.Namespace}/{vs.Name}";
            for (var i = 0; i < vs.Http.Length && (call.Protocol.IsHttpOrAuto() || !isSidecar); i++)
            {
                var rule = vs.Http[i];
                if (!rule.Match.IsEmpty && !rule.Match.Any(match => (match.Port == 0 || match.Port == at) && (match.Gateways.IsEmpty ? vs.Gateways.Any(gateways.Contains) : context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace)))) continue;
                if (rule.Match.IsEmpty && !vs.Gateways.Any(gateways.Contains)) continue;
                var told = $"{name} http[{i}]";
                if (rule.Redirect is not null) return (told, null, $"{told} answers with a redirect");
                if (rule.DirectResponse is { } direct) return (told, null, $"{told} answers {direct.Status} itself");
                if (rule.Route.MaxBy(share => share.Weight) is { } largest) return (told, largest.Destination, null);
            }
            foreach (var (list, word) in ((ImmutableArray<L4Rule>, string)[])[(vs.Tls, "tls"), (vs.Tcp, "tcp")])
                for (var i = 0; i < list.Length; i++)
                    if (Speaks(vs, list[i], word == "tls", call, context, gateways, at) && list[i].Route.MaxBy(share => share.Weight) is { } largest)
                        return ($"{name} {word}[{i}]", largest.Destination, null);
        }
        return ("", null, null);
    }

    private static bool Speaks(VirtualService vs, L4Rule rule, bool readsSni, Call call, RouteContext context, ImmutableArray<string> gateways, int at) =>
        rule.Match.IsEmpty ? !readsSni && vs.Gateways.Any(gateways.Contains) : rule.Match.Any(match =>
            (match.Port == 0 || match.Port == at)
            && (match.Gateways.IsEmpty ? vs.Gateways.Any(gateways.Contains) : context.Applies(match.Gateways, match.SourceLabels, match.SourceNamespace))
            && (!readsSni || match.SniHosts.Any(sni => Hostnames.IsWithin(call.Host, sni))));

    private static string Security(Call call, MeshService target, Destination destination, int port)
    {
        var rule = call.World.Registry.Rules.For(call.Namespace, call.Labels, target.Host, target.Namespace);
        var policy = EffectivePolicy.For(rule, rule?.Subsets.FirstOrDefault(subset => subset.Name == destination.Subset), port, call.World.Mesh);
        if (policy.Tls is not { } tls)
            return target.IsExternal ? "as the caller sent it" : call.World.Mesh.AutoMutualTls ? "mutual TLS of the mesh where the endpoint has a proxy" : "plain text";

        var by = $"DestinationRule {rule!.Namespace}/{rule.Name}";
        return tls.Mode switch
        {
            ClientTlsMode.Disable => $"as the caller sent it ({by}: DISABLE)",
            ClientTlsMode.IstioMutual => $"mutual TLS of the mesh ({by})",
            _ => $"TLS made here ({by}: {tls.Mode.ToString().ToUpperInvariant()}), SNI {(tls.Sni.Length > 0 ? tls.Sni : "the host")}, {Believed(tls)}",
        };
    }

    private static string Believed(ClientTls tls) => tls.InsecureSkipVerify == true ? "the server's certificate is not verified"
        : $"verified by {(tls.CredentialName.Length > 0 ? $"the secret {tls.CredentialName}" : tls.CaCertificates.Length > 0 ? tls.CaCertificates : "the system's roots")}"
            + (tls.SubjectAltNames.IsEmpty ? "" : $" as {string.Join(", ", tls.SubjectAltNames)}");

    private static string Leaves(MeshService target, string where) => target.Resolution switch
    {
        Resolution.Dns or Resolution.DnsRoundRobin => $"leaves the mesh to the addresses that DNS gives for {where}",
        Resolution.DynamicDns => $"leaves the mesh to the name in the request itself, by DNS ({where})",
        Resolution.OriginalDestination => $"leaves the mesh to the address that the caller chose ({where})",
        _ => $"leaves the mesh to the endpoints of {where}",
    };

    private static string Unknown(Call call, Sidecar? sidecar, out bool isRefused)
    {
        var mode = call.Scope.Outbound;
        var set = sidecar?.Outbound is not null ? $"Sidecar {sidecar.Namespace}/{sidecar.Name}" : "MeshConfig";
        isRefused = mode == OutboundMode.RegistryOnly;
        var known = ServiceOf(call.Scope, call.Host) is { } service ? $"{service.Host} has no port {call.Port} in the registry" : "nothing in the registry has this name";
        return isRefused
            ? $"refused: {known}, and outboundTrafficPolicy of {set} is REGISTRY_ONLY. HTTP gets 502, anything else a closed connection; counted in mesh_egress_refused_total{{host=\"{call.Host}\"}}. A ServiceEntry lets it out"
            : $"leaves the mesh as the caller sent it, to the address that the caller chose: {known}, and outboundTrafficPolicy of {set} is ALLOW_ANY (PassthroughCluster)";
    }
}
