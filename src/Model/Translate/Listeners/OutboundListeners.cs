using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Listener.V3;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>
/// What a sidecar does with connections that leave its pod: one listener for each HTTP port, one for each address and TCP port, and the one that catches the rest.
/// </summary>
internal static class OutboundListeners
{
    private const string Anywhere = "0.0.0.0";

    /// <returns>The listeners, and the route tables that they ask for.</returns>
    public static (List<Listener> Listeners, List<RouteNeed> Routes) Build(View view, Observation observed)
    {
        var drafts = new Dictionary<string, Draft>();
        var order = new List<Draft>();
        Draft At(string address, int port, Func<Draft> make)
        {
            var name = Names.Listener(address, port);
            if (drafts.TryGetValue(name, out var known)) return known;
            var made = make();
            drafts[name] = made;
            order.Add(made);
            return made;
        }

        foreach (var egress in view.Scope.Egress)
        {
            var bound = egress.Listener is { Bind.Length: > 0 } listener ? listener.Bind : null;
            if (egress.IsHttpProxy)
            {
                var at = bound ?? "127.0.0.1";
                At(at, egress.Port, () => new(at, egress.Port, egress) { Binds = true }).Http($"{egress.Port}");
                continue;
            }
            foreach (var service in egress.Services)
                foreach (var port in service.Ports)
                {
                    if (port.Protocol == AppProtocol.Udp || service.Resolution == Resolution.Alias) continue;
                    var number = egress.Port > 0 ? egress.Port : port.Number;
                    if (egress.Port > 0 && port.Number != number && service.Ports.Length > 1) continue;
                    if (port.Protocol.IsHttp())
                        At(bound ?? Anywhere, number, () => new(bound ?? Anywhere, number, egress) { Binds = bound is not null }).Http(Names.HostAndPort("", number)[1..]);
                    else
                        foreach (var (address, cidrs) in AddressesOf(view, service, port, bound))
                            At(address, number, () => new(address, number, egress) { Binds = bound is not null }).Service(view, egress, service, port, cidrs, observed);
                }
        }
        var listeners = order.Select(draft => draft.Build(view, observed)).OfType<Listener>().ToList();
        if (view.Shape.IsCaptured) listeners.Add(CatchRest(view, observed));
        return (listeners, [.. order.Where(draft => draft.Route is not null).Select(draft => draft.Route!)]);
    }

    private static IEnumerable<(string Address, ImmutableArray<string> Cidrs)> AddressesOf(View view, MeshService service, ServicePort port, string? bound)
    {
        if (bound is not null) return [(bound, [])];
        if (service.IsHeadless && service.IsKubernetes)
            return view.World.EndpointsOf(service).For(port.Number).Select(endpoint => endpoint.Address).Distinct().Select(address => (address, ImmutableArray<string>.Empty));

        var blocks = service.Addresses.Where(address => address.Contains('/', StringComparison.Ordinal)).ToImmutableArray();
        var single = service.Addresses.Where(address => !address.Contains('/', StringComparison.Ordinal)).ToList();
        if (single.Count == 0 && view.Shape.AnswersDns && service.AutoAddress.Length > 0) single.Add(service.AutoAddress);
        if (single.Count == 0) return [(Anywhere, blocks)];
        var all = single.Select(address => (address, ImmutableArray<string>.Empty));
        return blocks.IsEmpty ? all : all.Append((Anywhere, blocks));
    }

    /// <summary>15001, where the capture rules lead: finds the listener of the original destination, or lets the connection through.</summary>
    private static Listener CatchRest(View view, Observation observed)
    {
        var rest = Names.Rest(view.Scope);
        var listener = new Listener
        {
            Name = Names.VirtualOutbound,
            Address = Protos.Address(Anywhere, 15001),
            UseOriginalDst = true,
            TrafficDirection = TrafficDirection.Outbound,
            FilterChains =
            {
                // A connection that was meant for 15001 itself would come back for ever.
                new FilterChain
                {
                    Name = "virtualOutbound-blackhole",
                    FilterChainMatch = new() { DestinationPort = 15001 },
                    Filters = { TcpProxies.To(Names.BlackHole, []) },
                },
                new FilterChain { Name = "virtualOutbound-catchall-tcp", Filters = { TcpProxies.To(rest, observed.Logs) } },
            },
        };
        listener.AccessLog.Add(observed.ListenerLogs);
        return listener;
    }
}

/// <summary>A route table that some listener asks for.</summary>
internal sealed record RouteNeed(string Name, int Port, EgressScope Egress, MeshService? Only);
