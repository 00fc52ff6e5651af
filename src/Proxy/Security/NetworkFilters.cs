using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Security;

/// <summary>The network filters that stand before a chain's terminal one, in their order.</summary>
internal static class NetworkFilters
{
    /// <summary>What the proxy decides by itself. Null: the connection goes on. A failure: it is closed, with these details.</summary>
    /// <param name="isAskedLater">Somebody else is asked behind this (<see cref="ToAsk"/>); otherwise what would need asking is refused, not let through.</param>
    public static Failure? Refusal(Worker worker, ClientConnection client, FilterChain chain, bool isAskedLater)
    {
        foreach (var filter in chain.Filters)
        {
            switch (filter)
            {
                case NetworkAuthorization authorization when ConnectionAuthorization.Refusal(authorization, client) is { } details:
                    return new(FailureKind.AuthorizationDenied, Side.Local) { Answer = new(0, details) };
                case NetworkLocalRateLimit limit when limit.Enabled.Includes((ulong)worker.Loop.Random.NextInt64()) && !TryTake(limit, worker):
                    return new(FailureKind.RateLimited, Side.Local) { Answer = new(0, "local_rate_limited") };
                case NetworkExternalAuthorization external when !isAskedLater && IsAsked(external, chain, client) && !external.FailOpen:
                    return new(FailureKind.ExternalFailed, Side.Local) { Answer = new(0, "ext_authz_error") };
            }
        }
        return null;
    }

    /// <summary>The authorizers whose word this connection needs.</summary>
    public static IEnumerable<NetworkExternalAuthorization> ToAsk(FilterChain chain, ClientConnection client)
    {
        foreach (var filter in chain.Filters)
            if (filter is NetworkExternalAuthorization external && IsAsked(external, chain, client)) yield return external;
    }

    private static bool IsAsked(NetworkExternalAuthorization external, FilterChain chain, ClientConnection client) =>
        external.EnabledBy is null || chain.Filters.OfType<NetworkAuthorization>().Any(rules => ConnectionAuthorization.ShadowMatch(rules, client) is not null);

    private static bool TryTake(NetworkLocalRateLimit limit, Worker worker)
    {
        var now = (double)worker.Loop.Clock.GetTimestamp() / worker.Loop.Clock.TimestampFrequency;
        return limit.Bucket.Cell.Get(limit.Bucket, bucket => new SharedTokenBucket(bucket, now)).TryTake(now);
    }
}
