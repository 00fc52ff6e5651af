using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <summary>Values over values, as charts do it: maps merge by key, everything else is replaced; null takes a default away.</summary>
public static class Overlay
{
    public static void Onto(JsonObject target, JsonObject over)
    {
        foreach (var (key, value) in over)
        {
            if (value is JsonObject map)
            {
                if (target[key] is JsonObject existing) Onto(existing, map);
                else
                {
                    var made = new JsonObject();
                    Onto(made, map);
                    target[key] = made;
                }
            }
            else if (value is null) target.Remove(key);
            else target[key] = value.DeepClone();
        }
    }

    /// <summary>One layer over another that is itself to be laid over something: a null stays, since it takes away what lies below both.</summary>
    public static void Stack(JsonObject target, JsonObject over)
    {
        foreach (var (key, value) in over)
        {
            if (value is JsonObject map && target[key] is JsonObject existing) Stack(existing, map);
            else target[key] = value?.DeepClone();
        }
    }

    public static JsonObject Of(params ReadOnlySpan<JsonObject?> layers)
    {
        var merged = new JsonObject();
        foreach (var layer in layers)
            if (layer is not null) Onto(merged, layer);
        return merged;
    }
}
