namespace Mesh.Model.Validation.Rules;

/// <summary>Warns of routes and matches that no request can reach. Linear but for the overlap of prefixes, which is bounded.</summary>
internal static class UnreachableRules
{
    // Beyond this many prefix matches the pairwise overlap check would cost seconds; exact duplicates are still found.
    private const int OverlapMatchesMax = 2000;

    public static void CheckHttp(IReadOnlyList<Message> routes, Report report)
    {
        Check(routes, report, out var prefixes);
        if (prefixes.Count > OverlapMatchesMax) return;

        for (var i = 0; i < prefixes.Count; i++)
            for (var j = i + 1; j < prefixes.Count; j++)
            {
                var (earlier, later) = (prefixes[i], prefixes[j]);
                if (later.Prefix == earlier.Prefix || !earlier.Covers(later)) continue;

                var match = $"{later.Match} of prefix {later.Prefix}";
                Ineffective(later.Route, match, $"{earlier.Match} of prefix {earlier.Prefix} on {earlier.Route}", later.Source, report);
            }
    }

    public static void Check(IReadOnlyList<Message> routes, Report report) => Check(routes, report, out _);

    private static void Check(IReadOnlyList<Message> routes, Report report, out List<PrefixMatch> prefixes)
    {
        prefixes = [];
        var seen = new Dictionary<string, int>();
        var catchAllSeen = false;
        for (var at = 0; at < routes.Count; at++)
        {
            var matches = routes[at].Children("match");
            var route = Name(routes[at], at);
            if (matches.Count == 0)
            {
                if (catchAllSeen) Unreachable(route, "only the last rule can have no matches", routes[at], report);
                catchAllSeen = true;
                continue;
            }

            var duplicates = 0;
            for (var m = 0; m < matches.Count; m++)
            {
                var match = matches[m];
                if (catchAllSeen)
                {
                    Unreachable(route, "route without matches defined before", routes[at], report);
                    continue;
                }
                var content = match.Canonical(without: "name");
                if (seen.TryGetValue(content, out var first))
                {
                    Ineffective(route, Name(match, m), Name(routes[first], first), match, report);
                    duplicates++;
                    continue;
                }
                seen[content] = at;
                if (match.Type.Find("uri") is not null && match.Child("uri")?.Text("prefix") is { Length: > 0 } prefix)
                    prefixes.Add(PrefixMatch.Of(prefix, route, Name(match, m), match));
            }
            if (duplicates == matches.Count) Unreachable(route, "all matches used by prior rules", routes[at], report);
        }
    }

    private static string Name(Message message, int at) =>
        message.Type.Find("name") is not null && message.Text("name") is { Length: > 0 } name ? $"\"{name}\"" : $"#{at}";

    private static void Unreachable(string rule, string reason, Message at, Report report) =>
        report.Warn($"virtualService rule {rule} not used ({reason})", at.Source, "IST0130", rule, reason);

    private static void Ineffective(string rule, string match, string earlier, Message at, Report report) =>
        report.Warn($"virtualService rule {rule} match {match} is not used (duplicate/overlapping match in rule {earlier})", at.Source, "IST0131", rule, match, earlier);

    /// <summary>What decides whether an earlier prefix takes all that a later one would.</summary>
    private sealed record PrefixMatch(string Prefix, string Route, string Match, Message Source, long Port, string Method, string Authority,
        Dictionary<string, string> Headers, Dictionary<string, string> Query, Dictionary<string, string> Without)
    {
        public static PrefixMatch Of(string prefix, string route, string name, Message match) =>
            new(prefix, route, name, match, match.Number("port"), Text(match.Child("method")) is { Length: > 0 } m ? m : "exact:GET", Text(match.Child("authority")),
                Texts(match, "headers"), Texts(match, "queryParams"), Texts(match, "withoutHeaders"));

        public bool Covers(PrefixMatch later) =>
            later.Prefix.StartsWith(Prefix, StringComparison.Ordinal) && Port == later.Port
            && Method.StartsWith(later.Method, StringComparison.Ordinal) && Authority.StartsWith(later.Authority, StringComparison.Ordinal)
            && All(Headers, later.Headers) && All(Query, later.Query) && All(Without, later.Without);

        private static bool All(Dictionary<string, string> earlier, Dictionary<string, string> later) =>
            earlier.Count == later.Count && earlier.All(e => later.TryGetValue(e.Key, out var value) && e.Value.StartsWith(value, StringComparison.Ordinal));

        private static Dictionary<string, string> Texts(Message match, string field) => match.Map(field).ToDictionary(e => e.Key, e => Text((Message)e.Value));

        private static string Text(Message? match) =>
            match?.Text("exact") is { Length: > 0 } exact ? $"exact:{exact}" : match?.Text("prefix") is { Length: > 0 } prefix ? $"prefix:{prefix}" : "";
    }
}
