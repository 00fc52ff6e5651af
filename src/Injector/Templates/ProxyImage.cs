namespace Mesh.Injector;

/// <summary>hub/image:tag, with the type of image ("debug", "distroless") as the tag's ending.</summary>
internal static class ProxyImage
{
    public static string ForProxy(PodFacts pod) => Url(pod, "proxy", pod.ProxyConfig.ImageType);

    public static string ForInit(PodFacts pod) => Url(pod, "proxy_init", null);

    private static string Url(PodFacts pod, string key, string? imageType)
    {
        var image = PodFacts.FirstNonEmpty(pod.Text("global", key, "image"), "proxyv2");
        // A name with a slash is a whole reference; the annotation may name one.
        var wished = pod.Annotation("sidecar.istio.io/proxyImage", image);
        if (wished.Contains('/', StringComparison.Ordinal)) return wished;

        var type = pod.Annotations.TryGetValue("sidecar.istio.io/proxyImageType", out var annotated) ? annotated
            : PodFacts.FirstNonEmpty(imageType, pod.Text("global", "variant"));
        return $"{pod.Text("global", "hub")}/{image}:{Tag(pod.Text("global", "tag") ?? "", type)}";
    }

    private static string Tag(string tag, string type)
    {
        if (type.Length == 0) return tag;

        var known = Array.Find(["-distroless", "-debug"], ending => tag.EndsWith(ending, StringComparison.Ordinal));
        var plain = known is null ? tag : tag[..^known.Length];
        return type == "default" ? plain : $"{plain}-{type}";
    }
}
