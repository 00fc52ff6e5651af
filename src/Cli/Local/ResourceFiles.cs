using Mesh.Model.Resources;
using Mesh.Model.Schema;
using Mesh.Model.World;
using Mesh.Model.Yaml;

namespace Mesh.Cli.Local;

/// <summary>Files and folders of Kubernetes YAML as the World that a control plane would make of them.</summary>
internal static class ResourceFiles
{
    private static readonly string[] Extensions = [".json", ".yaml", ".yml"];

    /// <param name="problems">What could not be read, with its place; the rest counts.</param>
    public static World Read(IEnumerable<string> paths, MeshConfig mesh, out List<string> problems)
    {
        problems = [];
        var builder = new WorldBuilder(mesh);
        var created = DateTimeOffset.UnixEpoch;
        foreach (var path in paths.SelectMany(Files))
        {
            var documents = YamlReader.Read(File.ReadAllText(path), path, out var error);
            if (error is not null) problems.Add($"{error.Origin}: {error.Message}");
            foreach (var document in documents.SelectMany(Items).OfType<MapNode>())
            {
                // Without a time of its own an object is as old as its place among the files.
                created += TimeSpan.FromSeconds(1);
                if (ResourceReader.Read(Defaults.Apply(document), out var issues, created: created) is { } resource) builder.Apply(resource);
                else problems.AddRange(issues.Select(issue => $"{issue.Origin}: {issue.Path}: {issue.Message}"));
            }
        }
        return builder.Build();
    }

    private static IEnumerable<string> Files(string path) => Directory.Exists(path)
        ? Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(file => Extensions.Contains(Path.GetExtension(file))).Order(StringComparer.Ordinal)
        : [path];

    private static IEnumerable<Node> Items(Node node) =>
        node is MapNode map && map["kind"] is ScalarNode { Text: "List" } && map["items"] is ListNode list ? list.Items : [node];
}
