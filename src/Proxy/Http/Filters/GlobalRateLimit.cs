using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Http.Filters;

/// <summary>
/// Asks a rate limit service (the rls gRPC protocol) about requests that the configuration describes. When it cannot be asked, the failure mode decides:
/// let through, which is the default, or refuse.
/// </summary>
internal sealed class GlobalRateLimit(GlobalRateLimitFilter filter) : HttpFilter
{
    private const string ResponseHeadersKey = "mesh.ratelimit.response_headers";
    private const int ResourceExhausted = 8, Unavailable = 14;

    private readonly GlobalRateLimitSettings settings = filter.Limit;

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        var given = exchange.OverrideFor(filter.Name);
        if (given is FilterOverride.Off || given is null && filter.Disabled || !Concerns(exchange)) return default;

        var own = given as FilterOverride.GlobalRateLimit;
        var descriptors = RateLimitDescriptors.Of(exchange, own?.RateLimits ?? [], settings.Stage);
        return descriptors.Count == 0 ? default : AskAsync(exchange, own is { Domain.Length: > 0 } ? own.Domain : settings.Domain, descriptors);
    }

    public override void OnResponse(Exchange exchange)
    {
        foreach (var (name, value) in AnswerFields.Kept(exchange, ResponseHeadersKey)) exchange.Response.Headers.Set(name, value);
    }

    private bool Concerns(Exchange exchange) => settings.RequestType switch
    {
        "internal" => exchange.IsInternal,
        "external" => !exchange.IsInternal,
        _ => true,
    };

    private async ValueTask<Failure?> AskAsync(Exchange exchange, string domain, List<IReadOnlyList<KeyValuePair<string, string>>> descriptors)
    {
        var message = RateLimitMessages.Request(domain, descriptors);
        var answer = await UnaryCall.AskAsync(exchange.Worker, settings.Service, "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit", message, settings.Timeout);
        if (exchange.CutBy is not null) return null;
        if (answer is not { } bytes || RateLimitMessages.Response(bytes.Span) is not { } verdict)
        {
            exchange.Worker.Counters.RateLimitErrors++;
            return settings.FailureModeDeny
                ? new Failure(FailureKind.RateLimitFailed, Side.Local) { Answer = new(settings.StatusOnError, "rate_limiter_error") { Flag = ResponseFlag.RLSE } }
                : null;
        }
        Remember(exchange, verdict);
        if (verdict.IsOverLimit) return Refusal(verdict);

        foreach (var (name, value) in verdict.RequestHeaders)
            if (HeaderName.TryParse(name) is { } header && header.Known != KnownHeader.Host) exchange.Request.Headers.Append(header, Encoding.Latin1.GetBytes(value));
        return null;
    }

    private Failure Refusal(RateLimitVerdict verdict) => new(FailureKind.RateLimited, Side.Local)
    {
        Answer = new(settings.RateLimitedStatus, "request_rate_limited")
        {
            Body = verdict.Body,
            Flag = ResponseFlag.RL,
            GrpcStatus = settings.RateLimitedAsResourceExhausted ? ResourceExhausted : Unavailable,
            Headers = settings.DisableXEnvoyRateLimitedHeader ? [] : [new("x-envoy-ratelimited", "true")],
        },
    };

    /// <summary>What the service, and the limit nearest to its end, want the caller to read.</summary>
    private void Remember(Exchange exchange, RateLimitVerdict verdict)
    {
        IEnumerable<KeyValuePair<string, string>> fields = verdict.ResponseHeaders;
        if (settings.EnableXRateLimitHeaders && verdict.Statuses.Where(status => status.RequestsPerUnit > 0).MinBy(status => status.Remaining) is { } nearest)
            fields = fields.Concat(Standard(verdict.Statuses, nearest));
        AnswerFields.Keep(exchange, ResponseHeadersKey, fields);
    }

    private static IEnumerable<KeyValuePair<string, string>> Standard(ImmutableArray<DescriptorStatus> statuses, DescriptorStatus nearest)
    {
        var quota = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{nearest.RequestsPerUnit}");
        foreach (var status in statuses.Where(status => status.RequestsPerUnit > 0))
        {
            quota.Append(CultureInfo.InvariantCulture, $", {status.RequestsPerUnit};w={status.UnitSeconds}");
            if (status.Name.Length > 0) quota.Append(CultureInfo.InvariantCulture, $";name=\"{status.Name}\"");
        }
        return
        [
            new("x-ratelimit-limit", quota.ToString()),
            new("x-ratelimit-remaining", nearest.Remaining.ToString(CultureInfo.InvariantCulture)),
            new("x-ratelimit-reset", nearest.SecondsToReset.ToString(CultureInfo.InvariantCulture)),
        ];
    }
}
