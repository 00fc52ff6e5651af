using System.Collections.Immutable;

namespace Mesh.Model.Resources;

/// <summary>Labels in key order, compared by value; the hash is computed once, for they are part of many memo keys.</summary>
public sealed class LabelSet : IEquatable<LabelSet>
{
    public static LabelSet Empty { get; } = new([]);

    private readonly int hash;

    private LabelSet(ImmutableArray<KeyValuePair<string, string>> pairs)
    {
        Pairs = pairs;
        var code = new HashCode();
        foreach (var (key, value) in pairs)
        {
            code.Add(key);
            code.Add(value);
        }
        hash = code.ToHashCode();
    }

    public ImmutableArray<KeyValuePair<string, string>> Pairs { get; }

    public int Count => Pairs.Length;

    /// <returns>Null when the key is absent.</returns>
    public string? this[string key]
    {
        get
        {
            var (low, high) = (0, Pairs.Length - 1);
            while (low <= high)
            {
                var middle = (low + high) / 2;
                var order = string.CompareOrdinal(Pairs[middle].Key, key);
                if (order == 0) return Pairs[middle].Value;
                if (order < 0) low = middle + 1;
                else high = middle - 1;
            }
            return null;
        }
    }

    public static LabelSet Of(IEnumerable<KeyValuePair<string, string>> pairs)
    {
        var sorted = pairs.OrderBy(pair => pair.Key, StringComparer.Ordinal).ToImmutableArray();
        return sorted.IsEmpty ? Empty : new(sorted);
    }

    /// <summary>True when every label of this set, used as a selector, is on <paramref name="others"/>. The empty selector selects all.</summary>
    public bool Selects(LabelSet others)
    {
        foreach (var (key, value) in Pairs)
            if (others[key] != value) return false;
        return true;
    }

    public LabelSet With(string key, string value) => Of(Pairs.Where(pair => pair.Key != key).Append(new(key, value)));

    public bool Equals(LabelSet? other)
    {
        if (ReferenceEquals(this, other)) return true;
        if (other is null || other.hash != hash || other.Pairs.Length != Pairs.Length) return false;
        for (var i = 0; i < Pairs.Length; i++)
            if (Pairs[i].Key != other.Pairs[i].Key || Pairs[i].Value != other.Pairs[i].Value) return false;
        return true;
    }

    public override bool Equals(object? obj) => Equals(obj as LabelSet);

    public override int GetHashCode() => hash;

    public override string ToString() => string.Join(",", Pairs.Select(pair => $"{pair.Key}={pair.Value}"));
}
