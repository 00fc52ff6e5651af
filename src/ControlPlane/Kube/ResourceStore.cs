using System.Text.Json;
using Mesh.ControlPlane.Serve;
using Mesh.Kube;
using Mesh.Model.Resources;
using Mesh.Model.Validation;
using Resource = Mesh.Model.Resources.Resource;

namespace Mesh.ControlPlane.Kube;

/// <summary>
/// The objects of one kind as the cluster last showed them, typed: only the fields we need stay in memory. An error never empties it,
/// and a version that cannot be read leaves the last good one in force.
/// </summary>
internal sealed class ResourceStore : IKubeSink
{
    private readonly Lock guard = new();
    private readonly Dictionary<ResourceKey, Held> held = [];
    private readonly WorldFeed feed;
    private readonly RefusedResources refused;
    private readonly NamespaceScope scope;
    private readonly ClusterTrouble trouble;
    private readonly ILogger log;

    private sealed record Held(string Version, Resource Resource)
    {
        public bool IsAnnounced { get; set; }
    }

    public ResourceStore(WorldFeed feed, RefusedResources refused, NamespaceScope scope, ClusterTrouble trouble, ILogger log)
    {
        (this.feed, this.refused, this.scope, this.trouble, this.log) = (feed, refused, scope, trouble, log);
        scope.Changed += Rescope;
    }

    public int Count
    {
        get
        {
            lock (guard) return held.Count;
        }
    }

    public void Replace(IReadOnlyList<JsonElement> objects)
    {
        lock (guard)
        {
            trouble.Heard(this);
            var events = new List<ResourceEvent>();
            var present = new HashSet<ResourceKey>();
            foreach (var item in objects)
                if (Take(item, events) is { } key) present.Add(key);
            foreach (var key in held.Keys.Where(key => !present.Contains(key)).ToList()) Remove(key, events);
            Submit(events);
        }
    }

    public void Changed(JsonElement item)
    {
        lock (guard)
        {
            trouble.Heard(this);
            var events = new List<ResourceEvent>();
            Take(item, events);
            Submit(events);
        }
    }

    public void Deleted(JsonElement item)
    {
        if (KeyOf(item) is not { } key) return;
        lock (guard)
        {
            trouble.Heard(this);
            var events = new List<ResourceEvent>();
            Remove(key, events);
            Submit(events);
        }
    }

    public void Trouble(string sentence) => trouble.Silent(this, sentence);

    public void Heard() => trouble.Heard(this);

    /// <returns>The key of what is there, whether it can be used or not.</returns>
    private ResourceKey? Take(JsonElement item, List<ResourceEvent> events)
    {
        if (KeyOf(item) is not { } key) return null;
        var version = Text(item, "metadata", "resourceVersion");
        if (held.TryGetValue(key, out var before) && before.Version == version && version.Length > 0) return key;

        var node = JsonNodes.From(item, $"{key}");
        var verdict = IsOurs(key) ? Validator.CheckAdmission(node) : Verdict.Accepted;
        IReadOnlyList<FieldIssue> issues = [];
        var resource = verdict.IsAllowed ? ResourceReader.Read(node, out issues) : null;
        if (resource is null)
        {
            IReadOnlyList<Finding> findings = verdict.IsAllowed ? [.. issues.Select(issue => new Finding(issue.Message, issue.Origin, issue.Path))] : verdict.Errors;
            if (refused.Add("", key, findings))
                foreach (var finding in findings) log.LogWarning("{Resource} refused{Former}: {Field} {Message}", key, before is null ? "" : ", its former version stays", finding.Field, finding.Message);
            return key;
        }

        refused.Clear(key);
        key = resource.Meta.Key;   // its own strings: one copy of them is kept
        var now = new Held(resource.Meta.ResourceVersion, resource) { IsAnnounced = scope.Includes(key.Namespace) };
        held[key] = now;
        if (resource is KubeNamespace) scope.Namespace(key.Name, resource.Meta.Labels);
        if (now.IsAnnounced) events.Add(ResourceEvent.Applied(resource));
        else if (before is { IsAnnounced: true }) events.Add(ResourceEvent.Deleted(key));
        return key;
    }

    private void Remove(ResourceKey key, List<ResourceEvent> events)
    {
        refused.Clear(key);
        if (!held.Remove(key, out var gone)) return;
        if (gone.Resource is KubeNamespace) scope.Namespace(key.Name, null);
        if (gone.IsAnnounced) events.Add(ResourceEvent.Deleted(key));
    }

    private void Rescope()
    {
        lock (guard)
        {
            var events = new List<ResourceEvent>();
            foreach (var (key, item) in held)
            {
                var included = scope.Includes(key.Namespace);
                if (included == item.IsAnnounced) continue;
                item.IsAnnounced = included;
                events.Add(included ? ResourceEvent.Applied(item.Resource) : ResourceEvent.Deleted(key));
            }
            Submit(events);
        }
    }

    private void Submit(List<ResourceEvent> events)
    {
        if (events.Count > 0) feed.Submit(events);
    }

    private static bool IsOurs(ResourceKey key) => key.Group.EndsWith(".istio.io", StringComparison.Ordinal);

    private static ResourceKey? KeyOf(JsonElement item)
    {
        var api = Text(item, "apiVersion");
        var slash = api.IndexOf('/', StringComparison.Ordinal);
        var key = new ResourceKey(slash < 0 ? "" : api[..slash], Text(item, "kind"), Text(item, "metadata", "namespace"), Text(item, "metadata", "name"));
        return key.Kind.Length == 0 || key.Name.Length == 0 ? null : key;
    }

    private static string Text(JsonElement item, params ReadOnlySpan<string> path)
    {
        foreach (var key in path)
            if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty(key, out item)) return "";
        return item.ValueKind == JsonValueKind.String ? item.GetString()! : "";
    }
}
