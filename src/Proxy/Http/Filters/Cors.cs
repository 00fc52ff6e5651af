using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Answers a browser's preflight by the route's policy, and marks the answers that another origin may read.</summary>
internal sealed class Cors(CorsFilter settings) : HttpFilter
{
    private static readonly HeaderName AllowPrivateNetwork = HeaderName.TryParse("access-control-allow-private-network")!;

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        if (PolicyOf(exchange) is not { } policy || !policy.Enabled.Includes((ulong)exchange.Random.NextInt64())) return default;

        var headers = exchange.Request.Headers;
        if (!headers.TryGet(KnownHeader.Origin, out var origin) || origin.IsEmpty) return default;

        var isPreflight = exchange.Request.Method == Method.Options && headers.TryGet(KnownHeader.AccessControlRequestMethod, out var method) && !method.IsEmpty;
        var isAllowed = IsAllowed(policy, origin);
        if (!isPreflight || !isAllowed && policy.ForwardNotMatchingPreflights) return default;

        // The origin's own headers are set with the response, as for every other answer.
        var answer = new List<KeyValuePair<string, string>>();
        if (policy.AllowMethods.Length > 0) answer.Add(new("access-control-allow-methods", policy.AllowMethods == "*" ? headers.GetText("access-control-request-method") ?? "" : policy.AllowMethods));
        // "*" means nothing to a browser that sends credentials, so what was asked for is allowed by name.
        if (policy.AllowHeaders.Length > 0) answer.Add(new("access-control-allow-headers", policy.AllowHeaders == "*" ? headers.GetText("access-control-request-headers") ?? "" : policy.AllowHeaders));
        if (policy.MaxAge.Length > 0) answer.Add(new("access-control-max-age", policy.MaxAge));
        return new(new Failure(FailureKind.CorsAnswered, Side.Local) { Answer = new(200, "cors_response") { Headers = [.. answer], GrpcStatus = 0 } });
    }

    public override void OnResponse(Exchange exchange)
    {
        if (PolicyOf(exchange) is not { } policy || !exchange.Request.Headers.TryGet(KnownHeader.Origin, out var origin) || origin.IsEmpty) return;
        if (!IsAllowed(policy, origin)) return;

        var headers = exchange.Response.Headers;
        headers.Set(KnownHeader.AccessControlAllowOrigin, origin);
        if (policy.AllowCredentials) headers.Set(KnownHeader.AccessControlAllowCredentials, "true"u8);
        if (policy.ExposeHeaders.Length > 0) headers.Set(KnownHeader.AccessControlExposeHeaders, Encoding.Latin1.GetBytes(policy.ExposeHeaders));
        if (policy.AllowPrivateNetworkAccess) headers.Set(AllowPrivateNetwork, "true"u8);
    }

    // A route that answers by itself, or redirects, has no policy: Envoy's filter looks only at routes that forward.
    private CorsSettings? PolicyOf(Exchange exchange) => exchange.Route is { Action: not Forward } ? null : (exchange.OverrideFor(settings.Name) as FilterOverride.Cors)?.Settings;

    private static bool IsAllowed(CorsSettings policy, ReadOnlySpan<byte> origin)
    {
        foreach (var match in policy.AllowOrigins)
            if (match is { Kind: StringMatchKind.Exact, Text: "*" } || match.IsMatch(origin)) return true;
        return false;
    }
}
