using System.Text.Json;
using Mesh.Kube;

namespace Mesh.ControlPlane.Kube;

/// <summary>One watch, two who listen.</summary>
internal sealed class TwoSinks(IKubeSink first, IKubeSink second) : IKubeSink
{
    public void Replace(IReadOnlyList<JsonElement> objects)
    {
        first.Replace(objects);
        second.Replace(objects);
    }

    public void Changed(JsonElement item)
    {
        first.Changed(item);
        second.Changed(item);
    }

    public void Deleted(JsonElement item)
    {
        first.Deleted(item);
        second.Deleted(item);
    }

    public void Trouble(string sentence) => first.Trouble(sentence); // one sentence is enough

    public void Heard() => first.Heard();
}
