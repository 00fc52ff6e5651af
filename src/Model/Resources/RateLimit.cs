using System.Collections.Immutable;

namespace Mesh.Model.Resources;

/// <summary>Which requests a rule counts: all that fit every list which is not empty.</summary>
public sealed record RateLimitMatch(ImmutableArray<string> Hosts, ImmutableArray<string> PathPrefixes, ImmutableArray<string> Methods, ImmutableArray<KeyValuePair<string, string>> Headers);

/// <param name="Burst">How many may come at once.</param>
/// <param name="Each">What has a count of its own: <c>client-address</c>, or <c>header:NAME</c>. None: all requests share one.</param>
public sealed record RateLimitRule(string Name, uint Requests, TimeSpan Per, uint Burst, RateLimitMatch? Match, ImmutableArray<string> Each)
{
    public static RateLimitRule Read(Fields f)
    {
        var requests = (uint)f.Int("requests");
        return new(f.Text("name"), requests, f.Duration("per") ?? TimeSpan.FromSeconds(1), f.IntOrNull("burst") is > 0 and var burst ? (uint)burst : requests,
            f.Maybe("match", m => new RateLimitMatch(m.Texts("hosts"), m.Texts("pathPrefixes"), m.Texts("methods"), [.. m["headers"].Pairs()])), f.Texts("each"));
    }
}

/// <summary>mesh.local RateLimit: so many requests, counted by each proxy for itself. Everything over it is answered 429.</summary>
public sealed class RateLimit(ResourceMeta meta, Fields root) : Resource(meta)
{
    public LabelSet Selector { get; } = root["spec"]["selector"].Labels("matchLabels");
    public ImmutableArray<TargetRef> Targets { get; } = TargetRef.ReadAll(root["spec"]);
    public ImmutableArray<RateLimitRule> Rules { get; } = root["spec"].Each("rules", RateLimitRule.Read);
    public bool IsDryRun { get; } = root["spec"].Bool("dryRun");
    public bool TellsCallers { get; } = root["spec"].Bool("rateLimitHeaders");
}
