namespace Mesh.Model.Validation.Rules;

/// <summary>Hosts of one list that say the same, wildcards included: <c>*.com</c> and <c>*.foo.com</c>.</summary>
internal static class HostOverlaps
{
    private const int PairsMax = 200;

    /// <summary>Pairs of indexes, lower first, in order. Linear in the length of all names; at most <see cref="PairsMax"/> pairs.</summary>
    public static IReadOnlyList<(int First, int Second)> Find(IReadOnlyList<string> hosts)
    {
        var exact = new Dictionary<string, int>(hosts.Count);
        var wildcards = new Dictionary<string, int>();
        var pairs = new SortedSet<(int, int)>();
        for (var i = 0; i < hosts.Count && pairs.Count < PairsMax; i++)
        {
            if (!exact.TryAdd(hosts[i], i)) pairs.Add((exact[hosts[i]], i));
            else if (hosts[i].StartsWith('*')) wildcards[hosts[i][1..]] = i;
        }
        if (wildcards.Count == 0) return [.. pairs];

        var bySpan = wildcards.GetAlternateLookup<ReadOnlySpan<char>>();
        for (var i = 0; i < hosts.Count && pairs.Count < PairsMax; i++)
        {
            var name = hosts[i].StartsWith('*') ? hosts[i].AsSpan(1) : hosts[i];
            for (var from = 0; from <= name.Length; from++)
                if (bySpan.TryGetValue(name[from..], out var wildcard) && wildcard != i && hosts[wildcard] != hosts[i])
                    pairs.Add((Math.Min(i, wildcard), Math.Max(i, wildcard)));
        }
        return [.. pairs.Take(PairsMax)];
    }
}
