using System.Collections.Immutable;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>One port of the workload itself: what it speaks, for which services, and where the application listens.</summary>
/// <param name="Endpoint">A Sidecar's default endpoint; empty for the address that the caller meant.</param>
internal sealed record InboundTarget(int Port, AppProtocol Protocol, ImmutableArray<(MeshService Service, ServicePort Port)> Services, string Endpoint)
{
    public ConnectionPool? Pool { get; init; }
    public ServerTls? Tls { get; init; }
    public string Bind { get; init; } = "";

    /// <summary>It is reached at a port of its own, not by redirection to 15006.</summary>
    public bool IsBound { get; init; }

    public string Cluster => Names.Inbound(Port);
}

internal static class InboundTargets
{
    /// <summary>A Sidecar's ingress listeners where it has some, else the target ports of the services that select the workload.</summary>
    public static ImmutableArray<InboundTarget> Of(View view)
    {
        var sidecar = view.Scope.Sidecar;
        var own = ServicesOf(view);
        if (sidecar is { Ingress.IsEmpty: false })
            return [.. sidecar.Ingress.Select(listener => new InboundTarget(
                listener.Port.Number, AppProtocols.Parse(listener.Port.Protocol), Behind(view, own, listener.Port.Number), Endpoint(listener, view.Shape))
            {
                Pool = listener.Pool ?? sidecar.InboundPool,
                Tls = listener.Tls,
                Bind = listener.Bind,
                IsBound = listener.CaptureMode == "NONE" || (listener.CaptureMode == "DEFAULT" && !view.Shape.IsCaptured),
            })];

        var targets = new SortedDictionary<int, InboundTarget>();
        foreach (var (service, port, target) in own)
        {
            if (targets.TryGetValue(target, out var known)) targets[target] = known with { Services = known.Services.Add((service, port)) };
            else targets[target] = new(target, port.Protocol, [(service, port)], "") { Pool = sidecar?.InboundPool ?? PoolFor(view, service, port), IsBound = !view.Shape.IsCaptured };
        }
        return [.. targets.Values];
    }

    /// <summary>0.0.0.0 is the workload's own address; with the captured port that is where the caller was going anyway.</summary>
    private static string Endpoint(SidecarIngress listener, ProxyShape shape)
    {
        if (!NamesOwnAddress(listener)) return listener.DefaultEndpoint;

        var port = listener.DefaultEndpoint[(listener.DefaultEndpoint.LastIndexOf(':') + 1)..];
        return shape.IsCaptured && port == $"{listener.Port.Number}" ? "" : $"{(shape.Ip.Contains(':', StringComparison.Ordinal) ? $"[{shape.Ip}]" : shape.Ip)}:{port}";
    }

    public static bool NamesOwnAddress(SidecarIngress listener) =>
        listener.DefaultEndpoint.StartsWith("0.0.0.0:", StringComparison.Ordinal) || listener.DefaultEndpoint.StartsWith("[::]:", StringComparison.Ordinal);

    /// <summary>By target port, or by what the workload's own entry says that callers are to use.</summary>
    private static ImmutableArray<(MeshService, ServicePort)> Behind(View view, List<(MeshService Service, ServicePort Port, int Target)> own, int number) =>
        [.. own.Where(item => item.Target == number || NamedTarget(view, item.Service, item.Port) == number).Select(item => (item.Service, item.Port))];

    /// <summary>Services whose selector takes the workload's labels, oldest first, with the port its container listens on.</summary>
    private static List<(MeshService Service, ServicePort Port, int Target)> ServicesOf(View view)
    {
        var found = new List<(MeshService, ServicePort, int)>();
        foreach (var service in view.World.Registry.Services)
        {
            if (service.Namespace != view.Shape.Namespace) continue;
            var selector = service.Source is KubeService kube ? kube.Selector : ((ServiceEntry)service.Source).Selector;
            if (selector is not { Count: > 0 } || !selector.Selects(view.Shape.Labels)) continue;
            foreach (var port in service.Ports)
            {
                if (port.Protocol == AppProtocol.Udp) continue;
                var target = port.Target > 0 ? port.Target : NamedTarget(view, service, port);
                if (target > 0) found.Add((service, port, target));
            }
        }
        return found;
    }

    /// <summary>A target port given by name is what the endpoints of this kind of workload say it is.</summary>
    private static int NamedTarget(View view, MeshService service, ServicePort port)
    {
        foreach (var endpoint in view.World.EndpointsOf(service).For(port.Number))
            if (endpoint.Labels.Equals(view.Shape.Labels)) return endpoint.Port;
        return view.World.EndpointsOf(service).For(port.Number) is [var any, ..] ? any.Port : 0;
    }

    /// <summary>Istio applies the connection pool of a service's own DestinationRule on the server's side too.</summary>
    private static ConnectionPool? PoolFor(View view, MeshService service, ServicePort port) =>
        EffectivePolicy.For(view.RuleFor(service), null, port.Number, view.Mesh).ConnectionPool;
}
