using System.Collections.Concurrent;

namespace Mesh.Model.Translate;

/// <summary>
/// Remembers what was made from equal inputs for as long as somebody uses it: values are held weakly, the sets that proxies are sent hold them strongly.
/// </summary>
internal sealed class Memo<TKey, TValue> where TKey : notnull where TValue : class
{
    private const int SweepAtLeast = 4096;   // entries; below that a sweep costs more than what it frees

    private readonly ConcurrentDictionary<TKey, WeakReference<TValue>> entries = new();
    private int sweepAt = SweepAtLeast;

    public TValue Get(TKey key, Func<TKey, TValue> make)
    {
        if (entries.TryGetValue(key, out var held) && held.TryGetTarget(out var known)) return known;

        var made = make(key);
        entries[key] = new(made);
        if (entries.Count > Volatile.Read(ref sweepAt)) Sweep();
        return made;
    }

    private void Sweep()
    {
        foreach (var (key, held) in entries)
            if (!held.TryGetTarget(out _)) entries.TryRemove(key, out _);
        Volatile.Write(ref sweepAt, Math.Max(SweepAtLeast, entries.Count * 2));
    }
}
