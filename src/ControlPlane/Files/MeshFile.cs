using Mesh.ControlPlane.Serve;
using Mesh.Model.Resources;

namespace Mesh.ControlPlane.Files;

/// <summary>MeshConfig from a file. A file that cannot be used at start ends the start; later, the former settings stay.</summary>
internal sealed class MeshFile(Options options, WorldFeed feed, ILogger<MeshFile> log)
{
    private string? text;

    /// <exception cref="InvalidDataException">Names what cannot be read.</exception>
    public void Load()
    {
        if (options.MeshFile is not { } file)
        {
            feed.SubmitMesh(MeshConfig.Default);
            return;
        }
        text = File.ReadAllText(file);
        feed.SubmitMesh(MeshConfig.Parse(text, file, out var issues) ?? throw new InvalidDataException(string.Join("; ", issues)));
    }

    /// <summary>Reads the file again; nothing happens when it says what it said.</summary>
    public void Reload()
    {
        if (options.MeshFile is not { } file || !File.Exists(file)) return;

        var now = File.ReadAllText(file);
        if (now == text) return;
        text = now;
        if (MeshConfig.Parse(now, file, out var issues) is { } mesh) feed.SubmitMesh(mesh);
        else
            foreach (var issue in issues) log.LogWarning("MeshConfig refused, the former one stays: {Issue}", issue);
    }
}
