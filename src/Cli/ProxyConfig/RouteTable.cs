using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.Cli.Output;

namespace Mesh.Cli.ProxyConfig;

internal static class RouteTable
{
    /// <summary>Neighbours that have a number for a name stand by number; the others keep the dump's order.</summary>
    public static IReadOnlyList<JsonNode> Select(ConfigDump dump, string name)
    {
        var ordered = new List<JsonNode>();
        var numbered = new List<(int Port, JsonNode Route)>();
        foreach (var route in dump.Routes)
        {
            if (int.TryParse(route.Text("name"), CultureInfo.InvariantCulture, out var port))
            {
                numbered.Add((port, route));
                continue;
            }
            TakeNumbered();
            ordered.Add(route);
        }
        TakeNumbered();
        return [.. ordered.Where(route => name.Length == 0 || route.Text("name") == name)];

        void TakeNumbered()
        {
            ordered.AddRange(numbered.OrderBy(one => one.Port).Select(one => one.Route));
            numbered.Clear();
        }
    }

    public static Table Of(IEnumerable<JsonNode> routes, string prefix = "")
    {
        var table = new Table(gap: 5).Add("NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE");
        foreach (var route in routes)
            foreach (var host in route.Items("virtual_hosts"))
            {
                var domains = Domains(host);
                if (!host.Items("routes").Any()) table.Add(prefix + route.Text("name"), host.Text("name"), domains, "/*", "404");
                // What is passed through untouched is nobody's route.
                foreach (var entry in host.Items("routes").Where(entry => entry.Text("route", "cluster") != "PassthroughCluster"))
                    table.Add(prefix + route.Text("name"), host.Text("name"), domains, Match(entry.Get("match")), IstioConfig.NameOf(entry));
            }
        return table;
    }

    public static Table Short(IEnumerable<JsonNode> routes, string prefix = "")
    {
        var table = new Table(gap: 5).Add("NAME", "VIRTUAL HOSTS");
        foreach (var route in routes) table.Add(prefix + route.Text("name"), $"{route.Items("virtual_hosts").Count()}");
        return table;
    }

    /// <summary>Of the path only: a match on headers does not show.</summary>
    public static string Match(JsonNode? match)
    {
        var parts = new List<string>();
        if (match.Text("prefix") is { Length: > 0 } prefix) parts.Add($"{prefix}*");
        if (match.Text("path_separated_prefix") is { Length: > 0 } separated) parts.Add($"PathPrefix:{separated}");
        if (match.Text("path") is { Length: > 0 } path) parts.Add(path);
        if (match.Text("safe_regex", "regex") is { Length: > 0 } regex) parts.Add($"regex {regex}");
        return string.Join(' ', parts);
    }

    /// <summary>Two of them and how many more there are; names that only repeat another with its port or cluster suffix do not count.</summary>
    private static string Domains(JsonNode host)
    {
        var domains = host.Texts("domains");
        if (domains.Count == 1) return domains[0];

        var names = domains.Where(d => d.Count(c => c == ':') is var colons && (colons == 0 || colons > 2 && d.EndsWith(']'))).ToList();
        var known = names.ToHashSet();
        names.RemoveAll(name => Repeats(name, ".svc.cluster.local", known) || Repeats(name, ".svc", known));
        return string.Join(", ", names.Take(2)) + (names.Count > 2 ? $" + {names.Count - 2} more..." : "");
    }

    private static bool Repeats(string name, string suffix, HashSet<string> known) =>
        name.EndsWith(suffix, StringComparison.Ordinal) && known.Contains(name[..^suffix.Length]);
}
