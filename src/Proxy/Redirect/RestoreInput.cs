using System.Text;

namespace Mesh.Proxy.Redirect;

/// <summary>Rules as the input of one iptables-restore --noflush: all or nothing, table by table.</summary>
internal static class RestoreInput
{
    private const string OurChains = "ISTIO_";

    /// <summary>For a namespace that has none of our chains.</summary>
    public static string Fresh(IReadOnlyList<RedirectRule> rules)
    {
        var text = new StringBuilder();
        foreach (var table in Tables(rules))
        {
            text.Append("* ").Append(table.Key).Append('\n');
            foreach (var chain in Chains(table)) text.Append("-N ").Append(chain).Append('\n');
            foreach (var rule in table) text.Append(rule).Append('\n');
            text.Append("COMMIT\n");
        }
        return text.ToString();
    }

    /// <summary>What is there of ours goes, what is wanted comes, in the same step: nobody ever sees a pod without its redirection.</summary>
    /// <param name="saved">What iptables-save said.</param>
    /// <param name="present">Our rules in the system's own chains that are there now.</param>
    public static string Replacing(IReadOnlyList<RedirectRule> rules, string saved, IReadOnlyList<RedirectRule> present)
    {
        var old = Saved(saved);
        var text = new StringBuilder();
        foreach (var table in old.Keys.Union(rules.Select(rule => rule.Table)).Order(StringComparer.Ordinal))
        {
            var wanted = rules.Where(rule => rule.Table == table).ToList();
            var (chains, jumps) = old.GetValueOrDefault(table, ([], []));
            text.Append("* ").Append(table).Append('\n');
            // Naming a chain empties it, or makes it.
            foreach (var chain in Chains(wanted).Union(chains)) text.Append(':').Append(chain).Append(" - [0:0]\n");
            foreach (var jump in jumps) text.Append("-D ").Append(jump).Append('\n');
            foreach (var rule in present.Where(rule => rule.Table == table && !IsJump(rule))) text.Append($"-D {rule.Chain} {string.Join(' ', rule.Words)}\n");
            foreach (var rule in wanted) text.Append(rule).Append('\n');
            foreach (var chain in chains.Except(Chains(wanted))) text.Append("-X ").Append(chain).Append('\n');
            text.Append("COMMIT\n");
        }
        return text.ToString();
    }

    public static bool HasOurs(string saved) => Saved(saved).Count > 0;

    /// <summary>A rule in the system's chains that leads into ours; iptables-save shows these as they are deleted.</summary>
    public static bool IsJump(RedirectRule rule) => rule.Target is { } target && target.StartsWith(OurChains, StringComparison.Ordinal);

    private static IEnumerable<IGrouping<string, RedirectRule>> Tables(IEnumerable<RedirectRule> rules) =>
        rules.GroupBy(rule => rule.Table).OrderBy(table => table.Key, StringComparer.Ordinal);

    private static IEnumerable<string> Chains(IEnumerable<RedirectRule> rules)
    {
        var list = rules.ToList();
        return list.Select(rule => rule.Chain).Concat(list.Select(rule => rule.Target).OfType<string>())
            .Where(chain => chain.StartsWith(OurChains, StringComparison.Ordinal)).Distinct();
    }

    private static SortedDictionary<string, (List<string> Chains, List<string> Jumps)> Saved(string saved)
    {
        var tables = new SortedDictionary<string, (List<string> Chains, List<string> Jumps)>(StringComparer.Ordinal);
        var table = "";
        foreach (var line in saved.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line[0] == '*') table = line[1..].Trim();
            else if (line[0] == ':' && line.StartsWith(":" + OurChains, StringComparison.Ordinal)) Of(table).Chains.Add(line[1..].Split(' ')[0]);
            else if (line.StartsWith("-A ", StringComparison.Ordinal) && !line.StartsWith("-A " + OurChains, StringComparison.Ordinal) && line.Contains("-j " + OurChains, StringComparison.Ordinal))
                Of(table).Jumps.Add(line[3..]);
        }
        return tables;

        (List<string> Chains, List<string> Jumps) Of(string name)
        {
            if (!tables.TryGetValue(name, out var lists)) tables[name] = lists = ([], []);
            return lists;
        }
    }
}
