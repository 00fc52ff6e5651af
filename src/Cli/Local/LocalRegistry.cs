using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Cli.Local;

/// <summary>The meshes that run on this machine, each a file that lists its proxies' admin addresses. So the other verbs find them.</summary>
internal sealed class LocalRegistry : IDisposable
{
    private static readonly string Folder = Path.Combine(
        Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime ? runtime : Path.GetTempPath(), $"meshctl-{Environment.UserName}");

    private readonly string file = Path.Combine(Folder, $"{Environment.ProcessId}.json");

    /// <param name="controlPlane">Where the control plane answers /debug and /version.</param>
    /// <param name="folder">The YAML that it serves.</param>
    public void Write(string controlPlane, string folder, IEnumerable<Workload> workloads)
    {
        Directory.CreateDirectory(Folder);
        var proxies = new JsonObject(workloads.Select(w => KeyValuePair.Create($"{w.Name}.{w.Namespace}", (JsonNode?)$"{w.Address}:15000")));
        File.WriteAllText(file, new JsonObject { ["controlPlane"] = controlPlane, ["folder"] = Path.GetFullPath(folder), ["proxies"] = proxies }.ToJsonString());
    }

    public void Dispose() => File.Delete(file);

    /// <param name="pod">[type/]name[.namespace]; the type is not looked at.</param>
    /// <returns>host:port of its admin server, or null.</returns>
    public static string? Find(string pod, string space)
    {
        var name = pod[(pod.IndexOf('/', StringComparison.Ordinal) + 1)..];
        foreach (var mesh in Meshes())
            foreach (var (known, address) in (mesh["proxies"] as JsonObject) ?? [])
            {
                if (known == name || known == $"{name}.{space}" || (space.Length == 0 && known.StartsWith(name + ".", StringComparison.Ordinal))) return address?.ToString();
            }
        return null;
    }

    /// <summary>Where the newest mesh's control plane answers, or null when none runs.</summary>
    public static string? ControlPlane() => Meshes().Select(mesh => mesh["controlPlane"]?.ToString()).FirstOrDefault(address => address is not null);

    /// <summary>The YAML of the newest mesh, or null when none runs.</summary>
    public static string? YamlFolder() => Meshes().Select(mesh => mesh["folder"]?.ToString()).FirstOrDefault(Directory.Exists);

    /// <summary>The proxies of the newest mesh: name.namespace, and host:port of the admin server.</summary>
    public static IEnumerable<(string Name, string Address)> Proxies() =>
        ((Meshes().FirstOrDefault()?["proxies"] as JsonObject) ?? []).Select(proxy => (proxy.Key, proxy.Value?.ToString() ?? ""));

    private static IEnumerable<JsonObject> Meshes()
    {
        if (!Directory.Exists(Folder)) yield break;

        foreach (var file in Directory.EnumerateFiles(Folder, "*.json").OrderByDescending(File.GetLastWriteTimeUtc))
        {
            // A mesh that was killed leaves its file: its number belongs to no process any more.
            if (!Directory.Exists($"/proc/{Path.GetFileNameWithoutExtension(file)}")) continue;
            if (Read(file) is { } mesh) yield return mesh;
        }
    }

    private static JsonObject? Read(string file)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(file)) as JsonObject;
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return null;
        }
    }
}
