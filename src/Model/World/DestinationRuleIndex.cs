using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>The DestinationRules for one host that Istio merges: oldest first, subsets joined, the first traffic policy wins.</summary>
public sealed class MergedRule(DestinationRule first, string host, ImmutableArray<string> exportTo, TrafficPolicy? policy, ImmutableArray<Subset> subsets)
{
    public DestinationRule First { get; } = first;
    public string Host { get; } = host;
    public ImmutableArray<string> ExportTo { get; } = exportTo;
    public TrafficPolicy? Policy { get; } = policy;
    public ImmutableArray<Subset> Subsets { get; } = subsets;
    public string Namespace => First.Namespace;
    public string Name => First.Name;
    public LabelSet? Selector => First.WorkloadSelector;

    internal MergedRule With(DestinationRule next) => new(
        First, Host, ExportTo, next.IsBackendTls ? Secured(Policy, next.TrafficPolicy!) : First.IsBackendTls ? Secured(next.TrafficPolicy, Policy!) : Policy ?? next.TrafficPolicy, [.. Subsets, .. next.Subsets.Where(subset => Subsets.All(known => known.Name != subset.Name))]);

    /// <summary>What somebody wrote of everything else, with the TLS of a BackendTLSPolicy: traffic never goes out in plain text because both are there.</summary>
    private static TrafficPolicy Secured(TrafficPolicy? written, TrafficPolicy tls)
    {
        if (written is null) return tls;
        TrafficPolicy Own(TrafficPolicy policy) => policy with { Tls = tls.Tls ?? policy.Tls };
        var ports = written.Ports.ToDictionary(entry => entry.Port, entry => Own(entry.Policy));
        foreach (var entry in tls.Ports) ports[entry.Port] = ports.GetValueOrDefault(entry.Port, written with { Ports = [] }) with { Tls = entry.Policy.Tls };
        return Own(written) with { Ports = [.. ports.Select(pair => new PortPolicy(pair.Key, pair.Value))] };
    }
}

/// <summary>Finds the rule for a client and a host: the client's namespace, then the service's, then the root namespace.</summary>
public sealed class DestinationRuleIndex
{
    private readonly Dictionary<string, ByHost> own = [];
    private readonly Dictionary<string, ByHost> exported = [];
    private readonly ByHost rootPrivate;
    private readonly string rootNamespace;
    private readonly Dictionary<DestinationRule, MergedRule> alone = [];
    private readonly Dictionary<DestinationRule, MergedRule>? known;

    /// <param name="before">Of the same mesh: what stands there alone and did not change is taken over, so that whatever was made of it stays.</param>
    internal DestinationRuleIndex(ImmutableArray<DestinationRule> byAge, MeshConfig mesh, DestinationRuleIndex? before = null)
    {
        known = before?.alone;
        rootPrivate = new(this);
        rootNamespace = mesh.RootNamespace;
        foreach (var rule in byAge)
        {
            var exportTo = rule.ExportTo.IsEmpty ? mesh.DestinationRuleExportTo : rule.ExportTo;
            var host = Hostnames.Resolve(rule.Host, rule.Namespace, mesh.Domain);
            Of(own, rule.Namespace).Add(host, rule, exportTo);
            if (Exports.LeaveHome(exportTo, rule.Namespace)) Of(exported, rule.Namespace).Add(host, rule, exportTo);
            else if (rule.Namespace == rootNamespace) rootPrivate.Add(host, rule, exportTo);
        }
        known = null;
    }

    public MergedRule? For(string clientNamespace, LabelSet clientLabels, string host, string serviceNamespace)
    {
        var home = clientNamespace == rootNamespace ? rootPrivate : own.GetValueOrDefault(clientNamespace);
        return home?.Find(host, clientNamespace, clientLabels, checksExport: false)
            ?? exported.GetValueOrDefault(serviceNamespace)?.Find(host, clientNamespace, clientLabels, checksExport: true)
            ?? exported.GetValueOrDefault(rootNamespace)?.Find(host, clientNamespace, clientLabels, checksExport: true);
    }

    private ByHost Of(Dictionary<string, ByHost> map, string ns) => map.TryGetValue(ns, out var found) ? found : map[ns] = new(this);

    /// <summary>The same object in all lists that hold the rule without another beside it.</summary>
    private MergedRule Alone(DestinationRule rule, string host, ImmutableArray<string> exportTo)
    {
        if (alone.TryGetValue(rule, out var made)) return made;
        return alone[rule] = known?.GetValueOrDefault(rule) ?? new(rule, host, exportTo, rule.TrafficPolicy, [.. rule.Subsets.DistinctBy(subset => subset.Name)]);
    }

    private sealed class ByHost(DestinationRuleIndex index)
    {
        private readonly Dictionary<string, List<MergedRule>> exact = [];
        private readonly List<string> wildcards = [];

        public void Add(string host, DestinationRule rule, ImmutableArray<string> exportTo)
        {
            if (!exact.TryGetValue(host, out var rules))
            {
                exact[host] = rules = [];
                if (Hostnames.IsWildcard(host))
                {
                    wildcards.Add(host);
                    wildcards.Sort(Hostnames.BySpecificity);
                }
            }
            for (var i = 0; i < rules.Count && rule.WorkloadSelector is null; i++)
                if (rules[i].Selector is null && rules[i].ExportTo.ToHashSet().SetEquals(exportTo))
                {
                    rules[i] = rules[i].With(rule);
                    return;
                }
            rules.Add(index.Alone(rule, host, exportTo));
        }

        public MergedRule? Find(string host, string clientNamespace, LabelSet clientLabels, bool checksExport)
        {
            if (exact.TryGetValue(host, out var rules) && Choose(rules, clientNamespace, clientLabels, checksExport) is { } found) return found;
            foreach (var wildcard in wildcards)
                if (wildcard != host && Hostnames.IsWithin(host, wildcard) && Choose(exact[wildcard], clientNamespace, clientLabels, checksExport) is { } match)
                    return match;
            return null;
        }

        private static MergedRule? Choose(List<MergedRule> rules, string clientNamespace, LabelSet clientLabels, bool checksExport)
        {
            MergedRule? plain = null;
            foreach (var rule in rules)
            {
                if (checksExport && !Exports.Reach(rule.ExportTo, rule.Namespace, clientNamespace)) continue;
                if (rule.Selector is null) plain ??= rule;
                else if (rule.Namespace == clientNamespace && rule.Selector.Selects(clientLabels)) return rule;
            }
            return plain;
        }
    }
}
