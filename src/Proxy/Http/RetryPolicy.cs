using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>Whether a failed or unwelcome attempt is made again, and after how long. Static rules; what is counted is counted by the exchange and its cluster.</summary>
internal static class RetryPolicy
{
    /// <summary>The route's policy, or else its virtual host's; null: no retries.</summary>
    public static RetrySettings? Of(Exchange exchange)
    {
        var settings = (exchange.Route?.Action as Forward)?.Retry ?? exchange.VirtualHost?.Retry;
        if (settings is not { On: not RetryOn.None, RetriesMax: > 0 }) return null;
        if (settings.RequestHeaders.IsEmpty) return settings;

        foreach (var predicate in Rules(settings).Request)
            if (predicate.IsMatch(exchange.Request)) return settings;
        return null;
    }

    public static bool Wants(RetrySettings settings, in Failure failure)
    {
        var (on, retry) = (settings.On, failure.Entry.Retry);
        if (retry == RetryClass.Never) return false;
        // These three take any way of having got no response.
        if ((on & (RetryOn.Reset | RetryOn.ServerError | RetryOn.GatewayError)) != 0) return true;
        if ((on & RetryOn.ResetBeforeRequest) != 0 && failure.BeforeRequestSent) return true;

        return retry switch
        {
            RetryClass.ConnectFailure => (on & RetryOn.ConnectFailure) != 0,
            RetryClass.RefusedStream => (on & RetryOn.RefusedStream) != 0,
            _ => false,
        };
    }

    public static bool Wants(RetrySettings settings, Exchange exchange)
    {
        var (on, status, headers) = (settings.On, exchange.Response.Status, exchange.Response.Headers);
        // An upstream proxy that is overloaded would only be more so.
        if (headers.Has(KnownHeader.XEnvoyOverloaded)) return false;
        if (headers.Has(KnownHeader.XEnvoyRatelimited)) return (on & RetryOn.EnvoyRateLimited) != 0;

        if ((on & RetryOn.ServerError) != 0 && status >= 500) return true;
        if ((on & RetryOn.GatewayError) != 0 && status is 502 or 503 or 504) return true;
        if ((on & RetryOn.Retriable4xx) != 0 && status == 409) return true;
        if ((on & RetryOn.StatusCodes) != 0 && settings.StatusCodes.Contains(status)) return true;
        if ((on & RetryOn.Headers) != 0 && AnyResponseHeader(settings, exchange)) return true;
        return (on & RetryOn.AnyGrpc) != 0 && exchange.IsGrpc && Grpc.StatusIn(headers) is { } grpc && (on & OfGrpc(grpc)) != 0;
    }

    /// <summary>Full jitter between nothing and a bound that doubles with every attempt.</summary>
    public static TimeSpan Backoff(RetrySettings settings, int attempt, Random random)
    {
        var most = settings.BackoffMax ?? settings.BackoffBase * 10;
        var bound = settings.BackoffBase * (Math.Pow(2, Math.Min(attempt, 16)) - 1);
        if (bound > most) bound = most;
        return bound * random.NextDouble();
    }

    private static bool AnyResponseHeader(RetrySettings settings, Exchange exchange)
    {
        foreach (var predicate in Rules(settings).Response)
            if (predicate.IsMatch(exchange.Response)) return true;
        return false;
    }

    private static Compiled Rules(RetrySettings settings) => settings.Cell.Get(settings, static s => new Compiled(
        [.. s.RequestHeaders.Select(match => new HeaderPredicate(match))], [.. s.ResponseHeaders.Select(match => new HeaderPredicate(match))]));

    private sealed record Compiled(HeaderPredicate[] Request, HeaderPredicate[] Response);

    private static RetryOn OfGrpc(int status) => status switch
    {
        1 => RetryOn.GrpcCancelled,
        4 => RetryOn.GrpcDeadlineExceeded,
        8 => RetryOn.GrpcResourceExhausted,
        13 => RetryOn.GrpcInternal,
        14 => RetryOn.GrpcUnavailable,
        _ => RetryOn.None,
    };
}
