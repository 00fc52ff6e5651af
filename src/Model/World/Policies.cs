using System.Collections.Immutable;
using Mesh.Model.Resources;

namespace Mesh.Model.World;

/// <summary>The resources of one kind by namespace, oldest first.</summary>
public sealed class ByNamespace<T>(ImmutableArray<T> byAge) where T : Resource
{
    private readonly Dictionary<string, ImmutableArray<T>> map =
        byAge.GroupBy(resource => resource.Namespace).ToDictionary(group => group.Key, group => group.ToImmutableArray());

    public ImmutableArray<T> All { get; } = byAge;

    public ImmutableArray<T> In(string ns) => map.TryGetValue(ns, out var found) ? found : [];
}

/// <summary>Everything that governs servers: identity, tokens, access, telemetry, patches. Lookups only; translation decides what they mean.</summary>
public sealed class Policies(
    string rootNamespace, ImmutableArray<PeerAuthentication> peers, ImmutableArray<RequestAuthentication> tokens, ImmutableArray<AuthorizationPolicy> access,
    ImmutableArray<Telemetry> telemetry, ImmutableArray<EnvoyFilter> patches, ImmutableArray<RateLimit> limits)
{
    public string RootNamespace { get; } = rootNamespace;
    public ByNamespace<PeerAuthentication> Peers { get; } = new(peers);
    public ByNamespace<RequestAuthentication> Tokens { get; } = new(tokens);
    public ByNamespace<AuthorizationPolicy> Access { get; } = new(access);
    public ByNamespace<Telemetry> Telemetry { get; } = new(telemetry);
    public ByNamespace<EnvoyFilter> Patches { get; } = new(patches);
    public ByNamespace<RateLimit> Limits { get; } = new(limits);

    /// <summary>Mesh-wide mode and port modes folded over namespace and workload; PERMISSIVE where nobody decides.</summary>
    public MutualTls ModeFor(string ns, LabelSet labels)
    {
        var mesh = First(Peers.In(RootNamespace), selector: null);
        var space = ns == RootNamespace ? null : First(Peers.In(ns), selector: null);
        var workload = First(Peers.In(ns), labels);

        var mode = Or(mesh?.Mode, MutualTlsMode.Permissive);
        mode = Or(space?.Mode, mode);
        mode = Or(workload?.Mode, mode);
        var ports = ImmutableSortedDictionary.CreateBuilder<int, MutualTlsMode>();
        if (workload is not null)
            foreach (var (port, portMode) in workload.Ports) ports[port] = Or(portMode, mode);
        return new(mode, ports.ToImmutable());
    }

    /// <summary>The mode that callers may assume for a whole namespace.</summary>
    public MutualTlsMode ModeForNamespace(string ns)
    {
        var mode = Or(First(Peers.In(RootNamespace), selector: null)?.Mode, MutualTlsMode.Permissive);
        return ns == RootNamespace ? mode : Or(First(Peers.In(ns), selector: null)?.Mode, mode);
    }

    /// <summary>Root namespace first, then the workload's own, of the policies that choose it.</summary>
    public ImmutableArray<RequestAuthentication> TokensFor(string ns, LabelSet labels, ImmutableArray<TargetRef> attached) =>
        Chosen(Tokens, ns, labels, attached, policy => policy.Selector, policy => policy.Targets);

    public ImmutableArray<AuthorizationPolicy> AccessFor(string ns, LabelSet labels, ImmutableArray<TargetRef> attached) =>
        Chosen(Access, ns, labels, attached, policy => policy.Selector, policy => policy.Targets);

    public ImmutableArray<RateLimit> LimitsFor(string ns, LabelSet labels, ImmutableArray<TargetRef> attached) =>
        Chosen(Limits, ns, labels, attached, limit => limit.Selector, limit => limit.Targets);

    private ImmutableArray<T> Chosen<T>(
        ByNamespace<T> from, string ns, LabelSet labels, ImmutableArray<TargetRef> attached, Func<T, LabelSet> selector, Func<T, ImmutableArray<TargetRef>> targets)
        where T : Resource
    {
        bool Applies(T policy)
        {
            var refs = targets(policy);
            return refs.IsEmpty ? selector(policy).Selects(labels) : policy.Namespace == ns && refs.Any(attached.Contains);
        }
        var chosen = from.In(RootNamespace).Where(Applies);
        if (ns != RootNamespace) chosen = chosen.Concat(from.In(ns).Where(Applies));
        return [.. chosen];
    }

    private static PeerAuthentication? First(ImmutableArray<PeerAuthentication> byAge, LabelSet? selector)
    {
        foreach (var policy in byAge)
            if (selector is null ? policy.Selector.Count == 0 : policy.Selector.Count > 0 && policy.Selector.Selects(selector)) return policy;
        return null;
    }

    private static MutualTlsMode Or(MutualTlsMode? mode, MutualTlsMode inherited) => mode is null or MutualTlsMode.Unset ? inherited : mode.Value;
}

/// <summary>The server's side of mutual TLS by workload port.</summary>
public sealed record MutualTls(MutualTlsMode Mode, ImmutableSortedDictionary<int, MutualTlsMode> Ports)
{
    public MutualTlsMode For(int port) => Ports.TryGetValue(port, out var mode) ? mode : Mode;
}
