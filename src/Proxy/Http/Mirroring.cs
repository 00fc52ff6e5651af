using System.Collections.Immutable;
using Mesh.Http;
using Mesh.Net;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>Copies of requests, sent beside them and forgotten: their answers change nothing, nor do their failures.</summary>
internal static class Mirroring
{
    /// <summary>A request with a longer body is not copied: the copy would have to be kept until it has left.</summary>
    private const int BodyBytesMax = 64 * 1024;

    private static readonly TimeSpan AnswerWaitMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BodyWaitMax = TimeSpan.FromSeconds(5);

    /// <summary>Call when the request is as it will be sent. Waits for no answer; for a request with a body, until that is here.</summary>
    public static async ValueTask SendAsync(Exchange exchange, ImmutableArray<Mirror> mirrors)
    {
        ReadOnlyMemory<byte> body = default;
        if (!exchange.Request.Body.IsEmpty)
        {
            (var ahead, var isAll) = await exchange.Upload.ReadAheadAsync(BodyBytesMax, Deadline.After(exchange.Clock, BodyWaitMax));
            if (!isAll || exchange.CutBy is not null) return;
            body = ahead.ToArray();
        }
        foreach (var mirror in mirrors)
            if (mirror.Share.Includes((ulong)exchange.Random.NextInt64())) Send(exchange, mirror, body);
    }

    private static void Send(Exchange exchange, Mirror mirror, ReadOnlyMemory<byte> body)
    {
        var cluster = mirror.ClusterHeader.Length > 0 ? exchange.Request.Headers.GetText(mirror.ClusterHeader) ?? "" : mirror.Cluster;
        if (exchange.Worker.Cluster(cluster) is null) return;

        // The copy begins now, while the request's head still is what it was; it ends whenever it ends.
        _ = InternalCall.SendAsync(exchange.Worker, cluster, head => Write(head, exchange.Request, mirror), body, AnswerWaitMax, bodyBytesMax: 0).Preserve();
    }

    private static void Write(RequestHead head, RequestHead original, Mirror mirror)
    {
        head.CopyFrom(original);
        if (!mirror.DisableShadowHostSuffix) head.SetAuthority(Router.ShadowAuthority(original.Authority));
        // A copy is not part of the caller's trace unless it was asked to be.
        if (!mirror.TraceSampled && head.Headers.Has(KnownHeader.XB3Sampled)) head.Headers.Set(KnownHeader.XB3Sampled, "0"u8);
        if (!mirror.TraceSampled && head.Headers.TryGet(KnownHeader.Traceparent, out var trace) && trace.Length == 55)
            head.Headers.Set(KnownHeader.Traceparent, [.. trace[..53], .. "00"u8]);
    }
}
