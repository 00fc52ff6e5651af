using System.Text.Json;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// ConfigMaps of other namespaces than our own, as far as they can be named by a BackendTLSPolicy or a Gateway: those that hold authorities or
/// settings of a gateway. All others are let go unread, and the maps that stand alike in every namespace are not even asked for.
/// </summary>
internal sealed class AuthorityMaps(IKubeSink store) : IKubeSink
{
    private static readonly string[] Keys = ["ca.crt", "deployment", "service", "serviceAccount", "horizontalPodAutoscaler", "podDisruptionBudget"];

    public static string Selector(string ownNamespace) =>
        $"fieldSelector=metadata.namespace%21%3D{ownNamespace}%2Cmetadata.name%21%3Dkube-root-ca.crt%2Cmetadata.name%21%3Distio-ca-root-cert";

    public void Replace(IReadOnlyList<JsonElement> objects) => store.Replace([.. objects.Where(IsOfUse)]);

    public void Changed(JsonElement item)
    {
        if (IsOfUse(item)) store.Changed(item);
        else store.Deleted(item);
    }

    public void Deleted(JsonElement item) => store.Deleted(item);

    public void Trouble(string sentence) => store.Trouble(sentence);

    public void Heard() => store.Heard();

    private static bool IsOfUse(JsonElement item) =>
        item.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object && Array.Exists(Keys, key => data.TryGetProperty(key, out _));
}
