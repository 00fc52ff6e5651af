using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>Gateways, listener sets and routes of the Gateway API to the mesh's own Gateways and VirtualServices, with the status of each.</summary>
internal static class ApiConversion
{
    public static ApiTranslation Build(ApiInputs inputs)
    {
        var listeners = ApiListeners.Of(inputs);
        var (hosts, mesh, l4, statuses) = (new SortedDictionary<string, HostRoutes>(StringComparer.Ordinal), new SortedDictionary<string, HostRoutes>(StringComparer.Ordinal), new List<VirtualService>(), new List<ApiRouteStatus>());
        foreach (var route in inputs.Routes)
            statuses.Add(ApiAttachment.Attach(route, listeners, inputs, hosts, mesh, l4));

        var routes = hosts.Values.Concat(mesh.Values).Select(host => host.Build()).Concat(l4);
        var ingress = Ingresses.Build(inputs);
        return new(
            [.. listeners.Select(listener => listener.Made).OfType<Gateway>(), .. ingress.Gateways], [.. routes, .. ingress.VirtualServices], BackendTls.Build(inputs),
            Statuses(listeners, inputs), [.. statuses]);
    }

    private static ImmutableArray<ApiGatewayStatus> Statuses(List<BoundListener> listeners, ApiInputs inputs)
    {
        var made = ImmutableArray.CreateBuilder<ApiGatewayStatus>();
        foreach (var group in listeners.GroupBy(listener => listener.Owner))
        {
            var all = group.ToList();
            var served = all.TrueForAll(listener => listener.Made is not null);
            var services = ApiListeners.ServicesOf(all[0].Parent, inputs.Mesh);
            var found = services.Any(inputs.Services.Contains);
            ImmutableArray<ApiCondition> conditions =
            [
                all.Exists(listener => listener.Made is not null)
                    ? new("Accepted", true, served ? "Accepted" : "ListenersNotValid", "Resource accepted")
                    : new("Accepted", false, "ListenersNotValid", "no listener can be served"),
                found
                    ? new("Programmed", true, "Programmed", "Resource programmed, assigned to service(s) " + string.Join(" and ", services.Where(inputs.Services.Contains)))
                    : new("Programmed", false, "AddressNotAssigned", $"no Service {string.Join(", ", services)} was found for the gateway"),
            ];
            made.Add(new(group.Key, conditions, [.. all.Select(listener => new ApiListenerStatus(
                listener.Listener.Name, listener.Attached.Count, [.. listener.Kinds.Select(kind => new RouteKind(ApiInputs.Group, kind))],
                [.. listener.Conditions]))], Addresses(services, inputs)));
        }
        return made.ToImmutable();
    }

    private static ImmutableArray<ApiAddress> Addresses(ImmutableArray<string> services, ApiInputs inputs) =>
    [
        .. services.SelectMany(host => inputs.Services[host]).Select(service => service.Source).OfType<KubeService>().SelectMany(service =>
            service.IngressAddresses.Concat(service.ExternalIps).DefaultIfEmpty($"{service.Name}.{service.Namespace}.svc.{inputs.Mesh.Domain}"))
            .Where(value => value.Length > 0).Distinct()
            .Select(value => new ApiAddress(System.Net.IPAddress.TryParse(value, out _) ? "IPAddress" : "Hostname", value)),
    ];
}

/// <summary>All rules that meet on one host of one listener (or of one service of the mesh), to be sorted together.</summary>
internal sealed class HostRoutes(string name, string ns, string host, string gateway, ImmutableArray<string> exportTo)
{
    private readonly List<ApiEntry> entries = [];

    public void Add(IEnumerable<ApiEntry> more) => entries.AddRange(more);

    public VirtualService Build()
    {
        entries.Sort(ApiEntry.ByPrecedence);
        var oldest = entries.MinBy(entry => entry.Route.Meta.Created)!.Route.Meta;
        return new(oldest with { Group = "networking.istio.io", Kind = "VirtualService", Namespace = ns, Name = name })
        {
            Hosts = [host],
            Gateways = [gateway],
            ExportTo = exportTo,
            Semantics = RouteSemantics.Gateway,
            Http = [.. entries.Select(entry => entry.Rule)],
            Tls = [],
            Tcp = [],
        };
    }
}
