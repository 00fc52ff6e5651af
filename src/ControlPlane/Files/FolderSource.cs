using Mesh.ControlPlane.Serve;
using Mesh.Model.Resources;
using Mesh.Model.Schema;
using Mesh.Model.Validation;
using Resource = Mesh.Model.Resources.Resource;
using Mesh.Model.Yaml;

namespace Mesh.ControlPlane.Files;

/// <summary>
/// Kubernetes YAML from folders in place of an API server. A bad resource is refused alone, with file, line, field and remedy; what was
/// accepted of it before keeps serving. One owner: <see cref="ScanAsync"/> is never run twice at a time.
/// </summary>
internal sealed class FolderSource(IReadOnlyList<string> folders, WorldFeed feed, RefusedResources refused, TimeProvider time, ILogger log) : IDisposable
{
    // What a person keeps in a folder, with ample room; a folder that holds more was given by mistake ("/").
    private const int FilesMax = 20_000;
    private const long FileBytesMax = 16 << 20;

    // Beyond that many, looking at the whole folder is cheaper than going through the list.
    private const int StirredMax = 1_000;

    // Earlier folders first, within a folder by path: of two resources with one name the first counts.
    private readonly SortedDictionary<string, FileState> files = new(Comparer<string>.Create((a, b) =>
        IndexOf(folders, a).CompareTo(IndexOf(folders, b)) is not 0 and var byFolder ? byFolder : string.CompareOrdinal(a, b)));
    private readonly Dictionary<ResourceKey, Accepted> accepted = [];
    private readonly SemaphoreSlim oneScan = new(1, 1);
    private readonly Lock stirredGuard = new();
    private HashSet<string>? stirred = [];
    private DateTimeOffset lastCreated;

    private sealed record FileState(DateTime Written, long Length, IReadOnlyList<Document> Documents);

    /// <summary>Of a document that was taken up only its digest is kept; a node tree weighs ten times its text.</summary>
    private sealed record Document(string Path, int Index, ResourceKey Key, string Digest)
    {
        public MapNode? Node { get; set; }
    }

    private sealed record Accepted(string Digest, DateTimeOffset Created);

    /// <summary>Looks at every file, reads those that changed, and hands the differences on.</summary>
    /// <returns>When true, something was handed on.</returns>
    public Task<bool> ScanAsync(CancellationToken cancellation) => ScanAsync(null, cancellation);

    /// <summary>Scans at once and whenever the folder stirs; every ten seconds besides, for file systems that tell nothing.</summary>
    public async Task WatchAsync(CancellationToken cancellation)
    {
        using var woken = new SemaphoreSlim(0, 1);
        void Stir(string? path)
        {
            lock (stirredGuard)
            {
                if (path is null || !IsYaml(path) || stirred?.Count >= StirredMax) stirred = null;
                stirred?.Add(path!);
                if (woken.CurrentCount == 0) woken.Release();
            }
        }
        var watchers = folders.Select(folder => Watcher(folder, Stir)).ToList();
        try
        {
            await ScanWhenStirredAsync(woken, cancellation);
        }
        finally
        {
            foreach (var watcher in watchers) watcher.Dispose();
        }
    }

    public void Dispose() => oneScan.Dispose();

