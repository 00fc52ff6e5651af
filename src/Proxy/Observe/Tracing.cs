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

        // What the caller says of a trace and cannot be read goes on as it came, and no span is made: somebody else may know it.
        if (Start(exchange, tracing) is not { } span) return;

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

    private static Span? Start(Exchange exchange, TracingSettings tracing)
    {
        var headers = exchange.Request.Headers;
        var readsB3 = (tracing.Propagation & TraceHeaders.B3) != 0;
        var context = readsB3 ? ReadB3(headers) : default;
        if (context.IsBroken) return null;
        if (!context.HasTrace && (tracing.Propagation & TraceHeaders.W3C) != 0)
        {
            var w3c = ReadW3C(headers);
            if (w3c.IsBroken && !readsB3) return null;
            if (w3c.HasTrace) context = w3c;
        }

        // Zipkin follows its caller's decision; OpenTelemetry is seen only where this hop's decision agrees.
        var isSampled = tracing.Provider == TraceProvider.Zipkin ? context.Sampled ?? exchange.IsTraced : context.Sampled != false && exchange.IsTraced;
        var random = exchange.Random;
        if (!context.HasTrace)
        {
            var trace = Id(random);
            return new()
            {
                TraceIdHigh = tracing.TraceId128Bit || (tracing.Propagation & TraceHeaders.W3C) != 0 ? Id(random) : 0,
                TraceIdLow = trace,
                Id = tracing.Provider == TraceProvider.Zipkin ? trace : Id(random),
                UpstreamId = tracing.SpawnUpstreamSpan ? Id(random) : 0,
                IsSampled = isSampled,
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
            IsSampled = isSampled,
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
            if (tracing.Provider != TraceProvider.Zipkin) headers.Set(KnownHeader.Tracestate, span.TraceState);
        }
        if ((tracing.Propagation & TraceHeaders.B3) != 0)
        {
            if (headers.Has(KnownHeader.B3)) InjectSingle(headers, span, id, parent);
            else InjectMultiple(headers, span, id, parent);
        }
        headers.Remove(BaggageName);
    }

    /// <summary>Who spoke to us in one header is understood by those behind us in one header.</summary>
    private static void InjectSingle(Headers headers, Span span, ulong id, ulong parent)
    {
        Span<byte> text = stackalloc byte[68];
        var length = span.WriteTraceId(text).Length;
        text[length++] = (byte)'-';
        Span.WriteHex(text[length..], id);
        length += 16;
        (span.IsSampled ? "-1"u8 : "-0"u8).CopyTo(text[length..]);
        length += 2;
        if (parent != 0)
        {
            text[length++] = (byte)'-';
            Span.WriteHex(text[length..], parent);
            length += 16;
        }
        headers.Set(KnownHeader.B3, text[..length]);
    }

    private static void InjectMultiple(Headers headers, Span span, ulong id, ulong parent)
    {
        Span<byte> digits = stackalloc byte[32];
        headers.Set(KnownHeader.XB3Traceid, span.WriteTraceId(digits));
        Span.WriteHex(digits, id);
        headers.Set(KnownHeader.XB3Spanid, digits[..16]);
        if (parent != 0)
        {
            Span.WriteHex(digits, parent);
            headers.Set(KnownHeader.XB3Parentspanid, digits[..16]);
        }
        headers.Set(KnownHeader.XB3Sampled, span.IsSampled ? "1"u8 : "0"u8);
    }

    private static TraceContext ReadW3C(Headers headers)
    {
        if (!headers.TryGet(KnownHeader.Traceparent, out var text)) return default;
        if (text.Length < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return TraceContext.Broken;
        // Version ff is forbidden; a later version may append, never change, what version 00 says.
        if (text[..2].SequenceEqual("ff"u8) || text.Length > 55 && (text[..2].SequenceEqual("00"u8) || text[55] != '-')) return TraceContext.Broken;
        if (!Span.TryReadHex(text[3..19], out var high) || !Span.TryReadHex(text[19..35], out var low) || !Span.TryReadHex(text[36..52], out var span)
            || !Span.TryReadHex(text[53..55], out var flags) || (high | low) == 0 || span == 0) return TraceContext.Broken;

        return new(high, low, span, 0, (flags & 1) != 0, headers.TryGet(KnownHeader.Tracestate, out var state) ? state.ToArray() : []);
    }

    private static TraceContext ReadB3(Headers headers)
    {
        if (headers.TryGet(KnownHeader.B3, out var single)) return ReadSingle(single);

        bool? sampled = headers.TryGet(KnownHeader.XB3Sampled, out var flag) && flag.Length > 0 ? flag is [(byte)'1'] || flag.SequenceEqual("true"u8) : null;
        if (!headers.TryGet(KnownHeader.XB3Traceid, out var trace) || !headers.TryGet(KnownHeader.XB3Spanid, out var id)) return new(0, 0, 0, 0, sampled, []);

        ulong parent = 0;
        if (!TryReadTrace(trace, out var high, out var low) || !Span.TryReadHex(id, out var span)
            || (headers.TryGet(KnownHeader.XB3Parentspanid, out var above) && above.Length > 0 && !Span.TryReadHex(above, out parent))) return TraceContext.Broken;

        return new(high, low, span, parent, sampled, []);
    }

    // {trace}-{span}-{sampled}-{parent}; the last two may be missing, and the decision may stand alone.
    private static TraceContext ReadSingle(ReadOnlySpan<byte> text)
    {
        if (text.Length == 1) return TryReadDecision(text, out var alone) ? new(0, 0, 0, 0, alone, []) : TraceContext.Broken;

        Span<Range> parts = stackalloc Range[4];
        var count = 0;
        foreach (var part in text.Split((byte)'-'))
        {
            if (count == parts.Length) return TraceContext.Broken;
            parts[count++] = part;
        }
        if (count < 2 || text[parts[0]].Length is not (16 or 32) || text[parts[1]].Length != 16
            || !TryReadTrace(text[parts[0]], out var high, out var low) || !Span.TryReadHex(text[parts[1]], out var span)) return TraceContext.Broken;

        bool? sampled = null;
        if (count > 2)
        {
            if (!TryReadDecision(text[parts[2]], out var said)) return TraceContext.Broken;
            sampled = said;
        }
        ulong parent = 0;
        if (count > 3 && (text[parts[3]].Length != 16 || !Span.TryReadHex(text[parts[3]], out parent))) return TraceContext.Broken;

        return new(high, low, span, parent, sampled, []);
    }

    private static bool TryReadDecision(ReadOnlySpan<byte> text, out bool sampled)
    {
        sampled = text is [(byte)'1' or (byte)'d'];
        return text is [(byte)'0' or (byte)'1' or (byte)'d'];
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

    private readonly record struct TraceContext(ulong TraceIdHigh, ulong TraceIdLow, ulong SpanId, ulong ParentId, bool? Sampled, byte[] State)
    {
        /// <summary>Something was said that cannot be read.</summary>
        public static TraceContext Broken { get; } = new() { IsBroken = true };

        public bool IsBroken { get; private init; }
        public bool HasTrace => (TraceIdHigh | TraceIdLow) != 0;
    }
}
