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
        return settings is { On: not RetryOn.None, RetriesMax: > 0 } ? settings : null;
    }

    public static bool Wants(RetrySettings settings, in Failure failure)
    {
        var on = settings.On;
        if ((on & RetryOn.ResetBeforeRequest) != 0 && failure.BeforeRequestSent && failure.Entry.Retry != RetryClass.Never) return true;

        return failure.Entry.Retry switch
        {
            RetryClass.ConnectFailure => (on & (RetryOn.ConnectFailure | RetryOn.Reset | RetryOn.ServerError | RetryOn.GatewayError)) != 0,
            RetryClass.RefusedStream => (on & (RetryOn.RefusedStream | RetryOn.Reset | RetryOn.ServerError)) != 0,
            RetryClass.Reset => (on & (RetryOn.Reset | RetryOn.ServerError)) != 0,
            RetryClass.PerTryTimeout => (on & (RetryOn.ServerError | RetryOn.GatewayError | RetryOn.Reset)) != 0,
            _ => false,
        };
    }

    public static bool Wants(RetrySettings settings, Exchange exchange)
    {
        var (on, status) = (settings.On, exchange.Response.Status);
        if ((on & RetryOn.ServerError) != 0 && status >= 500) return true;
        if ((on & RetryOn.GatewayError) != 0 && status is 502 or 503 or 504) return true;
        if ((on & RetryOn.Retriable4xx) != 0 && status == 409) return true;
        if ((on & RetryOn.StatusCodes) != 0 && settings.StatusCodes.Contains(status)) return true;
        if ((on & RetryOn.EnvoyRateLimited) != 0 && exchange.Response.Headers.Has(KnownHeader.XEnvoyRatelimited)) return true;
        return (on & RetryOn.AnyGrpc) != 0 && exchange.IsGrpc && Grpc.StatusIn(exchange.Response.Headers) is { } grpc && (on & OfGrpc(grpc)) != 0;
    }

    /// <summary>Full jitter between nothing and a bound that doubles with every attempt.</summary>
    public static TimeSpan Backoff(RetrySettings settings, int attempt, Random random)
    {
        var most = settings.BackoffMax ?? settings.BackoffBase * 10;
        var bound = settings.BackoffBase * (Math.Pow(2, Math.Min(attempt, 16)) - 1);
        if (bound > most) bound = most;
        return bound * random.NextDouble();
    }

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
