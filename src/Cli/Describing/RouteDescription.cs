using System.Collections.Immutable;
using System.Globalization;
using Mesh.Model.Resources;
using Mesh.Model.World;

namespace Mesh.Cli.Describing;

/// <summary>Which subsets of a rule the described pods are in, and which not.</summary>
internal sealed record SubsetMatch(MergedRule? Rule, IReadOnlyList<string> In, IReadOnlyList<string> Out)
{
    public static SubsetMatch Of(MergedRule? rule, IReadOnlyList<LabelSet> pods)
    {
        var subsets = rule?.Subsets ?? [];
        bool Has(Subset subset) => pods.Any(labels => subset.Labels.Selects(labels));
        return new(rule, [.. subsets.Where(Has).Select(subset => subset.Name)], [.. subsets.Where(subset => !Has(subset)).Select(subset => subset.Name)]);
    }
}

/// <summary>A VirtualService as seen from one service's pods: what reaches them, on which condition. Istioctl's sentences.</summary>
internal sealed class RouteDescription(VirtualService vs, MeshService service, SubsetMatch subsets, Func<Resource, string> nameOf)
{
    public IEnumerable<string> Lines()
    {
        var (matching, facts) = (0, 0);
        var lines = new List<string>();
        var mismatches = new List<string>();
        foreach (var (reaches, told) in vs.Http.Select(Http).Concat(vs.Tcp.Select(Tcp)))
        {
            if (!reaches)
            {
                mismatches.AddRange(told);
                continue;
            }
            matching++;
            facts += told.Count;
            lines.AddRange(told);
        }
        if (matching == 0)
        {
            if (vs.Http.Length > 0) lines.Add($"WARNING: No destinations match pod subsets (checked {vs.Http.Length} HTTP routes)");
            if (vs.Tcp.Length > 0) lines.Add($"WARNING: No destinations match pod subsets (checked {vs.Tcp.Length} TCP routes)");
            return lines.Concat(mismatches.Select(note => "   " + note));
        }
        var others = vs.Http.Length + vs.Tls.Length + vs.Tcp.Length - matching;
        if (others > 0)
        {
            lines.Add($"{others} additional destination(s) that will not reach this pod");
            return facts == 0 ? lines.Concat(mismatches.Select(note => "   " + note)) : lines;
        }
        if (facts > 0) return lines;
        if (vs.Http.Length > 0) lines.Add($"{vs.Http.Length} HTTP route(s)");
        if (vs.Tcp.Length > 0) lines.Add($"{vs.Tcp.Length} TCP route(s)");
        return lines;
    }

    private (bool Reaches, List<string> Facts) Http(HttpRule rule)
    {
        var facts = new List<string>();
        var notes = new List<string>();
        var reaches = false;
        foreach (var share in rule.Route)
        {
            var (host, subset) = (share.Destination.Host, share.Destination.Subset);
            if (host != service.Host)
            {
                facts.Add(subset.Length == 0 ? $"Route to host \"{host}\" with weight {share.Weight}%" : $"Route to {host} with invalid config");
                continue;
            }
            if (subset.Length > 0 && subsets.Out.Contains(subset)) notes.Add($"Route to non-matching subset {subset} for ({Matches(rule.Match)})");
            else if (subset.Length > 0 && !subsets.In.Contains(subset))
                notes.Add(subsets.Rule is null ? $"Warning: Route to subset {subset} but NO DESTINATION RULE defining subsets!" : $"Warning: Route to UNKNOWN subset {subset}; check DestinationRule {nameOf(subsets.Rule.First)}");
            else
            {
                reaches = true;
                if (share.Weight > 0) facts.Add($"Route to host \"{Shown(host)}\"{(subset.Length > 0 ? $" subset \"{subset}\"" : "")} with weight {share.Weight}%");
            }
        }
        if (!reaches) return (false, notes.Count > 0 ? [.. facts, .. notes] : facts);

        var conditions = new List<string>();
        if (rule.Fault is { } fault) conditions.Add($"Fault injection {Words(fault)}");
        conditions.AddRange(rule.Match.Select(Match));
        if (conditions.Count > 0) facts.Add(string.Join(", ", conditions));
        return (true, facts);
    }

    private (bool Reaches, List<string> Facts) Tcp(L4Rule rule) => rule.Route.Any(share => share.Destination.Host == service.Host)
        ? (true, [.. rule.Match.Where(match => match.Port > 0).Select(match => $"port:{match.Port}")])
        : (false, []);

    /// <summary>As the user wrote it where that was the short form of our own namespace.</summary>
    private string Shown(string host) => host == service.Host && service.Namespace == vs.Namespace ? service.Name : host;

    private static string Matches(ImmutableArray<HttpMatch> all) => all.IsEmpty ? "everything" : string.Join(", ", all.Select(Match));

    private static string Match(HttpMatch match)
    {
        var text = "Match: ";
        if (match.Uri is { } uri) text += Words(uri) + (match.IgnoreUriCase ? " uncased" : "");
        if (!match.Headers.IsEmpty) text += $" when headers are {string.Join("; ", match.Headers.Select(header => $"{header.Name}={(header.Match is { } wanted ? Words(wanted) : "")}"))}";
        return text.Trim();
    }

    private static string Words(StringMatch match) => match.Kind switch
    {
        MatchKind.Exact => match.Value,
        MatchKind.Prefix => match.Value + "*",
        _ => $"regex:\"{match.Value}\"",
    };

    private static string Words(Fault fault)
    {
        var parts = new List<string>();
        if (fault.Delay is { } delay) parts.Add(string.Create(CultureInfo.InvariantCulture, $"delay {delay.TotalSeconds}s for {fault.DelayShare}%"));
        if (fault.AbortHttp is { } status) parts.Add(string.Create(CultureInfo.InvariantCulture, $"abort {status} for {fault.AbortShare}%"));
        if (fault.AbortGrpc is { } code) parts.Add(string.Create(CultureInfo.InvariantCulture, $"abort {code} for {fault.AbortShare}%"));
        return string.Join(", ", parts);
    }
}
