using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Model.Translate;

/// <summary>Where the hosts of a VirtualService and those of a Gateway's server meet.</summary>
internal static class GatewayHosts
{
    public static IEnumerable<string> Meeting(BoundServer server, VirtualService vs)
    {
        var met = new List<string>();
        foreach (var host in vs.Hosts)
            foreach (var pattern in server.Server.Hosts)
            {
                var slash = pattern.IndexOf('/', StringComparison.Ordinal);
                if (slash >= 0 && !AllowsNamespace(pattern[..slash], server.Gateway.Namespace, vs.Namespace)) continue;
                var name = pattern[(slash + 1)..];
                var common = Hostnames.IsWithin(host, name) ? host : Hostnames.IsWithin(name, host) ? name : null;
                if (common is not null && !met.Contains(common)) met.Add(common);
            }
        return met;
    }

    private static bool AllowsNamespace(string ns, string gatewayNamespace, string routeNamespace) =>
        ns == "*" || ns == routeNamespace || ns == "." && routeNamespace == gatewayNamespace;
}
