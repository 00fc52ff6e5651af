using System.Collections;

namespace Mesh.Xds;

/// <summary>
/// Names that a proxy asked for. Never changes; of a <see cref="NamePool"/> equal sets are one object, so that five hundred proxies that ask for
/// the same thousand clusters' endpoints hold them once.
/// </summary>
public sealed class NameSet : IEnumerable<string>
{
    private readonly HashSet<string> names;

    internal NameSet(HashSet<string> names) => (this.names, Hash) = (names, HashOf(names));

    public static NameSet Empty { get; } = new([]);

    public int Count => names.Count;

    /// <summary>Equal for equal names, in whatever order they came.</summary>
    internal int Hash { get; }

    public bool Contains(string name) => names.Contains(name);

    public IEnumerator<string> GetEnumerator() => names.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal HashSet<string> Copy() => new(names);

    internal bool Holds(HashSet<string> others) => names.SetEquals(others);

    internal static int HashOf(HashSet<string> names)
    {
        var sum = names.Count;
        foreach (var name in names) sum += name.GetHashCode(StringComparison.Ordinal);
        return sum;
    }
}

/// <summary>Makes equal sets of names one. Holds them weakly: what no proxy asks for any more is forgotten. Any thread.</summary>
public sealed class NamePool
{
    private const int SweepAtLeast = 256;   // entries; below that a sweep costs more than what it frees

    private readonly Lock guard = new();
    private readonly Dictionary<int, List<WeakReference<NameSet>>> sets = [];
    private int count, sweepAt = SweepAtLeast;

    /// <summary>Takes the set over: the caller no longer changes it.</summary>
    public NameSet Share(HashSet<string> names)
    {
        if (names.Count == 0) return NameSet.Empty;
        var hash = NameSet.HashOf(names);
        lock (guard)
        {
            if (!sets.TryGetValue(hash, out var alike)) sets[hash] = alike = [];
            foreach (var held in alike)
                if (held.TryGetTarget(out var known) && known.Holds(names)) return known;

            names.TrimExcess();
            var made = new NameSet(names);
            alike.Add(new(made));
            if (++count > sweepAt) Sweep();
            return made;
        }
    }

    private void Sweep()
    {
        foreach (var (hash, alike) in sets)
        {
            alike.RemoveAll(held => !held.TryGetTarget(out _));
            if (alike.Count == 0) sets.Remove(hash);
        }
        count = sets.Values.Sum(alike => alike.Count);
        sweepAt = Math.Max(SweepAtLeast, count * 2);
    }
}
