using Envoy.Config.Route.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Istio's retry defaults, and a VirtualService's retries, which replace them whole.</summary>
internal static class Retries
{
    private const string RetryOn = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";

    /// <returns>Null when nothing is retried.</returns>
    public static RetryPolicy? Outbound(Retry? written, MeshConfig mesh, bool hashes)
    {
        var retry = written ?? mesh.OutboundRetry;
        if (retry is null) return Default(hashes);
        if (retry.Attempts <= 0) return null;

        var policy = Default(hashes);
        policy.NumRetries = (uint)retry.Attempts;
        Conditions(policy, retry);
        if (retry.PerTryTimeout is { } perTry) policy.PerTryTimeout = Protos.Span(perTry);
        if (retry.RemoteLocalities)
            policy.RetryPriority = new()
            {
                Name = "envoy.retry_priorities.previous_priorities",
                TypedConfig = Protos.Pack(new Envoy.Extensions.Retry.Priority.PreviousPriorities.V3.PreviousPrioritiesConfig { UpdateFrequency = 2 }),
            };
        if (retry.IgnorePreviousHosts is { } ignore)
        {
            policy.RetryHostPredicate.Clear();
            if (ignore) policy.RetryHostPredicate.Add(PreviousHosts());
        }
        if (retry.Backoff is { } backoff) policy.RetryBackOff = new() { BaseInterval = Protos.Span(backoff) };
        return policy;
    }

    /// <summary>Before the request reached the application it may be sent again: the application closed an idle connection.</summary>
    public static RetryPolicy? Inbound(MeshConfig mesh, bool isGrpc)
    {
        if (isGrpc) return null;
        var policy = new RetryPolicy { RetryOn = "reset-before-request", NumRetries = 2 };
        if (mesh.InboundRetry is not { } written) return policy;
        if (written.Attempts <= 0) return null;

        // There is one endpoint: what chooses among several says nothing here.
        policy.NumRetries = (uint)written.Attempts;
        Conditions(policy, written);
        if (written.Backoff is { } backoff) policy.RetryBackOff = new() { BaseInterval = Protos.Span(backoff) };
        return policy;
    }

    private static void Conditions(RetryPolicy policy, Retry written)
    {
        if (written.RetryOn.Length == 0) return;
        var (words, codes) = Split(written.RetryOn);
        policy.RetryOn = words;
        policy.RetriableStatusCodes.Add(codes);
    }

    private static RetryPolicy Default(bool hashes)
    {
        var policy = new RetryPolicy { NumRetries = 2, RetryOn = RetryOn, HostSelectionRetryMaxAttempts = 5 };
        // The hash says which endpoint it must be; another would break stickiness.
        if (!hashes) policy.RetryHostPredicate.Add(PreviousHosts());
        return policy;
    }

    private static RetryPolicy.Types.RetryHostPredicate PreviousHosts() => new()
    {
        Name = "envoy.retry_host_predicates.previous_hosts",
        TypedConfig = Protos.Pack(new Envoy.Extensions.Retry.Host.PreviousHosts.V3.PreviousHostsPredicate()),
    };

    /// <summary>The codes that have a name; a number without one is a word that nothing knows.</summary>
    private static readonly HashSet<uint> Statuses =
    [
        100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411,
        412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
    ];

    /// <summary>Numbers among the words are status codes.</summary>
    private static (string Words, List<uint> Codes) Split(string text)
    {
        var (words, codes) = (new List<string>(), new List<uint>());
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (uint.TryParse(part, out var code) && Statuses.Contains(code)) codes.Add(code);
            else words.Add(part);
        }
        if (codes.Count > 0 && !words.Contains("retriable-status-codes")) words.Add("retriable-status-codes");
        return (string.Join(',', words), codes);
    }
}
