using System.Buffers.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>How long a request may take: the route's limit, or what a gRPC caller allows; and what the upstream is told of it.</summary>
internal static class Timeouts
{
    /// <summary>
    /// The caller's proxy holds the same deadline and began to count a little earlier. The server's waits this much longer, so that it is not chance which of the two
    /// speaks: the caller's, with a timeout of its own (as most often observed in Istio).
    /// </summary>
    private static readonly TimeSpan GrpcDeadlineGrace = TimeSpan.FromMilliseconds(20);

    /// <summary>For the whole request with its retries, from its last byte; null is no limit.</summary>
    public static TimeSpan? Of(Exchange exchange, Forward forward)
    {
        if (!exchange.IsGrpc || forward.GrpcTimeoutMax is not { } max || forward.StreamDuration is not null) return Limit(forward.Timeout);

        var asked = GrpcTimeout(exchange.Request) ?? TimeSpan.Zero;
        // Zero means without end, on either side.
        return Limit(max > TimeSpan.Zero && (asked == TimeSpan.Zero || asked > max) ? max : asked);
    }

    /// <summary>For the stream from its first byte, whatever moves on it; null is no limit. Its end is told as max_duration_timeout.</summary>
    public static TimeSpan? StreamDurationOf(Exchange exchange)
    {
        if (exchange.Route?.Action is not Forward { StreamDuration: { } duration }) return exchange.Settings.MaxStreamDuration;

        if (duration.GrpcHeaderMax is { } max && GrpcTimeout(exchange.Request) is { } asked)
        {
            // Who gave an offset has said itself which of two shall be the first.
            if (duration.GrpcHeaderOffset is { } offset) asked -= asked > offset ? offset : TimeSpan.Zero;
            else if (asked > TimeSpan.Zero) asked += GrpcDeadlineGrace;
            return Limit(max > TimeSpan.Zero && asked > max ? max : asked);
        }
        return duration.Max is { } limit ? Limit(limit) : exchange.Settings.MaxStreamDuration;
    }

    /// <summary>Without a byte moving; the route's own word counts before the connection's.</summary>
    public static TimeSpan? IdleOf(Exchange exchange) =>
        exchange.Route?.Action is Forward { HasIdleTimeout: true } forward ? forward.IdleTimeout : exchange.Settings.StreamIdleTimeout;

    /// <summary>Tells the upstream how long this attempt will be waited for.</summary>
    public static void TellUpstream(Exchange exchange, Forward forward, TimeSpan? whole, TimeSpan? perTry)
    {
        var expected = perTry ?? whole;
        if (expected is not { } limit) return;

        if (whole is { } total)
        {
            var left = total - exchange.Clock.GetElapsedTime(exchange.StartedAt);
            if (left < limit) limit = left;
        }
        var milliseconds = Math.Max(1, (long)limit.TotalMilliseconds);
        if (!exchange.Settings.SuppressEnvoyHeaders) exchange.Request.Headers.Set(KnownHeader.XEnvoyExpectedRqTimeoutMs, milliseconds);
        if (!exchange.IsGrpc || forward.GrpcTimeoutMax is null) return;

        Span<byte> text = stackalloc byte[24];
        var isLong = milliseconds > 99_999_999; // eight digits are all that gRPC allows
        Utf8Formatter.TryFormat(isLong ? milliseconds / 1000 : milliseconds, text, out var length);
        text[length++] = isLong ? (byte)'S' : (byte)'m';
        exchange.Request.Headers.Set(KnownHeader.GrpcTimeout, text[..length]);
    }

    /// <summary>"300m", "5S": null when it is absent or none.</summary>
    public static TimeSpan? GrpcTimeout(RequestHead request)
    {
        if (!request.Headers.TryGet(KnownHeader.GrpcTimeout, out var text) || text.Length is < 2 or > 9) return null;
        if (!Utf8Parser.TryParse(text[..^1], out long number, out var used) || used != text.Length - 1 || number < 0) return null;
        return text[^1] switch
        {
            (byte)'H' => TimeSpan.FromHours(Math.Min(number, 1_000_000)),
            (byte)'M' => TimeSpan.FromMinutes(number),
            (byte)'S' => TimeSpan.FromSeconds(number),
            (byte)'m' => TimeSpan.FromMilliseconds(number),
            (byte)'u' => TimeSpan.FromMicroseconds(number),
            (byte)'n' => TimeSpan.FromTicks(number / 100),
            _ => null,
        };
    }

    private static TimeSpan? Limit(TimeSpan? span) => span is { Ticks: > 0 } ? span : null;
}
