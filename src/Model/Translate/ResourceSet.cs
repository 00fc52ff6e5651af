using System.Collections.Immutable;

namespace Mesh.Model.Translate;

/// <summary>What turns one set into the next.</summary>
public sealed record ResourceChanges(ImmutableArray<NamedResource> Updated, ImmutableArray<string> Removed)
{
    public bool IsEmpty => Updated.IsEmpty && Removed.IsEmpty;
}

/// <summary>All resources of one type for one kind of proxy, in a stable order. Immutable; unchanged content keeps the same set object.</summary>
public sealed class ResourceSet
{
    private readonly Dictionary<string, NamedResource> byName;
    private volatile Comparison? lastComparison;

    private ResourceSet(ImmutableArray<NamedResource> all)
    {
        var distinct = ImmutableArray.CreateBuilder<NamedResource>(all.Length);
        byName = new(all.Length);
        foreach (var resource in all)
            if (byName.TryAdd(resource.Name, resource)) distinct.Add(resource);
        All = distinct.Count == all.Length ? all : distinct.ToImmutable();
        Version = Fold(All);
    }

    public static ResourceSet Empty { get; } = new([]);

    public ImmutableArray<NamedResource> All { get; }

    /// <summary>Equal for equal content.</summary>
    public string Version { get; }

    public int Count => All.Length;

    /// <summary>Null when there is none of that name.</summary>
    public NamedResource? this[string name] => byName.GetValueOrDefault(name);

    /// <summary>Keeps <paramref name="before"/> when nothing differs. Of two resources with one name the first stays.</summary>
    internal static ResourceSet Of(ImmutableArray<NamedResource> all, ResourceSet? before)
    {
        if (before is not null && before.All.AsSpan().SequenceEqual(all.AsSpan(), ByReference.Instance)) return before;
        var set = new ResourceSet(all);
        return before is not null && before.Version == set.Version ? before : set;
    }

    /// <summary>The difference to an older set. All proxies of a kind ask the same question, so the last answer is kept.</summary>
    public ResourceChanges ChangesSince(ResourceSet? before)
    {
        before ??= Empty;
        if (ReferenceEquals(before, this)) return Nothing;
        if (lastComparison is { } known && ReferenceEquals(known.Before, before)) return known.Changes;

        var updated = ImmutableArray.CreateBuilder<NamedResource>();
        foreach (var resource in All)
            if (before[resource.Name] is not { } old || !ReferenceEquals(old, resource) && old.Version != resource.Version) updated.Add(resource);
        var removed = ImmutableArray.CreateBuilder<string>();
        foreach (var old in before.All)
            if (!byName.ContainsKey(old.Name)) removed.Add(old.Name);
        var changes = new ResourceChanges(updated.ToImmutable(), removed.ToImmutable());
        lastComparison = new(before, changes);
        return changes;
    }

    private static ResourceChanges Nothing { get; } = new([], []);

    private static string Fold(ImmutableArray<NamedResource> all)
    {
        using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
        foreach (var resource in all) hash.AppendData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(resource.Version.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 10));
    }

    private sealed record Comparison(ResourceSet Before, ResourceChanges Changes);

    private sealed class ByReference : IEqualityComparer<NamedResource>
    {
        public static ByReference Instance { get; } = new();

        public bool Equals(NamedResource? a, NamedResource? b) => ReferenceEquals(a, b);

        public int GetHashCode(NamedResource obj) => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(obj);
    }
}
