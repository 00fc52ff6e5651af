using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>
/// A user may write a container named istio-proxy (or istio-init) of their own: its fields win over the template's.
/// They are kept in an annotation, so that a second injection knows them from ours.
/// </summary>
internal static class UserContainers
{
    private const string Annotation = "proxy.istio.io/overrides";
    private const string AutoImage = "auto"; // an image is required; this one says "yours"

    public static JsonObject? SavedIn(JsonObject pod) => JsonReading.TryParse(pod.At("metadata", "annotations", Annotation).Text()) as JsonObject;

    public static JsonObject Reapply(JsonObject merged, JsonObject original, JsonObject template, PodFacts facts)
    {
        var saved = SavedIn(original);
        var status = InjectionStatus.Of(original);
        var overrides = new JsonObject();

        foreach (var (key, injected) in ((string, IEnumerable<string>)[])[("containers", status?.Containers ?? []), ("initContainers", status?.InitContainers ?? [])])
            foreach (var container in template.At("spec", key).Objects())
            {
                var name = container["name"].Text()!;
                if (injected.Contains(name)) continue; // ours from last time: the template's new form stands

                var own = saved.At(key).Named(name) ?? original.At("spec", "containers").Named(name);
                if (key == "initContainers") own ??= original.At("spec", key).Named(name);
                if (own is null) continue;

                var overlay = Overlay(own);
                overrides.ListAt(key).AddNode(overlay);
                merged = StrategicMerge.Merge(merged, new JsonObject { ["spec"] = new JsonObject { [key] = new JsonArray(overlay.DeepClone()) } });
            }

        // An annotation that cannot be read was an injection too: it must not be overwritten with what we cannot tell apart.
        var injectedBefore = original.At("metadata", "annotations", InjectionStatus.Annotation) is not null;
        if (!injectedBefore && overrides.Count > 0) merged.MapAt("metadata").MapAt("annotations")[Annotation] = overrides.Compact();

        if (Proxy(original) is { } userProxy) UseIdsOf(userProxy, merged, facts);
        return merged;
    }

    public static JsonObject? Proxy(JsonObject pod) =>
        pod.At("spec", "containers").Named(ContainerNames.Proxy) ?? pod.At("spec", "initContainers").Named(ContainerNames.Proxy);

    private static JsonObject Overlay(JsonObject own)
    {
        var overlay = own.Copy();
        if (overlay["image"].Text() == AutoImage) overlay.Remove("image");
        overlay["resources"] = ProxyContainer.Canonical(overlay.MapAt("resources"));
        return overlay;
    }

    /// <summary>The redirection must know the user's own uid for the proxy, or it would catch the proxy's traffic too.</summary>
    private static void UseIdsOf(JsonObject userProxy, JsonObject pod, PodFacts facts)
    {
        var user = userProxy.At("securityContext", "runAsUser").Integer();
        var group = userProxy.At("securityContext", "runAsGroup").Integer();
        if (user is null && group is null) return;

        var init = pod.At("spec", "initContainers").Named(ContainerNames.Init) ?? pod.At("spec", "initContainers").Named(ContainerNames.Validation);
        if (init is null) return;

        var tproxy = facts.ProxyConfig.InterceptionMode == "TPROXY" || pod.At("metadata", "annotations", "sidecar.istio.io/interceptionMode").Text() == "TPROXY";
        // With TPROXY the proxy needs root, whatever the user wrote.
        if (tproxy && user is not null) Proxy(pod)!.MapAt("securityContext")["runAsUser"] = 0;
        if (!tproxy && init["name"].Text() == ContainerNames.Validation)
        {
            if (user is not null) init.MapAt("securityContext")["runAsUser"] = user;
            if (group is not null) init.MapAt("securityContext")["runAsGroup"] = group;
        }

        if (user is null or 0 || init["args"] is not JsonArray args) return;
        for (var i = 0; i + 1 < args.Count; i++)
            if (args[i].Text() == "-u")
            {
                args[i + 1] = $"{user}";
                return;
            }
    }
}
