using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>Gateways, listener sets and routes of the Gateway API to the mesh's own Gateways and VirtualServices, with the status of each.</summary>
internal static class ApiConversion
{
    public static ApiTranslation Build(ApiInputs inputs)
    {
        var owners = ApiListeners.Of(inputs);
        var listeners = owners.SelectMany(owner => owner.Listeners).ToList();
        var (hosts, mesh, l4, statuses) = (new SortedDictionary<string, HostRoutes>(StringComparer.Ordinal), new SortedDictionary<string, HostRoutes>(StringComparer.Ordinal), new List<VirtualService>(), new List<ApiRouteStatus>());
        foreach (var route in inputs.Routes)
            if (ApiAttachment.Attach(route, owners, inputs, hosts, mesh, l4) is { Parents.IsEmpty: false } status) statuses.Add(status);

        var routes = hosts.Values.Concat(mesh.Values).Select(host => host.Build()).Concat(l4);
        var ingress = Ingresses.Build(inputs);
        var backends = BackendTls.Build(inputs, statuses);
        return new(
            [.. listeners.Select(listener => listener.Made).OfType<Gateway>(), .. ingress.Gateways], [.. routes, .. ingress.VirtualServices], backends.Rules,
            [.. owners.Select(owner => OwnerStatus.Of(owner, owners, inputs))], [.. statuses])
        {
            PolicyStatuses = backends.Statuses,
        };
    }
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
