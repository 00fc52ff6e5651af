using System.Text.Json.Nodes;
using Mesh.Injector.GoTemplates;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>A template that a user added (values sidecarInjectorWebhook.templates): Istio's names and functions, rendered to a piece of a pod.</summary>
internal static class CustomTemplate
{
    private const int TextCharsMax = 200_000;

    public static (JsonObject? Layer, string? Problem) Render(string name, string text, PodFacts pod)
    {
        if (text.Length > TextCharsMax) return (null, $"template \"{name}\" is longer than {TextCharsMax} characters");
        try
        {
            var yaml = GoTemplate.Parse(text).Render(Data(pod), new InjectionFunctions());
            return pod.Settings.ReadYaml(yaml) switch
            {
                JsonObject layer => (layer, null),
                null => (new JsonObject(), null),
                _ => (null, $"template \"{name}\" does not render to a map of pod fields"),
            };
        }
        catch (FormatException e)
        {
            return (null, $"template \"{name}\": {e.Message}");
        }
    }

    private static JsonObject Data(PodFacts pod)
    {
        var metadata = pod.Pod.At("metadata");
        return Map(
            ("TypeMeta", Map(("Kind", pod.Owner.Kind), ("APIVersion", pod.Owner.ApiVersion))),
            ("DeploymentMeta", Map(("Name", pod.Owner.Name), ("Namespace", pod.Namespace))),
            ("ObjectMeta", metadata?.DeepClone() ?? new JsonObject()),
            ("Spec", pod.Spec.DeepClone()),
            ("ProxyConfig", pod.ProxyConfig.Fields()),
            ("MeshConfig", Overlay.Of(Map(("TrustDomain", "cluster.local"), ("RootNamespace", "istio-system"), ("ProxyListenPort", 15001), ("ProxyInboundListenPort", 15006)), pod.Settings.MeshConfig)),
            ("Values", pod.Settings.Values.DeepClone()),
            ("Revision", pod.Settings.Revision),
            ("NativeSidecars", pod.NativeByDefault),
            ("ProxyImage", ProxyImage.ForProxy(pod)),
            ("ProxyInitImage", ProxyImage.ForInit(pod)),
            ("ProxyUID", pod.Ids.User),
            ("ProxyGID", pod.Ids.Group),
            ("InboundTrafficPolicyMode", pod.Settings.MeshConfig.At("inboundTrafficPolicy", "mode").Text() == "LOCALHOST" ? "localhost" : "passthrough"),
            ("CompliancePolicy", ""));
    }

    /// <summary>Istio's templates name Go's fields (ObjectMeta.Labels, Container.Name, GetValue): the same thing in JSON begins with a small letter.</summary>
    private sealed class InjectionFunctions : TemplateFunctions
    {
        public override JsonNode? Field(JsonNode? value, string name)
        {
            if (name is "GetValue" or "String") return value;
            if (value is not JsonObject map || map.ContainsKey(name)) return base.Field(value, name);
            if (name.StartsWith("Get", StringComparison.Ordinal) && name.Length > 3) return Field(value, name[3..]);
            return map[char.ToLowerInvariant(name[0]) + name[1..]];
        }

        public override JsonNode? Call(string name, IReadOnlyList<JsonNode?> a) => name switch
        {
            "annotation" => Field(a[0], "Annotations") is JsonObject annotations && annotations.ContainsKey(Print(a[1])) ? annotations[Print(a[1])] : Print(a[2]),
            "indent" => Indent((int)Number(a[0]), Print(a[1]), firstToo: false), // Istio's own: the first line stands where it is
            "env" => a[1], // the control plane's environment is not for templates
            "excludeInboundPort" => Print(a[0]) is "" or "0" || Print(a[1]).Split(',').Contains(Print(a[0])) ? a[1]
                : string.Join(',', [.. Print(a[1]).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries), Print(a[0])]),
            "applicationPorts" or "includeInboundPorts" => string.Join(',', a[0].Objects()
                .Where(container => name == "includeInboundPorts" || container["name"].Text() != ContainerNames.Proxy)
                .SelectMany(container => container["ports"].Objects()).Where(port => port["protocol"].Text() is not ("UDP" or "SCTP")).Select(port => port["containerPort"].Text())),
            "kubevirtInterfaces" or "excludeInterfaces" => a[0],
            _ => base.Call(name, a),
        };
    }
}
