using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>
/// A bucket of tokens that all loops draw from. It holds one number: the instant at which it was, or will be, empty; tokens are the time since then.
/// So a draw is one compare-and-swap and nothing has to be refilled.
/// </summary>
internal sealed class SharedTokenBucket
{
    private readonly double secondsPerToken;
    private readonly double secondsFull;
    private double emptyAt;

    public SharedTokenBucket(TokenBucket settings, double nowSeconds)
    {
        secondsPerToken = settings.FillInterval.TotalSeconds / settings.TokensPerFill;
        secondsFull = secondsPerToken * settings.TokensMax;
        emptyAt = nowSeconds - secondsFull;
        TokensMax = settings.TokensMax;
    }

    public uint TokensMax { get; }

    public bool TryTake(double nowSeconds)
    {
        while (true)
        {
            var before = Volatile.Read(ref emptyAt);
            // A full bucket does not become fuller.
            var from = Math.Max(before, nowSeconds - secondsFull);
            var after = from + secondsPerToken;
            // The slack is for the rounding of a sum of many small numbers, a nanosecond.
            if (after > nowSeconds + 1e-9) return false;
            if (Interlocked.CompareExchange(ref emptyAt, after, before) == before) return true;
        }
    }

    public uint TokensLeft(double nowSeconds) =>
        (uint)Math.Clamp((nowSeconds - Math.Max(Volatile.Read(ref emptyAt), nowSeconds - secondsFull)) / secondsPerToken + 1e-9, 0, TokensMax);

    /// <summary>Seconds until there is a token again.</summary>
    public double SecondsToNext(double nowSeconds) => Math.Max(0, Volatile.Read(ref emptyAt) + secondsPerToken - nowSeconds);
}
