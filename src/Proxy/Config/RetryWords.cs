namespace Mesh.Proxy.Config;

/// <summary>The words of retry-on and of x-envoy-retry-on, x-envoy-retry-grpc-on.</summary>
internal static class RetryWords
{
    private static readonly (string Word, RetryOn Bit)[] Words =
    [
        ("5xx", RetryOn.ServerError),
        ("gateway-error", RetryOn.GatewayError),
        ("connect-failure", RetryOn.ConnectFailure),
        ("envoy-ratelimited", RetryOn.EnvoyRateLimited),
        ("retriable-4xx", RetryOn.Retriable4xx),
        ("refused-stream", RetryOn.RefusedStream),
        ("retriable-status-codes", RetryOn.StatusCodes),
        ("retriable-headers", RetryOn.Headers),
        ("reset", RetryOn.Reset),
        ("reset-before-request", RetryOn.ResetBeforeRequest),
        ("http3-post-connect-failure", RetryOn.Http3PostConnectFailure),
        ("cancelled", RetryOn.GrpcCancelled),
        ("deadline-exceeded", RetryOn.GrpcDeadlineExceeded),
        ("resource-exhausted", RetryOn.GrpcResourceExhausted),
        ("unavailable", RetryOn.GrpcUnavailable),
        ("internal", RetryOn.GrpcInternal),
    ];

    /// <summary>Unknown words are passed over, as the field does: control planes newer than we are keep working.</summary>
    public static RetryOn Parse(ReadOnlySpan<char> text)
    {
        var result = RetryOn.None;
        foreach (var part in text.Split(','))
        {
            var word = text[part].Trim();
            foreach (var (name, bit) in Words)
                if (word.SequenceEqual(name)) result |= bit;
        }
        return result;
    }
}
