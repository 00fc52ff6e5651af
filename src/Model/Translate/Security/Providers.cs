using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>The cluster behind the service that a MeshConfig provider names.</summary>
internal static class Providers
{
    /// <summary><c>host</c> or <c>namespace/host</c>; null when no such service is in the registry.</summary>
    public static (string Cluster, string Host)? ClusterOf(ExtensionProvider provider, View view)
    {
        var slash = provider.Service.IndexOf('/', StringComparison.Ordinal);
        var host = slash < 0 ? provider.Service : provider.Service[(slash + 1)..];
        var service = view.World.Registry.Services.FirstOrDefault(service =>
            service.Host == host && (slash < 0 || service.Namespace == provider.Service[..slash]));
        return service is null ? null : (Names.Outbound(provider.Port, "", service.Host), service.Host);
    }
}
