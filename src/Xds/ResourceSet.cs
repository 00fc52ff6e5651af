using System.Collections.Immutable;

namespace Mesh.Xds;

/// <summary>
/// All resources of one type that one kind of proxy may see at one version of the world, in a stable order. Immutable and shared: what differs
/// from an earlier set, and what a list of names stands for, is found once and not once per proxy.
/// </summary>
public sealed class ResourceSet
{
    // Streams that lag behind differ from the newest set in a few ways at most; older answers are found again.
    private const int AnswersMax = 4;

    private readonly Lock guard = new();
    // Weak: a set must not keep all the sets before it.
    private readonly Queue<(WeakReference<ResourceSet> Earlier, ResourceDifference Difference)> differences = new();
    private readonly Queue<(WeakReference<NameSet> Names, Selection Selection)> selections = new();
    private Dictionary<string, NamedResource>? byName;

    private ResourceSet(string typeUrl, ImmutableArray<NamedResource> distinct)
    {
        TypeUrl = typeUrl;
        All = distinct;
    }

    public string TypeUrl { get; }

    /// <summary>Each name once.</summary>
    public ImmutableArray<NamedResource> All { get; }
    public int Count => All.Length;

    /// <summary>Null when there is none of that name.</summary>
    public NamedResource? this[string name] => Find(name);

    public static ResourceSet Empty(string typeUrl) => new(typeUrl, []);

    /// <summary>Of two resources with one name the first counts.</summary>
    public static ResourceSet Of(string typeUrl, IEnumerable<NamedResource> resources) => Of(typeUrl, [.. resources], null);

    /// <summary>Keeps <paramref name="before"/> when nothing differs from it.</summary>
    public static ResourceSet Of(string typeUrl, ImmutableArray<NamedResource> resources, ResourceSet? before)
    {
        if (before is null || !NamesAreThoseOf(before, resources)) return new(typeUrl, Distinct(resources));
        return before.HasContentOf(resources) ? before : new(typeUrl, resources);
    }

    public NamedResource? Find(string name)
    {
        // Many sets are only ever sent whole; the index is made for those that are asked by name.
        var index = Volatile.Read(ref byName);
        if (index is null) Volatile.Write(ref byName, index = All.ToDictionary(resource => resource.Name));
        return index.GetValueOrDefault(name);
    }

    /// <summary>True when names and versions are the same, in the same order.</summary>
    public bool HasContentOf(ImmutableArray<NamedResource> others)
    {
        if (others.Length != All.Length) return false;
        for (var i = 0; i < others.Length; i++)
            if (!ReferenceEquals(All[i], others[i]) && (All[i].Version != others[i].Version || All[i].Name != others[i].Name)) return false;
        return true;
    }

    /// <summary>What a proxy that has <paramref name="earlier"/> must be told to have this.</summary>
    public ResourceDifference Since(ResourceSet earlier)
    {
        if (ReferenceEquals(earlier, this)) return ResourceDifference.None;

        lock (guard)
        {
            foreach (var (known, answer) in differences)
                if (known.TryGetTarget(out var set) && ReferenceEquals(set, earlier)) return answer;

            var difference = Compare(earlier, this);
            if (differences.Count == AnswersMax) differences.Dequeue();
            differences.Enqueue((new(earlier), difference));
            return difference;
        }
    }

    /// <summary>What is here of the names that a proxy asks for. Proxies of one kind ask for the same ones, so the answer is kept.</summary>
    internal Selection Of(NameSet names, bool byCollection)
    {
        lock (guard)
        {
            foreach (var (known, answer) in selections)
                if (known.TryGetTarget(out var set) && ReferenceEquals(set, names)) return answer;

            var selection = byCollection ? Collections(names) : Named(names);
            if (selections.Count == AnswersMax) selections.Dequeue();
            selections.Enqueue((new(names), selection));
            return selection;
        }
    }

    private Selection Named(NameSet names)
    {
        var (found, missing) = (new List<NamedResource>(names.Count), new List<string>());
        foreach (var name in names)
            if (Find(name) is { } resource) found.Add(resource);
            else missing.Add(name);
        return new(found, missing);
    }

    private Selection Collections(NameSet names)
    {
        var (found, there) = (new List<NamedResource>(), new HashSet<string>());
        foreach (var resource in All)
        {
            var collection = Mesh.Xds.TypeUrl.CollectionOf(resource.Name);
            if (!names.Contains(collection)) continue;
            there.Add(collection);
            found.Add(resource);
        }
        return new(found, [.. names.Where(name => !there.Contains(name))]);
    }

    private static bool NamesAreThoseOf(ResourceSet before, ImmutableArray<NamedResource> resources)
    {
        if (resources.Length != before.All.Length) return false;
        for (var i = 0; i < resources.Length; i++)
            if (!ReferenceEquals(before.All[i], resources[i]) && before.All[i].Name != resources[i].Name) return false;
        return true;
    }

    private static ImmutableArray<NamedResource> Distinct(ImmutableArray<NamedResource> resources)
    {
        var names = new HashSet<string>(resources.Length);
        foreach (var resource in resources) names.Add(resource.Name);
        return names.Count == resources.Length ? resources : [.. resources.DistinctBy(resource => resource.Name)];
    }

    /// <summary>Sets keep their order, so most of two of them stands at the same place; only the middle that does not is looked up by name.</summary>
    private static ResourceDifference Compare(ResourceSet earlier, ResourceSet later)
    {
        var (old, now) = (earlier.All, later.All);
        var (changed, removed) = (new List<NamedResource>(), new List<string>());
        var start = 0;
        while (start < old.Length && start < now.Length && IsSameName(old[start], now[start]))
        {
            if (Differs(old[start], now[start])) changed.Add(now[start]);
            start++;
        }
        var (endOld, endNow) = (old.Length, now.Length);
        var tail = new List<NamedResource>();
        while (endOld > start && endNow > start && IsSameName(old[endOld - 1], now[endNow - 1]))
            if (Differs(old[--endOld], now[--endNow])) tail.Add(now[endNow]);
        var middle = new Dictionary<string, NamedResource>();
        foreach (var resource in old.AsSpan(start, endOld - start)) middle[resource.Name] = resource;
        foreach (var resource in now.AsSpan(start, endNow - start))
            if (!middle.Remove(resource.Name, out var before) || Differs(before, resource)) changed.Add(resource);
        foreach (var resource in old.AsSpan(start, endOld - start))
            if (middle.ContainsKey(resource.Name)) removed.Add(resource.Name);
        tail.Reverse();
        changed.AddRange(tail);
        return changed.Count == 0 && removed.Count == 0 ? ResourceDifference.None : new(changed, removed);
    }

    private static bool IsSameName(NamedResource a, NamedResource b) => ReferenceEquals(a, b) || a.Name == b.Name;

    private static bool Differs(NamedResource a, NamedResource b) => !ReferenceEquals(a, b) && a.Version != b.Version;
}

/// <summary>New or altered resources, and names that are gone.</summary>
public sealed record ResourceDifference(IReadOnlyList<NamedResource> Changed, IReadOnlyList<string> Removed)
{
    public static readonly ResourceDifference None = new([], []);

    public bool IsEmpty => Changed.Count == 0 && Removed.Count == 0;
}

/// <summary>What was asked for and is there, and the names that stand for nothing.</summary>
internal sealed record Selection(IReadOnlyList<NamedResource> Found, IReadOnlyList<string> Missing);
