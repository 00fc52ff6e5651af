using System.Text;
using Mesh.ControlPlane.Serve;
using Mesh.Model.Resources;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Resource = Mesh.Model.Resources.Resource;
using Mesh.Model.Yaml;

namespace Mesh.ControlPlane.Files;

/// <summary>
/// Kubernetes YAML from a folder in place of an API server. A bad resource is refused alone, with file, line, field and remedy; what was
/// accepted of it before keeps serving. One owner: <see cref="ScanAsync"/> is never run twice at a time.
/// </summary>
internal sealed class FolderSource(string folder, WorldFeed feed, RefusedResources refused, TimeProvider time, ILogger log) : IDisposable
{
    // What a person keeps in a folder, with ample room; a folder that holds more was given by mistake ("/").
    private const int FilesMax = 20_000;
    private const long FileBytesMax = 16 << 20;

    private readonly Dictionary<string, FileState> files = new(StringComparer.Ordinal);
    private readonly Dictionary<ResourceKey, Accepted> accepted = [];
    private readonly SemaphoreSlim oneScan = new(1, 1);
    private DateTimeOffset lastCreated;

    private sealed record FileState(DateTime Written, long Length, IReadOnlyList<Document> Documents);

    private sealed record Document(MapNode Node, ResourceKey Key, string Text);

    private sealed record Accepted(string Text, Resource Resource, DateTimeOffset Created);

    /// <summary>Looks at every file, reads those that changed, and hands the differences on.</summary>
    /// <returns>When true, something was handed on.</returns>
    public async Task<bool> ScanAsync(CancellationToken cancellation)
    {
        await oneScan.WaitAsync(cancellation);
        try
        {
            var changes = Differences(ReadFiles());
            if (changes.Count > 0) feed.Submit(changes);
            return changes.Count > 0;
        }
        finally
        {
            oneScan.Release();
        }
    }

