using System.Text;

namespace Mesh.Http;

/// <summary>Names to ids and back. The table is open-addressed by length and three letters, so most look-ups compare one name.</summary>
public static class KnownHeaders
{
    // In the order of KnownHeader.
    private static readonly string[] Texts =
    [
        "",
        "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive",
        "proxy-connection", "http2-settings", "expect", "content-type", "accept", "accept-encoding", "accept-language",
        "accept-charset", "user-agent", "cookie", "set-cookie", "authorization", "proxy-authorization", "www-authenticate",
        "proxy-authenticate", "date", "server", "via", "location", "cache-control", "etag", "last-modified", "if-modified-since",
        "if-none-match", "if-match", "if-unmodified-since", "if-range", "range", "accept-ranges", "content-range",
        "content-encoding", "content-language", "content-location", "content-disposition", "vary", "age", "expires", "allow",
        "from", "referer", "origin", "link", "retry-after", "refresh", "max-forwards", "strict-transport-security",
        "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers",
        "access-control-allow-methods", "access-control-expose-headers", "access-control-max-age",
        "access-control-request-headers", "access-control-request-method", "x-request-id", "x-forwarded-for",
        "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-client-cert", "x-forwarded-path", "forwarded",
        "x-real-ip", "x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms", "x-envoy-original-path", "x-envoy-original-host",
        "x-envoy-upstream-service-time", "x-envoy-overloaded", "x-envoy-decorator-operation", "x-envoy-retry-on",
        "x-envoy-retry-grpc-on", "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-peer-metadata", "x-envoy-peer-metadata-id",
        "x-envoy-external-address", "x-envoy-internal", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node",
        "x-envoy-force-trace", "x-envoy-immediate-health-check-fail", "x-envoy-is-timeout-retry", "x-envoy-ratelimited",
        "x-envoy-upstream-healthchecked-cluster", "x-envoy-hedge-on-per-try-timeout", "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names", "x-envoy-original-dst-host", "x-envoy-upstream-alt-stat-name", "grpc-status",
        "grpc-message", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-status-details-bin", "grpc-trace-bin",
        "traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled",
        "x-b3-flags", "x-ot-span-context", "x-cloud-trace-context", "x-client-trace-id", "x-datadog-trace-id",
        "sec-websocket-key", "sec-websocket-version", "sec-websocket-accept", "sec-websocket-protocol",
        "sec-websocket-extensions", "priority", "alt-svc", "x-content-type-options", "x-frame-options", "x-powered-by", "pragma",
        "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
    ];

    private static readonly byte[][] Names = Array.ConvertAll(Texts, Encoding.ASCII.GetBytes);
    private static readonly KnownHeader[] Slots = BuildSlots();

    /// <summary>One more than the greatest id.</summary>
    internal static int Count => Names.Length;

    /// <summary>Lower case, as HTTP/2 writes it.</summary>
    public static ReadOnlySpan<byte> Name(KnownHeader id) => Names[(int)id];

    /// <summary>Lower case; for logs, configuration and other cold paths.</summary>
    public static string Text(KnownHeader id) => Texts[(int)id];

    /// <summary>Whatever its case; None when the name is not one of ours.</summary>
    public static KnownHeader Find(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty) return KnownHeader.None;

        for (var slot = SlotOf(name); ; slot = (slot + 1) & (Slots.Length - 1))
        {
            var id = Slots[slot];
            if (id == KnownHeader.None) return id;

            var candidate = Names[(int)id];
            if (candidate.Length == name.Length && Ascii.EqualsIgnoreCase(candidate, name)) return id;
        }
    }

    private static int SlotOf(ReadOnlySpan<byte> name)
    {
        // 0x20 folds the case of letters; digits and '-' already have the bit.
        var mix = (uint)name.Length * 0x9E37u + (uint)(name[0] | 0x20) * 0x85EBu + (uint)(name[name.Length >> 1] | 0x20) * 0xC2B3u
            + (uint)(name[^1] | 0x20) * 0x27D5u;
        return (int)((mix ^ (mix >> 9)) & 1023);
    }

    private static KnownHeader[] BuildSlots()
    {
        var slots = new KnownHeader[1024];
        for (var id = 1; id < Names.Length; id++)
        {
            var slot = SlotOf(Names[id]);
            while (slots[slot] != KnownHeader.None) slot = (slot + 1) & (slots.Length - 1);
            slots[slot] = (KnownHeader)id;
        }

        return slots;
    }
}
