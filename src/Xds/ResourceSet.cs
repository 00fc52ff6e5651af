using System.Collections.Frozen;

namespace Mesh.Xds;

/// <summary>
/// All resources of one type that one kind of proxy may see at one version of the world. Immutable and shared: what differs
/// from an earlier set is computed once, not once per proxy.
/// </summary>
public sealed class ResourceSet
{
    // Streams that lag behind differ from the newest set in a few ways at most; older differences are computed again.
    private const int RememberedDifferences = 4;

    private readonly Lock guard = new();
    private readonly Queue<(ResourceSet Earlier, ResourceDifference Difference)> differences = new();

    private ResourceSet(string typeUrl, IReadOnlyDictionary<string, NamedResource> byName)
    {
        TypeUrl = typeUrl;
        ByName = byName;
    }

    public string TypeUrl { get; }
    public IReadOnlyDictionary<string, NamedResource> ByName { get; }
    public int Count => ByName.Count;

    public static ResourceSet Empty(string typeUrl) => new(typeUrl, FrozenDictionary<string, NamedResource>.Empty);

    /// <summary>Of two resources with one name the first counts.</summary>
    public static ResourceSet Of(string typeUrl, IEnumerable<NamedResource> resources)
    {
        var byName = new Dictionary<string, NamedResource>();
        foreach (var resource in resources) byName.TryAdd(resource.Name, resource);
        return new(typeUrl, byName);
    }

    public NamedResource? Find(string name) => ByName.GetValueOrDefault(name);

    /// <summary>What a proxy that has <paramref name="earlier"/> must be told to have this.</summary>
    public ResourceDifference Since(ResourceSet earlier)
    {
        if (ReferenceEquals(earlier, this)) return ResourceDifference.None;

        lock (guard)
        {
            foreach (var known in differences)
                if (ReferenceEquals(known.Earlier, earlier)) return known.Difference;

            var difference = Compare(earlier, this);
            if (differences.Count == RememberedDifferences) differences.Dequeue();
            differences.Enqueue((earlier, difference));
            return difference;
        }
    }

    private static ResourceDifference Compare(ResourceSet earlier, ResourceSet later)
    {
        var changed = new List<NamedResource>();
        foreach (var (name, resource) in later.ByName)
        {
            var before = earlier.Find(name);
            if (!ReferenceEquals(before, resource) && before?.Version != resource.Version) changed.Add(resource);
        }

        var removed = new List<string>();
        foreach (var name in earlier.ByName.Keys)
            if (!later.ByName.ContainsKey(name)) removed.Add(name);

        return changed.Count == 0 && removed.Count == 0 ? ResourceDifference.None : new(changed, removed);
    }
}

/// <summary>New or altered resources, and names that are gone.</summary>
public sealed record ResourceDifference(IReadOnlyList<NamedResource> Changed, IReadOnlyList<string> Removed)
{
    public static readonly ResourceDifference None = new([], []);

    public bool IsEmpty => Changed.Count == 0 && Removed.Count == 0;
}