    /// <summary>Scans at once and whenever the folder stirs; every ten seconds besides, for file systems that tell nothing.</summary>
    public async Task WatchAsync(CancellationToken cancellation)
    {
        using var stirred = new SemaphoreSlim(0, 1);
        using var watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true };
        void Stir(object? sender, EventArgs e)
        {
            try
            {
                stirred.Release();
            }
            catch (SemaphoreFullException)
            {
                // A scan is due already.
                return;
            }
        }
        watcher.Changed += Stir;
        watcher.Created += Stir;
        watcher.Deleted += Stir;
        watcher.Renamed += Stir;
        watcher.Error += Stir;
        watcher.EnableRaisingEvents = true;

        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                await stirred.WaitAsync(TimeSpan.FromSeconds(10), cancellation);
                // An editor writes in several steps; a file half written would be refused only to be accepted a moment later.
                await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellation);
                await ScanAsync(cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (IOException e)
            {
                log.LogWarning("folder {Folder}: {Reason}; what was read before keeps serving", folder, e.Message);
            }
        }
    }

    public void Dispose() => oneScan.Dispose();

    private IReadOnlyList<Document> ReadFiles()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var all = new List<Document>();
        var paths = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(IsYaml).Order(StringComparer.Ordinal).Take(FilesMax + 1).ToList();
        if (paths.Count > FilesMax) throw new IOException($"more than {FilesMax} files");
        foreach (var path in paths)
        {
            var info = new FileInfo(path);
            seen.Add(path);
            if (files.TryGetValue(path, out var known) && known.Written == info.LastWriteTimeUtc && known.Length == info.Length)
            {
                all.AddRange(known.Documents);
                continue;
            }

            var documents = ReadFile(path, info, known);
            files[path] = new(info.LastWriteTimeUtc, info.Length, documents);
            all.AddRange(documents);
        }
        foreach (var path in files.Keys.Where(path => !seen.Contains(path)).ToList())
        {
            files.Remove(path);
            refused.ClearFile(path);
        }
        return all;
    }

    private List<Document> ReadFile(string path, FileInfo info, FileState? before)
    {
        refused.ClearFile(path);
        if (info.Length > FileBytesMax)
        {
            refused.Add(path, null, [new($"larger than {FileBytesMax >> 20} MiB; split it", new(path, 0), "")]);
            return [.. before?.Documents ?? []];
        }

        var nodes = YamlReader.Read(File.ReadAllText(path), Path.GetRelativePath(folder, path), out var error);
        var documents = new List<Document>();
        foreach (var node in nodes.SelectMany(Items))
        {
            if (node is not MapNode map) continue;
            var (group, _, kind) = ResourceReader.TypeOf(map);
            if (!ResourceReader.Knows(group, kind)) continue;
            documents.Add(new(map, KeyOf(map, group, kind), Canonical(map)));
        }
        if (error is not null)
        {
            refused.Add(path, null, [new(error.Message, error.Origin, "")]);
            // What follows the fault was not read: it is unknown, not deleted.
            var read = documents.Select(d => d.Key).ToHashSet();
            documents.AddRange((before?.Documents ?? []).Where(d => !read.Contains(d.Key)));
        }
        return documents;
    }

    private List<ResourceEvent> Differences(IReadOnlyList<Document> documents)
    {
        var events = new List<ResourceEvent>();
        var present = new HashSet<ResourceKey>();
        foreach (var document in documents)
        {
            if (!present.Add(document.Key)) continue; // the first of two with one name counts, by path
            if (accepted.TryGetValue(document.Key, out var before) && before.Text == document.Text)
            {
                refused.Clear(document.Key);
                continue;
            }
            if (Accept(document, before?.Created) is not { } now) continue;

            accepted[document.Key] = now;
            events.Add(ResourceEvent.Applied(now.Resource));
        }
        foreach (var key in accepted.Keys.Where(key => !present.Contains(key)).ToList())
        {
            accepted.Remove(key);
            refused.Clear(key);
            events.Add(ResourceEvent.Deleted(key));
        }
        return events;
    }

    private Accepted? Accept(Document document, DateTimeOffset? created)
    {
        var verdict = Validator.Check(document.Node);
        if (!verdict.IsAllowed) return Refuse(document, verdict.Errors);

        var time = created ?? NextCreation();
        var whole = WithCreation(Defaults.Apply(document.Node), time);
        var resource = ResourceReader.Read(whole, out var issues);
        if (resource is null) return Refuse(document, [.. issues.Select(i => new Finding(i.Message, i.Origin, i.Path))]);

        refused.Clear(document.Key);
        foreach (var warning in verdict.Warnings) log.LogInformation("{Resource}: {Warning}", document.Key, warning.Message);
        return new(document.Text, resource, time);
    }

    private Accepted? Refuse(Document document, IReadOnlyList<Finding> findings)
    {
        if (refused.Add(document.Node.Origin.File, document.Key, findings))
            foreach (var finding in findings)
                log.LogWarning("{Place}: {Resource} refused: {Field} {Message}", finding.Origin, document.Key, finding.Field, finding.Message);
        return null;
    }

    /// <summary>As an API server would stamp them: whole seconds, in the order of appearance.</summary>
    private DateTimeOffset NextCreation()
    {
        var now = time.GetUtcNow();
        var whole = new DateTimeOffset(now.Ticks - now.Ticks % TimeSpan.TicksPerSecond, TimeSpan.Zero);
        lastCreated = whole > lastCreated ? whole : lastCreated + TimeSpan.FromSeconds(1);
        return lastCreated;
    }

    private static bool IsYaml(string path) =>
        Path.GetExtension(path) is ".yaml" or ".yml" or ".json" && !Path.GetFileName(path).StartsWith('.');

    private static IEnumerable<Node> Items(Node node) =>
        node is MapNode map && map["kind"] is ScalarNode { Text: "List" or "ConfigMapList" } && map["items"] is ListNode list ? list.Items.Select(Rooted) : [node];

    /// <summary>An item of a List has paths that begin with <c>items[3].</c>; its own fields are what the author looks for.</summary>
    private static Node Rooted(Node item) => item;

    private static ResourceKey KeyOf(MapNode map, string group, string kind)
    {
        var meta = map["metadata"] as MapNode;
        var space = kind is "Namespace" or "Node" or "GatewayClass" or "IngressClass" ? "" : (meta?["namespace"] as ScalarNode)?.Text ?? "default";
        return new(group, kind, space, (meta?["name"] as ScalarNode)?.Text ?? "");
    }

    private static MapNode WithCreation(MapNode resource, DateTimeOffset created)
    {
        if (resource["metadata"] is not MapNode meta || meta["creationTimestamp"] is not null and not ScalarNode { IsNull: true }) return resource;

        var stamp = new ScalarNode(meta.Origin, "metadata.creationTimestamp", created.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'"), true);
        var stamped = new MapNode(meta.Origin, meta.Path, [.. meta.Fields.Where(f => f.Key != "creationTimestamp"), new("creationTimestamp", stamp)]);
        return new(resource.Origin, resource.Path, [.. resource.Fields.Select(f => f.Key == "metadata" ? new KeyValuePair<string, Node>("metadata", stamped) : f)]);
    }

    /// <summary>The content without its places, so that a resource that only moved within its file counts as unchanged.</summary>
    private static string Canonical(Node node)
    {
        var text = new StringBuilder();
        Write(node, text);
        return text.ToString();
    }

    private static void Write(Node node, StringBuilder text)
    {
        switch (node)
        {
            case MapNode map:
                text.Append('{');
                foreach (var (key, value) in map.Fields)
                {
                    text.Append(key).Append('\u0001');
                    Write(value, text);
                }
                text.Append('}');
                break;
            case ListNode list:
                text.Append('[');
                foreach (var item in list.Items) Write(item, text);
                text.Append(']');
                break;
            case ScalarNode scalar:
                text.Append(scalar.IsQuoted ? '"' : '\'').Append(scalar.Text).Append('\u0002');
                break;
            default:
                throw new InvalidOperationException($"a node of a new kind: {node.GetType().Name}");
        }
    }
}
