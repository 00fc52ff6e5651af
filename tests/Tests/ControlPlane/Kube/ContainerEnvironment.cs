using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mesh.Injector;
using Mesh.Kube;

namespace Mesh.Tests.ControlPlane.Kube;

/// <summary>A container's variables as a kubelet gives them: plain values, the pod's own fields, and $(NAME) put in.</summary>
internal sealed partial class ContainerEnvironment
{
    private readonly Dictionary<string, string> values = new(StringComparer.Ordinal);

    public ContainerEnvironment(JsonObject pod, JsonObject container)
    {
        foreach (var variable in container["env"].Objects()) values[variable["name"].Text()!] = Expand(variable["value"].Text() ?? Field(pod, variable));
    }

    public IReadOnlyDictionary<string, string> Values => values;

    public string Expand(string text) => Variable().Replace(text, match => values.GetValueOrDefault(match.Groups[1].Value, match.Value));

    private static string Field(JsonObject pod, JsonObject variable) => variable.At("valueFrom", "fieldRef", "fieldPath").Text() switch
    {
        null => "2", // of the container's resources: processors
        "metadata.name" => pod.At("metadata", "name").Text()!,
        "metadata.namespace" => pod.At("metadata", "namespace").Text()!,
        "spec.serviceAccountName" => pod.At("spec", "serviceAccountName").Text()!,
        "status.podIP" => pod.At("status", "podIP").Text()!,
        "status.hostIP" => pod.At("status", "hostIP").Text() ?? "10.0.0.1",
        _ => "node-1",
    };

    [GeneratedRegex(@"\$\((\w+)\)")]
    private static partial Regex Variable();
}
