using System.Buffers.Binary;
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
    private const int AnswerBytesMax = 64 * 1024;
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
        if (exchange.GetFilterState(ResponseHeadersKey) is not { } lines) return;
        foreach (var line in lines.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (HeaderName.TryParse(line[..colon]) is { } name) exchange.Response.Headers.Set(name, Encoding.Latin1.GetBytes(line[(colon + 1)..]));
        }
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
        var framed = new byte[message.Length + 5];
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)message.Length);
        message.CopyTo(framed, 5);

        var head = new RequestHead();
        WriteHead(head);
        var reply = await SideCall.AskAsync(exchange.Worker, settings.Service.Cluster, head, framed, settings.Timeout, AnswerBytesMax);
        if (exchange.CutBy is not null) return null;
        if (Verdict(reply) is not { } verdict)
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

    private void WriteHead(RequestHead head)
    {
        head.SetMethod(Method.Post);
        head.SetPath("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"u8);
        head.SetAuthority(Encoding.Latin1.GetBytes(settings.Service.Authority.Length > 0 ? settings.Service.Authority : settings.Service.Cluster));
        head.Version = Mesh.Http.HttpVersion.Http2;
        head.AcceptsTrailers = true;
        head.Headers.Append(KnownHeader.ContentType, "application/grpc"u8);
        foreach (var edit in settings.Service.InitialMetadata)
            if (HeaderName.TryParse(edit.Name) is { } name) head.Headers.Append(name, Encoding.Latin1.GetBytes(edit.Value.Text));
    }

    private static RateLimitVerdict? Verdict(SideAnswer reply)
    {
        if (reply.Status != 200 || (Grpc.StatusIn(reply.Trailers) ?? Grpc.StatusIn(reply.Head.Headers)) != 0) return null;
        var answer = reply.Body.Span;
        if (answer.Length < 5 || answer[0] != 0) return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(answer[1..]);
        return length <= answer.Length - 5 ? RateLimitMessages.Response(answer.Slice(5, (int)length)) : null;
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
        var lines = verdict.ResponseHeaders.Select(pair => $"{pair.Key}:{pair.Value.ReplaceLineEndings(" ")}");
        if (settings.EnableXRateLimitHeaders && verdict.Statuses.Where(status => status.RequestsPerUnit > 0).MinBy(status => status.Remaining) is { } nearest)
            lines = lines.Concat(Standard(verdict.Statuses, nearest));
        var text = string.Join('\n', lines);
        if (text.Length > 0) exchange.SetFilterState(ResponseHeadersKey, text);
    }

    private static IEnumerable<string> Standard(ImmutableArray<DescriptorStatus> statuses, DescriptorStatus nearest)
    {
        var quota = new StringBuilder().Append(CultureInfo.InvariantCulture, $"x-ratelimit-limit:{nearest.RequestsPerUnit}");
        foreach (var status in statuses.Where(status => status.RequestsPerUnit > 0))
        {
            quota.Append(CultureInfo.InvariantCulture, $", {status.RequestsPerUnit};w={status.UnitSeconds}");
            if (status.Name.Length > 0) quota.Append(CultureInfo.InvariantCulture, $";name=\"{status.Name}\"");
        }
        return [quota.ToString(), $"x-ratelimit-remaining:{nearest.Remaining}", $"x-ratelimit-reset:{nearest.SecondsToReset}"];
    }
}
