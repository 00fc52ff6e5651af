using Mesh.Model.Resources;

namespace Mesh.ControlPlane.Serve;

/// <summary>A resource came, changed or went. Sources say it; the feed makes a new World of it.</summary>
public sealed record ResourceEvent(ResourceKey Key, Resource? Resource)
{
    public static ResourceEvent Applied(Resource resource) => new(resource.Meta.Key, resource);

    public static ResourceEvent Deleted(ResourceKey key) => new(key, null);

    /// <summary>Where pods are, rather than what is to be done with traffic: not worth waiting for more of the kind.</summary>
    public bool IsAboutEndpoints => Key.Kind is "EndpointSlice" or "Endpoints" or "Pod" or "WorkloadEntry";
}
