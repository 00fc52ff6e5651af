using Mesh.Proxy.Config;

namespace Mesh.Proxy.Downstream;

/// <summary>
/// The chains that one server name leaves in the race: those that name it, else those with its longest wildcard, else those that name none. A gateway of
/// a thousand hosts finds a chain as fast as one of two. Where some chain is told apart by its destination, which counts before the name, all stay in.
/// </summary>
internal sealed class ServerNameIndex
{
    private readonly FilterChain[] all;
    private readonly Dictionary<string, FilterChain[]>? byName;
    private readonly FilterChain[] unnamed = [];

    public ServerNameIndex(FilterChain[] chains)
    {
        all = chains;
        if (chains.Length < 2 || chains.Any(chain => !chain.Match.DestinationRanges.IsEmpty)) return;

        byName = chains.SelectMany(chain => chain.Match.ServerNames.Select(name => (Name: name.ToLowerInvariant(), Chain: chain)))
            .GroupBy(pair => pair.Name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Select(pair => pair.Chain).Distinct().ToArray(), StringComparer.Ordinal);
        unnamed = [.. chains.Where(chain => chain.Match.ServerNames.IsEmpty)];
    }

    /// <param name="serverName">Lower case; empty when none was asked for.</param>
    public FilterChain[] For(string serverName)
    {
        if (byName is null) return all;
        if (serverName.Length == 0 || byName.Count == 0) return unnamed;

        var names = byName.GetAlternateLookup<ReadOnlySpan<char>>();
        if (names.TryGetValue(serverName, out var exact)) return exact;
        Span<char> wildcard = stackalloc char[Math.Min(serverName.Length, NameCharsMax) + 1];
        for (var dot = serverName.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = serverName.IndexOf('.', dot + 1))
        {
            var suffix = serverName.AsSpan(dot);
            if (suffix.Length > NameCharsMax) continue;
            wildcard[0] = '*';
            suffix.CopyTo(wildcard[1..]);
            if (names.TryGetValue(wildcard[..(suffix.Length + 1)], out var wild)) return wild;
        }
        return unnamed;
    }

    // No DNS name is longer.
    private const int NameCharsMax = 255;
}
