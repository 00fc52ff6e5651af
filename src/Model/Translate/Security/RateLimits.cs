using System.Collections.Immutable;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Common.Ratelimit.V3;
using Envoy.Extensions.Filters.Http.LocalRatelimit.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Envoy.Type.Matcher.V3;
using Envoy.Type.V3;
using Google.Protobuf.WellKnownTypes;
using Mesh.Model.Resources;
using RateLimit = Mesh.Model.Resources.RateLimit;

namespace Mesh.Model.Translate;

/// <summary>RateLimit resources as Envoy's local rate limit filter: a bucket for each rule, and for each client or header value where the rule asks for it.</summary>
internal static class RateLimits
{
    private const string HeaderPrefix = "header:";

    public static IEnumerable<HttpFilter> Http(ImmutableArray<RateLimit> limits) => limits.Select(limit =>
        HttpManagers.Filter($"mesh.rate_limit.{limit.Namespace}.{limit.Name}", Build(limit)));

    private static LocalRateLimit Build(RateLimit limit)
    {
        var made = new LocalRateLimit
        {
            StatPrefix = $"{limit.Namespace}.{limit.Name}",
            Status = new() { Code = StatusCode.TooManyRequests },
            // Requests that no rule speaks of are not limited; the filter asks for a bucket of theirs all the same.
            TokenBucket = Bucket(uint.MaxValue, uint.MaxValue, TimeSpan.FromSeconds(1)),
            AlwaysConsumeDefaultTokenBucket = false,
            FilterEnabled = new() { DefaultValue = new() { Numerator = 100 } },
            FilterEnforced = new() { DefaultValue = new() { Numerator = limit.IsDryRun ? 0u : 100u } },
            EnableXRatelimitHeaders = limit.TellsCallers ? XRateLimitHeadersRFCVersion.DraftVersion03 : XRateLimitHeadersRFCVersion.Off,
        };
        foreach (var rule in limit.Rules)
        {
            var descriptor = new LocalRateLimitDescriptor { TokenBucket = Bucket(rule.Burst, rule.Requests, rule.Per) };
            descriptor.Entries.Add(new RateLimitDescriptor.Types.Entry { Key = "rule", Value = rule.Name });
            foreach (var condition in Conditions(rule.Match)) descriptor.Entries.Add(new RateLimitDescriptor.Types.Entry { Key = condition.HeaderValueMatch.DescriptorKey, Value = "yes" });
            foreach (var each in rule.Each) descriptor.Entries.Add(new RateLimitDescriptor.Types.Entry { Key = KeyOf(each) });
            made.Descriptors.Add(descriptor);
            foreach (var keys in Keys(rule.Each))
            {
                var actions = new Envoy.Config.Route.V3.RateLimit();
                actions.Actions.Add(new Envoy.Config.Route.V3.RateLimit.Types.Action { GenericKey = new() { DescriptorKey = "rule", DescriptorValue = rule.Name } });
                actions.Actions.Add(Conditions(rule.Match));
                actions.Actions.Add(keys);
                made.RateLimits.Add(actions);
            }
        }
        return made;
    }

    private static IEnumerable<Envoy.Config.Route.V3.RateLimit.Types.Action> Conditions(RateLimitMatch? match)
    {
        if (match is null) yield break;
        if (!match.Hosts.IsEmpty) yield return Condition("host", Any(":authority", match.Hosts, Host));
        if (!match.PathPrefixes.IsEmpty) yield return Condition("path", Any(":path", match.PathPrefixes, prefix => $"{Escape(prefix)}.*"));
        if (!match.Methods.IsEmpty) yield return Condition("method", Any(":method", match.Methods, Escape));
        if (!match.Headers.IsEmpty)
            yield return Condition("headers", [.. match.Headers.Select(header => new HeaderMatcher { Name = header.Key, StringMatch = new() { Exact = header.Value } })]);
    }

    /// <summary>A name, or *.name, with or without a port.</summary>
    private static string Host(string host) => (host.StartsWith('*') ? $".*{Escape(host[1..])}" : Escape(host)) + "(:[0-9]+)?";

    private static HeaderMatcher[] Any(string name, ImmutableArray<string> values, Func<string, string> pattern) =>
        [new() { Name = name, StringMatch = new() { SafeRegex = Protos.Regex(string.Join('|', values.Select(pattern))) } }];

    private static Envoy.Config.Route.V3.RateLimit.Types.Action Condition(string key, params HeaderMatcher[] headers) => new()
    {
        HeaderValueMatch = new() { DescriptorKey = key, DescriptorValue = "yes", ExpectMatch = true, Headers = { headers } },
    };

    /// <summary>A request without the header is counted with all others that lack it: leaving it out must not be a way round the limit.</summary>
    private static IEnumerable<ImmutableArray<Envoy.Config.Route.V3.RateLimit.Types.Action>> Keys(ImmutableArray<string> each)
    {
        IEnumerable<ImmutableArray<Envoy.Config.Route.V3.RateLimit.Types.Action>> all = [[]];
        foreach (var one in each)
        {
            var ways = Ways(one).ToList();
            all = [.. all.SelectMany(so => ways.Select(so.Add))];
        }
        return all;
    }

    private static IEnumerable<Envoy.Config.Route.V3.RateLimit.Types.Action> Ways(string each)
    {
        if (!each.StartsWith(HeaderPrefix, StringComparison.Ordinal))
        {
            yield return new() { RemoteAddress = new() };
            yield break;
        }
        var name = each[HeaderPrefix.Length..].ToLowerInvariant();
        yield return new() { RequestHeaders = new() { HeaderName = name, DescriptorKey = KeyOf(each) } };
        yield return new() { HeaderValueMatch = new() { DescriptorKey = KeyOf(each), DescriptorValue = "(none)", ExpectMatch = false, Headers = { new HeaderMatcher { Name = name, PresentMatch = true } } } };
    }

    // The address has a key of its own that cannot be chosen.
    private static string KeyOf(string each) => each.StartsWith(HeaderPrefix, StringComparison.Ordinal) ? each.ToLowerInvariant() : "remote_address";

    private static TokenBucket Bucket(uint most, uint perFill, TimeSpan interval) => new() { MaxTokens = most, TokensPerFill = perFill, FillInterval = Duration.FromTimeSpan(interval) };

    private static string Escape(string text) => System.Text.RegularExpressions.Regex.Escape(text);
}
