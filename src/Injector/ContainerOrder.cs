using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Kubernetes starts containers in the order of the list; who stands where decides what works during the start.</summary>
internal static class ContainerOrder
{
    public static void Apply(JsonObject pod, JsonObject original, InjectorSettings settings)
    {
        var hold = ProxyConfig.OfMeshAndAnnotation(original, settings).HoldApplicationUntilProxyStarts
            || settings.Values.At("global", "proxy", "holdApplicationUntilProxyStarts").IsTrue();
        var spec = (JsonObject)pod["spec"]!;

        // Last, so that `kubectl exec` goes to the application; first, when the application must wait for the proxy.
        Move(spec["containers"], ContainerNames.Proxy, first: hold);
        if (spec["initContainers"].Named(ContainerNames.Proxy) is not null)
        {
            // The proxy runs already: the user's init containers are in the mesh.
            foreach (var name in (string[])[ContainerNames.CoreDump, ContainerNames.Proxy, ContainerNames.Validation, ContainerNames.Init])
                Move(spec["initContainers"], name, first: true);
        }
        else
        {
            // No proxy yet: redirection comes last, or the user's init containers would talk to nobody.
            Move(spec["initContainers"], ContainerNames.Validation, first: true);
            Move(spec["initContainers"], ContainerNames.Init, first: false);
            Move(spec["initContainers"], ContainerNames.CoreDump, first: false);
        }
    }

    private static void Move(JsonNode? containers, string name, bool first)
    {
        if (containers.Named(name) is not { } container) return;

        var list = (JsonArray)containers!;
        list.Remove(container);
        list.Insert(first ? 0 : list.Count, container);
    }
}
