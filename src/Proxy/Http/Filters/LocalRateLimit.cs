using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Http.Filters;

/// <summary>So many requests and no more: a bucket for all, and buckets for requests of a certain description.</summary>
internal sealed class LocalRateLimit(LocalRateLimitFilter settings) : HttpFilter
{
    private readonly ConnectionBuckets perConnection = new();

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        var limit = exchange.OverrideFor(settings.Name) switch
        {
            FilterOverride.LocalRateLimit given => given.Settings,
            FilterOverride.Off => null,
            null when settings.Disabled => null,
            _ => settings.Limit,
        };
        if (limit is null || !limit.Enabled.Includes((ulong)exchange.Random.NextInt64())) return default;

        var now = Seconds(exchange);
        var buckets = limit.PerDownstreamConnection ? perConnection.For(exchange.Client, limit, now) : Buckets.Of(limit, now);
        var (isAllowed, deciding) = buckets.TryTake(exchange, now);
        if (isAllowed) return default;

        if (!limit.Enforced.Includes((ulong)exchange.Random.NextInt64()))
        {
            buckets.WhenNotEnforced.Apply(exchange, exchange.Request.Headers, exchange.Request);
            return default;
        }
        return new(new Failure(FailureKind.RateLimited, Side.Local) { Answer = Answer(limit, deciding, now) });
    }

    public override void OnResponse(Exchange exchange)
    {
        if (exchange.Details != "local_rate_limited") return;
        var limit = (exchange.OverrideFor(settings.Name) as FilterOverride.LocalRateLimit)?.Settings ?? settings.Limit;
        if (!limit.ResponseHeadersWhenLimited.IsEmpty) Buckets.Of(limit, Seconds(exchange)).WhenLimited.Apply(exchange, exchange.Response.Headers, null);
    }

    private static LocalAnswer Answer(LocalRateLimitSettings limit, SharedTokenBucket? bucket, double now)
    {
        var answer = new LocalAnswer(limit.Status, "local_rate_limited") { Body = "local_rate_limited"u8.ToArray(), GrpcStatus = limit.GrpcStatus };
        if (!limit.EnableXRateLimitHeaders || bucket is null) return answer;
        return answer with
        {
            Headers =
            [
                new("x-ratelimit-limit", bucket.TokensMax.ToString(CultureInfo.InvariantCulture)),
                new("x-ratelimit-remaining", bucket.TokensLeft(now).ToString(CultureInfo.InvariantCulture)),
                new("x-ratelimit-reset", Math.Ceiling(bucket.SecondsToNext(now)).ToString(CultureInfo.InvariantCulture)),
            ],
        };
    }

    private static double Seconds(Exchange exchange) => (double)exchange.Clock.GetTimestamp() / exchange.Clock.TimestampFrequency;

    /// <summary>The buckets of one limit, shared by all loops.</summary>
    private sealed class Buckets
    {
        // Beyond it, values that were never seen share one bucket: inventing them must not fill the memory.
        private const int DynamicMax = 1000;

        private readonly LocalRateLimitSettings limit;
        private readonly SharedTokenBucket? all;
        private readonly SharedTokenBucket[] fixedOnes;
        private readonly ConcurrentDictionary<string, SharedTokenBucket> dynamic = new(StringComparer.Ordinal);

        public Buckets(LocalRateLimitSettings limit, double now)
        {
            this.limit = limit;
            all = limit.Bucket is { } bucket ? new(bucket, now) : null;
            fixedOnes = [.. limit.Descriptors.Select(descriptor => new SharedTokenBucket(descriptor.Bucket, now))];
            WhenNotEnforced = HeaderEdits.Compile(limit.RequestHeadersWhenNotEnforced);
            WhenLimited = HeaderEdits.Compile(limit.ResponseHeadersWhenLimited);
        }

        public HeaderEdits WhenNotEnforced { get; }
        public HeaderEdits WhenLimited { get; }

        // The first loop that meets the limit sets its clock; all loops' clocks count from one origin.
        public static Buckets Of(LocalRateLimitSettings limit, double now) => limit.Cell.Get(limit, s => new Buckets(s, now));

        public (bool IsAllowed, SharedTokenBucket? Deciding) TryTake(Exchange exchange, double now)
        {
            var matched = false;
            if (fixedOnes.Length > 0)
            {
                foreach (var entries in RateLimitDescriptors.Of(exchange, limit.RateLimits, limit.Stage))
                {
                    if (BucketFor(entries, now) is not { } bucket) continue;

                    matched = true;
                    if (!bucket.TryTake(now)) return (false, bucket);
                }
            }
            if (all is null || matched && !limit.AlwaysConsumeDefaultBucket) return (true, null);
            return (all.TryTake(now), all);
        }

        private SharedTokenBucket? BucketFor(IReadOnlyList<KeyValuePair<string, string>> entries, double now)
        {
            for (var i = 0; i < limit.Descriptors.Length; i++)
            {
                var descriptor = limit.Descriptors[i];
                if (!Fits(descriptor, entries, out var hasWildcard)) continue;
                if (!hasWildcard) return fixedOnes[i];

                var key = new StringBuilder().Append(i);
                foreach (var (name, value) in entries) key.Append('\n').Append(name).Append('=').Append(value);
                if (dynamic.TryGetValue(key.ToString(), out var known)) return known;
                return dynamic.Count >= DynamicMax ? fixedOnes[i] : dynamic.GetOrAdd(key.ToString(), _ => new SharedTokenBucket(descriptor.Bucket, now));
            }
            return null;
        }

        private static bool Fits(LocalRateLimitDescriptor descriptor, IReadOnlyList<KeyValuePair<string, string>> entries, out bool hasWildcard)
        {
            hasWildcard = false;
            if (descriptor.Entries.Length != entries.Count) return false;
            for (var i = 0; i < entries.Count; i++)
            {
                var (name, value) = descriptor.Entries[i];
                if (name != entries[i].Key || value.Length > 0 && value != entries[i].Value) return false;
                hasWildcard |= value.Length == 0;
            }
            return true;
        }
    }

    /// <summary>Buckets that live and die with a connection.</summary>
    private sealed class ConnectionBuckets
    {
        private readonly System.Runtime.CompilerServices.ConditionalWeakTable<ClientConnection, Buckets> all = [];

        public Buckets For(ClientConnection client, LocalRateLimitSettings limit, double now) => all.GetValue(client, _ => new Buckets(limit, now));
    }
}