    private static FileSystemWatcher Watcher(string folder, Action<string?> stir)
    {
        var watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true };
        watcher.Changed += (_, e) => stir(e.FullPath);
        watcher.Created += (_, e) => stir(e.FullPath);
        watcher.Deleted += (_, e) => stir(e.FullPath);
        watcher.Renamed += (_, e) =>
        {
            if (IsYaml(e.OldFullPath)) stir(e.OldFullPath);
            stir(e.FullPath);
        };
        watcher.Error += (_, _) => stir(null);
        watcher.EnableRaisingEvents = true;
        return watcher;
    }

    private async Task ScanWhenStirredAsync(SemaphoreSlim woken, CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                var isStirred = await woken.WaitAsync(TimeSpan.FromSeconds(10), cancellation);
                // An editor writes in several steps; a file half written would be refused only to be accepted a moment later.
                if (isStirred) await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellation);
                await ScanAsync(isStirred ? TakeStirred() : null, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (IOException e)
            {
                log.LogWarning("folder {Folder}: {Reason}; what was read before keeps serving", string.Join(", ", folders), e.Message);
            }
        }
    }

    private HashSet<string>? TakeStirred()
    {
        lock (stirredGuard)
        {
            var taken = stirred;
            stirred = [];
            return taken;
        }
    }

    /// <param name="paths">Null: every file.</param>
    private async Task<bool> ScanAsync(IReadOnlyCollection<string>? paths, CancellationToken cancellation)
    {
        await oneScan.WaitAsync(cancellation);
        try
        {
            foreach (var path in paths ?? AllPaths()) Look(path);
            var changes = Differences();
            if (changes.Count > 0) feed.Submit(changes);
            return changes.Count > 0;
        }
        finally
        {
            oneScan.Release();
        }
    }

    /// <summary>Those that are there, and those that were.</summary>
    private List<string> AllPaths()
    {
        var paths = folders.SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)).Where(IsYaml).Take(FilesMax + 1).ToList();
        if (paths.Count > FilesMax) throw new IOException($"more than {FilesMax} files");

        var present = paths.ToHashSet(StringComparer.Ordinal);
        paths.AddRange(files.Keys.Where(path => !present.Contains(path)));
        return paths;
    }

    private void Look(string path)
    {
        var info = new FileInfo(path);
        files.TryGetValue(path, out var known);
        if (!info.Exists)
        {
            if (files.Remove(path)) refused.ClearFile(path);
            return;
        }
        if (known is not null && known.Written == info.LastWriteTimeUtc && known.Length == info.Length) return;

        files[path] = new(info.LastWriteTimeUtc, info.Length, ReadFile(path, info.Length, known));
    }

    private List<Document> ReadFile(string path, long length, FileState? before)
    {
        refused.ClearFile(path);
        if (length > FileBytesMax)
        {
            refused.Add(path, null, [new($"larger than {FileBytesMax >> 20} MiB; split it", new(path, 0), "")]);
            return [.. before?.Documents ?? []];
        }

        var (documents, error) = Parse(path);
        if (error is not null)
        {
            refused.Add(path, null, [new(error.Message, error.Origin, "")]);
            // What follows the fault was not read: it is unknown, not deleted.
            var read = documents.Select(d => d.Key).ToHashSet();
            documents.AddRange((before?.Documents ?? []).Where(d => !read.Contains(d.Key)));
        }
        return documents;
    }

    private (List<Document> Documents, YamlError? Error) Parse(string path)
    {
        var documents = new List<Document>();
        var nodes = YamlReader.Read(File.ReadAllText(path), Path.GetRelativePath(folders[IndexOf(folders, path)], path), out var error);
        foreach (var node in nodes.SelectMany(Items))
        {
            if (node is not MapNode map) continue;
            var (group, _, kind) = ResourceReader.TypeOf(map);
            if (ResourceReader.Knows(group, kind)) documents.Add(new(path, documents.Count, KeyOf(map, group, kind), ContentDigest.Of(map)) { Node = map });
        }
        return (documents, error);
    }

    private List<ResourceEvent> Differences()
    {
        var events = new List<ResourceEvent>();
        var present = new HashSet<ResourceKey>();
        foreach (var document in files.Values.SelectMany(file => file.Documents))
        {
            if (!present.Add(document.Key)) continue; // the first of two with one name counts, by path
            if (accepted.TryGetValue(document.Key, out var before) && before.Digest == document.Digest)
            {
                if (document.Node is not null) refused.Clear(document.Key);
            }
            else if (Accept(document, before?.Created) is { } taken)
            {
                accepted[document.Key] = new(document.Digest, taken.Meta.Created);
                events.Add(ResourceEvent.Applied(taken));
            }
            document.Node = null;
        }
        foreach (var key in accepted.Keys.Where(key => !present.Contains(key)).ToList())
        {
            accepted.Remove(key);
            refused.Clear(key);
            events.Add(ResourceEvent.Deleted(key));
        }
        return events;
    }

    private Resource? Accept(Document document, DateTimeOffset? created)
    {
        // Refused as it stands, and nothing about it changed since.
        if (document.Node is null && refused.Has(document.Key)) return null;
        // It stood behind another of its name, which is gone: it has to be read again.
        var node = document.Node ?? Parse(document.Path).Documents.Find(d => d.Index == document.Index && d.Digest == document.Digest)?.Node;
        if (node is null) return null;

        var verdict = Validator.Check(node);
        if (!verdict.IsAllowed) return Refuse(document.Key, node, verdict.Errors);

        var whole = WithCreation(Defaults.Apply(node), created ?? NextCreation());
        var resource = ResourceReader.Read(whole, out var issues);
        if (resource is null) return Refuse(document.Key, node, [.. issues.Select(i => new Finding(i.Message, i.Origin, i.Path))]);

        refused.Clear(document.Key);
        foreach (var warning in verdict.Warnings) log.LogInformation("{Resource}: {Warning}", document.Key, warning.Message);
        return resource;
    }

    private Resource? Refuse(ResourceKey key, MapNode node, IReadOnlyList<Finding> findings)
    {
        if (refused.Add(node.Origin.File, key, findings))
            foreach (var finding in findings)
                log.LogWarning("{Place}: {Resource} refused: {Field} {Message}", finding.Origin, key, finding.Field, finding.Message);
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

    private static int IndexOf(IReadOnlyList<string> folders, string path)
    {
        for (var i = 0; i < folders.Count; i++)
            if (path.StartsWith(folders[i] + Path.DirectorySeparatorChar, StringComparison.Ordinal)) return i;
        return folders.Count - 1;
    }

    private static bool IsYaml(string path) =>
        Path.GetExtension(path) is ".yaml" or ".yml" or ".json" && !Path.GetFileName(path).StartsWith('.');

    private static IEnumerable<Node> Items(Node node) =>
        node is MapNode map && map["kind"] is ScalarNode { Text: "List" } && map["items"] is ListNode list ? list.Items : [node];

    private static ResourceKey KeyOf(MapNode map, string group, string kind)
    {
        var meta = map["metadata"] as MapNode;
        var space = kind is "Namespace" or "Node" or "GatewayClass" or "IngressClass" ? "" : (meta?["namespace"] as ScalarNode)?.Text ?? "default";
        return new(group, kind, space, (meta?["name"] as ScalarNode)?.Text ?? "");
    }

    private static MapNode WithCreation(MapNode resource, DateTimeOffset created)
    {
        if (resource["metadata"] is not MapNode meta || meta["creationTimestamp"] is not null and not ScalarNode { IsNull: true }) return resource;

        var stamp = new ScalarNode(meta.Origin, FieldPath.Of("metadata.creationTimestamp"), created.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'"), true);
        var stamped = new MapNode(meta.Origin, meta.Place, [.. meta.Fields.Where(f => f.Key != "creationTimestamp"), new("creationTimestamp", stamp)]);
        return new(resource.Origin, resource.Place, [.. resource.Fields.Select(f => f.Key == "metadata" ? new KeyValuePair<string, Node>("metadata", stamped) : f)]);
    }
}
