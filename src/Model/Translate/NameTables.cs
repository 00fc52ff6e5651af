using Istio.Networking.Nds.V1;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Everything that can change the name table of the services in a scope.</summary>
internal sealed record NamesKey(MeshConfig Mesh, Seen Seen, object EndpointIdentity);

/// <summary>Istio's name table (NDS): what a proxy that answers DNS for its pod says to names of the mesh.</summary>
internal static class NameTables
{
    public const string Name = "nds";

    public static ResourceSet Build(View view, Parts parts, ResourceSet? before)
    {
        if (!view.Shape.AnswersDns) return ResourceSet.Empty(TypeUrl.NameTable);
        var key = new NamesKey(view.Mesh, view.Scope.Seen, view.World.EndpointIdentity);
        return ResourceSet.Of(TypeUrl.NameTable, [parts.NameTables.Get(key, _ => NamedResource.Of(Name, Table(view)))], before);
    }

    private static NameTable Table(View view)
    {
        var table = new NameTable();
        foreach (var service in view.Scope.Services.OrderBy(service => service.Host, StringComparer.Ordinal))
        {
            if (service.Resolution == Resolution.Alias) continue;
            var addresses = Addresses(view, service).Distinct().ToList();
            if (addresses.Count == 0) continue;
            Add(table, service, service.Host, addresses, view);
            if (service is not { IsHeadless: true, IsKubernetes: true }) continue;
            foreach (var endpoint in service.Ports.SelectMany(port => view.World.EndpointsOf(service).For(port.Number)).Where(endpoint => endpoint.Hostname.Length > 0).DistinctBy(endpoint => endpoint.Hostname))
                Add(table, service, $"{endpoint.Hostname}.{service.Host}", [endpoint.Address], view);
        }
        return table;
    }

    private static void Add(NameTable table, MeshService service, string host, List<string> addresses, View view)
    {
        var info = new NameTable.Types.NameInfo { Registry = service.IsKubernetes ? "Kubernetes" : "External" };
        info.Ips.Add(addresses);
        if (service.IsKubernetes)
        {
            info.Namespace = service.Namespace;
            info.Shortname = host.EndsWith($".{service.Namespace}.svc.{view.Mesh.Domain}", StringComparison.Ordinal)
                ? host[..^$".{service.Namespace}.svc.{view.Mesh.Domain}".Length] : "";
        }
        table.Table[host] = info;
    }

    private static IEnumerable<string> Addresses(View view, MeshService service)
    {
        foreach (var address in service.Addresses)
            if (!address.Contains('/', StringComparison.Ordinal)) yield return address;
        if (service.Addresses.IsEmpty && service.AutoAddress.Length > 0) yield return service.AutoAddress;
        if (service is not { IsHeadless: true, IsKubernetes: true }) yield break;
        foreach (var port in service.Ports)
            foreach (var endpoint in view.World.EndpointsOf(service).For(port.Number)) yield return endpoint.Address;
    }
}
