using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Observe;

/// <summary>
/// Joins traces over hops: reads the caller's context, decides once whether this trace is seen, and passes the context on (W3C or B3, as the tracer has it).
/// The decision is packed into x-request-id, so that every hop of the mesh makes the same one.
/// </summary>
internal static class Tracing
{
    // Where a version-4 UUID has its "4" the mesh writes why a request is traced.
    private const int ReasonAt = 14;
    private const byte NotTraced = (byte)'4', Sampled = (byte)'9', ForcedByService = (byte)'a', ForcedByClient = (byte)'b';

    private static readonly HeaderName BaggageName = HeaderName.TryParse("x-ot-span-context")!;

    /// <summary>Once per request, when it has its id and its route is known. Sets <see cref="Exchange.IsTraced"/> and <see cref="Exchange.Span"/>.</summary>
    public static void Begin(Exchange exchange)
    {
        if (exchange.Settings.Tracing is not { } tracing) return;

        exchange.IsTraced = Decide(exchange, tracing);
        if (tracing.Provider == TraceProvider.None) return;

        var span = Start(exchange, tracing);
        exchange.Span = span;
        Inject(exchange.Request.Headers, tracing, span);
    }

    /// <summary>Room 8: hands the finished span to its collector, if it is to be reported. Only then does anything allocate.</summary>
    public static void End(Exchange exchange)
    {
        if (exchange.Span is Span { IsSampled: true } span && exchange.Settings.Tracing is { DisableReporting: false } tracing)
            exchange.Worker.Exports.Report(SpanRecord.Of(exchange, tracing, span));
    }

    private static bool Decide(Exchange exchange, TracingSettings tracing)
    {
        var (headers, settings) = (exchange.Request.Headers, exchange.Settings.RequestId);
        if (!settings.UseForTraceSampling) return RollAlone(exchange, tracing);
        if (!headers.TryGet(KnownHeader.XRequestId, out var id) || id.Length < ReasonAt + 1 || !Span.TryReadHex(id[..8], out var number)) return false;

        var roll = number % 10_000;
        var route = exchange.Route?.Tracing;
        var before = id[ReasonAt];
        var reason = before is Sampled or ForcedByService or ForcedByClient ? before : NotTraced;
        if (reason == NotTraced)
        {
            if (headers.Has(KnownHeader.XClientTraceId) && (route?.Client ?? tracing.Client).Includes(roll)) reason = ForcedByClient;
            else if (headers.Has(KnownHeader.XEnvoyForceTrace)) reason = ForcedByService;
            else if ((route?.Random ?? tracing.Random).Includes(roll)) reason = Sampled;
        }
        if (reason != NotTraced && !(route?.Overall ?? tracing.Overall).Includes(roll)) reason = NotTraced;
        if (settings.PackTraceReason && reason != before) Pack(headers, id, reason);
        return reason != NotTraced;
    }

    private static bool RollAlone(Exchange exchange, TracingSettings tracing)
    {
        var roll = (ulong)exchange.Random.NextInt64();
        var route = exchange.Route?.Tracing;
        return (route?.Random ?? tracing.Random).Includes(roll) && (route?.Overall ?? tracing.Overall).Includes(roll);
    }

    private static void Pack(Headers headers, ReadOnlySpan<byte> id, byte reason)
    {
        // Only a UUID has a place for it.
        if (id.Length != 36) return;
        Span<byte> copy = stackalloc byte[36];
        id.CopyTo(copy);
        copy[ReasonAt] = reason;
        headers.Set(KnownHeader.XRequestId, copy);
    }

    private static Span Start(Exchange exchange, TracingSettings tracing)
    {
        var headers = exchange.Request.Headers;
        var context = (tracing.Propagation & TraceHeaders.B3) != 0 ? ReadB3(headers) : default;
        if (context.TraceIdLow == 0 && (tracing.Propagation & TraceHeaders.W3C) != 0) context = ReadW3C(headers) is { TraceIdLow: not 0 } w3c ? w3c : context;
        var random = exchange.Random;
        if (context.TraceIdLow == 0 && context.TraceIdHigh == 0)
        {
            return new()
            {
                TraceIdHigh = tracing.TraceId128Bit || (tracing.Propagation & TraceHeaders.W3C) != 0 ? Id(random) : 0,
                TraceIdLow = Id(random),
                Id = Id(random),
                UpstreamId = tracing.SpawnUpstreamSpan ? Id(random) : 0,
                IsSampled = context.Sampled ?? exchange.IsTraced,
            };
        }
        // A callee of Zipkin's old habit continues its caller's span instead of making a child.
        var shares = tracing is { Provider: TraceProvider.Zipkin, SharedSpan: true } && exchange.Client.IsInbound;
        return new()
        {
            TraceIdHigh = context.TraceIdHigh,
            TraceIdLow = context.TraceIdLow,
            Id = shares ? context.SpanId : Id(random),
            UpstreamId = tracing.SpawnUpstreamSpan ? Id(random) : 0,
            ParentId = shares ? context.ParentId : context.SpanId,
            IsSampled = context.Sampled ?? exchange.IsTraced,
            TraceState = context.State,
        };
    }

