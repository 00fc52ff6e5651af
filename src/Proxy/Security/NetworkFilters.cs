using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Security;

/// <summary>The network filters that stand before a chain's terminal one, in their order.</summary>
internal static class NetworkFilters
{
    /// <summary>Null: the connection goes on. A failure: it is closed, with these details.</summary>
    public static Failure? Refusal(Worker worker, ClientConnection client, FilterChain chain)
    {
        foreach (var filter in chain.Filters)
        {
            switch (filter)
            {
                case NetworkAuthorization authorization when ConnectionAuthorization.Refusal(authorization, client) is { } details:
                    return new(FailureKind.AuthorizationDenied, Side.Local) { Answer = new(0, details) };
                case NetworkLocalRateLimit limit when limit.Enabled.Includes((ulong)worker.Loop.Random.NextInt64()) && !TryTake(limit, worker):
                    return new(FailureKind.RateLimited, Side.Local) { Answer = new(0, "local_rate_limited") };
                case NetworkExternalAuthorization external when IsAsked(external, chain, client) && !external.FailOpen:
                    // Authorizers are asked about requests only; a connection that would need asking is refused, not let through.
                    return new(FailureKind.ExternalFailed, Side.Local) { Answer = new(0, "ext_authz_error") };
            }
        }
        return null;
    }

    private static bool IsAsked(NetworkExternalAuthorization external, FilterChain chain, ClientConnection client) =>
        external.EnabledBy is null || chain.Filters.OfType<NetworkAuthorization>().Any(rules => ConnectionAuthorization.ShadowMatch(rules, client) is not null);

    private static bool TryTake(NetworkLocalRateLimit limit, Worker worker)
    {
        var now = (double)worker.Loop.Clock.GetTimestamp() / worker.Loop.Clock.TimestampFrequency;
        return limit.Bucket.Cell.Get(limit.Bucket, bucket => new SharedTokenBucket(bucket, now)).TryTake(now);
    }
}
