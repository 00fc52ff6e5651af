using System.Collections.Immutable;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http;

/// <summary>Copies of a request that are sent beside it and whose answers nobody reads. The original never waits for them, and they never fail it.</summary>
internal static class Mirrors
{
    /// <summary>Copies under way on one loop; beyond it requests are not copied.</summary>
    private const int UnderWayMax = 1024;
    private static readonly TimeSpan TimeoutDefault = TimeSpan.FromSeconds(15);

    /// <summary>Called when the whole request is here, before it is edited for a retry.</summary>
    public static void Send(Exchange exchange, ImmutableArray<Mirror> mirrors, ReadOnlySpan<byte> body)
    {
        foreach (var mirror in mirrors)
        {
            if (!mirror.Share.Includes((ulong)exchange.Random.NextInt64())) continue;

            var cluster = mirror.ClusterHeader.Length > 0 ? exchange.Request.Headers.GetText(mirror.ClusterHeader) ?? "" : mirror.Cluster;
            if (exchange.Worker.Cluster(cluster) is null || exchange.Worker.MirrorsUnderWay >= UnderWayMax) continue;

            var head = new RequestHead();
            head.CopyFrom(exchange.Request);
            if (mirror.HostRewrite.Length > 0) head.SetAuthority(exchange.Worker.Bytes(mirror.HostRewrite));
            else if (!mirror.DisableShadowHostSuffix) head.SetAuthority(Router.ShadowAuthority(head.Authority));
            head.Headers.Remove(KnownHeader.XEnvoyPeerMetadata);
            head.Headers.Remove(KnownHeader.XEnvoyPeerMetadataId);
            AppendForwardedFor(head, exchange.Worker.Node.InstanceIp);
            _ = SendAsync(exchange.Worker, cluster, head, body.ToArray(), exchange.Timeout ?? TimeoutDefault);
        }
    }

    // A copy is sent by this proxy, not by the caller: its address says so, as at Envoy.
    private static void AppendForwardedFor(RequestHead head, string address)
    {
        if (address.Length == 0) return;

        var before = head.Headers.GetText("x-forwarded-for");
        head.Headers.Set(KnownHeader.XForwardedFor, System.Text.Encoding.Latin1.GetBytes(string.IsNullOrEmpty(before) ? address : $"{before},{address}"));
    }

    private static async Task SendAsync(Upstream.Worker worker, string cluster, RequestHead head, byte[] body, TimeSpan timeout)
    {
        worker.MirrorsUnderWay++;
        await SideCall.AskAsync(worker, cluster, head, body, timeout, answerBytesMax: 0);
        worker.MirrorsUnderWay--;
    }
}