    private static void Inject(Headers headers, TracingSettings tracing, Span span)
    {
        Span<byte> digits = stackalloc byte[64];
        var (id, parent) = span.UpstreamId != 0 ? (span.UpstreamId, span.Id) : (span.Id, span.ParentId);
        if ((tracing.Propagation & TraceHeaders.W3C) != 0)
        {
            "00-"u8.CopyTo(digits);
            Span.WriteHex(digits[3..], span.TraceIdHigh);
            Span.WriteHex(digits[19..], span.TraceIdLow);
            digits[35] = (byte)'-';
            Span.WriteHex(digits[36..], id);
            (span.IsSampled ? "-01"u8 : "-00"u8).CopyTo(digits[52..]);
            headers.Set(KnownHeader.Traceparent, digits[..55]);
            headers.Set(KnownHeader.Tracestate, span.TraceState);
        }
        if ((tracing.Propagation & TraceHeaders.B3) != 0)
        {
            headers.Set(KnownHeader.XB3Traceid, span.WriteTraceId(digits));
            Span.WriteHex(digits, id);
            headers.Set(KnownHeader.XB3Spanid, digits[..16]);
            if (parent != 0)
            {
                Span.WriteHex(digits, parent);
                headers.Set(KnownHeader.XB3Parentspanid, digits[..16]);
            }
            headers.Set(KnownHeader.XB3Sampled, span.IsSampled ? "1"u8 : "0"u8);
            headers.Remove(KnownHeader.B3);
        }
        headers.Remove(BaggageName);
    }

    private static TraceContext ReadW3C(Headers headers)
    {
        if (!headers.TryGet(KnownHeader.Traceparent, out var text) || text.Length < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return default;
        // Version ff is forbidden; a later version may append, never change, what version 00 says.
        if (text[..2].SequenceEqual("ff"u8) || text.Length > 55 && (text[..2].SequenceEqual("00"u8) || text[55] != '-')) return default;
        if (!Span.TryReadHex(text[3..19], out var high) || !Span.TryReadHex(text[19..35], out var low) || !Span.TryReadHex(text[36..52], out var span)
            || !Span.TryReadHex(text[53..55], out var flags) || (high | low) == 0 || span == 0) return default;

        return new(high, low, span, 0, (flags & 1) != 0, headers.TryGet(KnownHeader.Tracestate, out var state) ? state.ToArray() : []);
    }

    private static TraceContext ReadB3(Headers headers)
    {
        if (headers.TryGet(KnownHeader.B3, out var single)) return ReadSingle(single);

        bool? sampled = headers.TryGet(KnownHeader.XB3Sampled, out var flag) && flag.Length > 0 ? flag is [(byte)'1'] || flag.SequenceEqual("true"u8) : null;
        if (headers.TryGet(KnownHeader.XB3Flags, out var debug) && debug is [(byte)'1']) sampled = true;
        if (!headers.TryGet(KnownHeader.XB3Traceid, out var trace) || !TryReadTrace(trace, out var high, out var low)
            || !Span.TryReadHex(headers.Get(KnownHeader.XB3Spanid), out var span)) return new(0, 0, 0, 0, sampled, []);

        Span.TryReadHex(headers.Get(KnownHeader.XB3Parentspanid), out var parent);
        return new(high, low, span, parent, sampled, []);
    }

    // {trace}-{span}-{sampled}-{parent}; the last two may be missing, and the decision may stand alone.
    private static TraceContext ReadSingle(ReadOnlySpan<byte> text)
    {
        if (text.Length == 1) return new(0, 0, 0, 0, text[0] is (byte)'1' or (byte)'d', []);

        Span<Range> parts = stackalloc Range[5];
        var count = 0;
        foreach (var part in text.Split((byte)'-'))
        {
            if (count == 4) return default;
            parts[count++] = part;
        }
        if (count < 2 || !TryReadTrace(text[parts[0]], out var high, out var low) || !Span.TryReadHex(text[parts[1]], out var span)) return default;

        bool? sampled = count > 2 ? text[parts[2]] is [(byte)'1' or (byte)'d'] : null;
        ulong parent = 0;
        if (count > 3) Span.TryReadHex(text[parts[3]], out parent);
        return new(high, low, span, parent, sampled, []);
    }

    private static bool TryReadTrace(ReadOnlySpan<byte> text, out ulong high, out ulong low)
    {
        high = 0;
        return text.Length > 16
            ? text.Length <= 32 & Span.TryReadHex(text[..^16], out high) & Span.TryReadHex(text[^16..], out low)
            : Span.TryReadHex(text, out low);
    }

    private static ulong Id(Random random)
    {
        ulong id;
        do id = (ulong)random.NextInt64() << 1 ^ (ulong)random.NextInt64();
        while (id == 0);
        return id;
    }

    private readonly record struct TraceContext(ulong TraceIdHigh, ulong TraceIdLow, ulong SpanId, ulong ParentId, bool? Sampled, byte[] State);
}
