using System.Text;

namespace Mesh.Proxy.Redirect;

/// <summary>The same rules for nft, in tables of our own: one script, applied as one transaction, which replaces what was there.</summary>
internal static class NftScript
{
    private static readonly (string Table, string Prerouting, string Output)[] Hooks =
    [
        ("nat", "type nat hook prerouting priority -100", "type nat hook output priority -100"),
        ("mangle", "type filter hook prerouting priority -150", "type route hook output priority -150"),
        ("raw", "type filter hook prerouting priority -300", "type filter hook output priority -300"),
    ];

    public static string Build(IReadOnlyList<RedirectRule> v4, IReadOnlyList<RedirectRule>? v6)
    {
        var script = new StringBuilder();
        foreach (var (table, prerouting, output) in Hooks)
        {
            Clean(script, table);
            var rules = Merged(v4.Where(rule => rule.Table == table), v6?.Where(rule => rule.Table == table));
            if (rules.Count == 0) continue;

            var name = $"inet istio-proxy-{table}";
            script.Append($"add table {name}\n");
            script.Append($"add chain {name} prerouting {{ {prerouting} ; }}\nadd chain {name} output {{ {output} ; }}\n");
            foreach (var chain in rules.SelectMany(rule => (string?[])[rule.Rule.Chain, rule.Rule.Target]).Where(chain => chain?.StartsWith("ISTIO_", StringComparison.Ordinal) == true).Distinct())
                script.Append($"add chain {name} {Name(chain!)}\n");
            foreach (var chain in rules.GroupBy(rule => rule.Rule.Chain))
                foreach (var (rule, family) in Ordered([.. chain]))
                    script.Append($"add rule {name} {Name(rule.Chain)} {Text(rule, family)}\n");
        }
        return script.ToString();
    }

    public static string Cleanup()
    {
        var script = new StringBuilder();
        foreach (var (table, _, _) in Hooks) Clean(script, table);
        return script.ToString();
    }

    // Adding what may be there, then deleting what surely is: nft has no "delete if it exists" in every version we meet.
    private static void Clean(StringBuilder script, string table) =>
        script.Append($"add table inet istio-proxy-{table}\ndelete table inet istio-proxy-{table}\n");

    /// <summary>A rule that both families have word for word is written once.</summary>
    private static List<(RedirectRule Rule, string? Family)> Merged(IEnumerable<RedirectRule> v4, IEnumerable<RedirectRule>? v6)
    {
        var merged = new List<(RedirectRule, string?)>();
        var rest = v6?.ToList() ?? [];
        foreach (var rule in v4)
        {
            var same = rest.FindIndex(other => other.ToString() == rule.ToString());
            if (same >= 0)
            {
                merged.AddRange(rest.Take(same).Select(other => (other, (string?)"ipv6")));
                rest.RemoveRange(0, same + 1);
                merged.Add((rule, null));
            }
            else merged.Add((rule, "ipv4"));
        }
        merged.AddRange(rest.Select(other => (other, (string?)"ipv6")));
        return merged;
    }

    private static List<(RedirectRule Rule, string? Family)> Ordered(List<(RedirectRule Rule, string? Family)> rules)
    {
        var ordered = new List<(RedirectRule Rule, string? Family)>();
        foreach (var rule in rules)
        {
            if (rule.Rule.Position is not { } position) ordered.Add(rule);
            // Where the families differ in a rule, two stand at one position.
            else ordered.Insert(Math.Min(ordered.Count, position == 1 ? 0 : ordered.FindLastIndex(other => other.Rule.Position < position) + 1 + ordered.Count(other => other.Rule.Position == position)), rule);
        }
        return ordered;
    }

    private static string Name(string chain) => chain.ToLowerInvariant().Replace('_', '-');

    private static string Text(RedirectRule rule, string? family)
    {
        var ip = rule.Words.Any(word => word.Contains(':', StringComparison.Ordinal)) || family == "ipv6" ? "ip6" : "ip";
        var protocol = rule.Words.IndexOf("-p") is >= 0 and var at ? rule.Words[at + 1] : "tcp";
        var parts = new List<string>();
        if (family is not null && !rule.Words.Contains("-d") && !rule.Words.Contains("-s")) parts.Add($"meta nfproto {family}");

        var not = "";
        for (var i = 0; i < rule.Words.Length; i++)
        {
            var word = rule.Words[i];
            if (word == "!")
            {
                not = "!= ";
                continue;
            }
            if (word == "-m") { i++; continue; }
            if (word == "-j") { parts.Add("counter " + Verdict(rule, i + 1, ip)); break; }

            var value = rule.Words[++i];
            parts.Add(word switch
            {
                "-i" => $"iifname {not}\"{value}\"",
                "-o" => $"oifname {not}\"{value}\"",
                "-p" => $"meta l4proto {not}{value}",
                "-d" => $"{ip} daddr {not}{value}",
                "-s" => $"{ip} saddr {not}{value}",
                "--dport" => $"{protocol} dport {not}{value}",
                "--sport" => $"{protocol} sport {not}{value}",
                "--dports" => $"{protocol} dport {not}{{ {value.Replace(",", ", ", StringComparison.Ordinal)} }}",
                "--uid-owner" => $"meta skuid {not}{Quoted(value)}",
                "--gid-owner" => $"meta skgid {not}{Quoted(value)}",
                "--ctstate" => $"ct state {not}{value.ToLowerInvariant()}",
                "--mark" => rule.Words.Contains("connmark") ? $"ct mark {not}{value}" : $"meta mark {not}{value}",
                _ => throw new InvalidOperationException($"no nft word for {word}"),
            });
            not = "";
        }
        return string.Join(' ', parts);
    }

    private static string Quoted(string owner) => owner.All(char.IsAsciiDigit) ? owner : $"\"{owner}\"";

    private static string Verdict(RedirectRule rule, int at, string ip)
    {
        string After(string word) => rule.Words[rule.Words.IndexOf(word) + 1];
        return rule.Words[at] switch
        {
            "RETURN" => "return",
            "ACCEPT" => "accept",
            "DROP" => "drop",
            "REDIRECT" => $"redirect to :{rule.Words[at + 2]}",
            "MARK" => $"meta mark set {After("--set-mark")}",
            "CONNMARK" when rule.Words.Contains("--save-mark") => "ct mark set mark",
            "CONNMARK" => "meta mark set ct mark",
            "CT" => $"ct zone set {After("--zone")}",
            "TPROXY" => $"tproxy {ip} to :{After("--on-port")} meta mark set {After("--tproxy-mark").Split('/')[0]} accept",
            var chain => "jump " + Name(chain),
        };
    }
}
