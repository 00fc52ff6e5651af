using System.Collections.Concurrent;
using Grpc.Core;
using Mesh.ControlPlane.Ca;
using Mesh.Model.Translate;
using Mesh.Xds;

namespace Mesh.ControlPlane.Serve;

/// <summary>All streams that are open, and the news to all of them. Any thread.</summary>
internal sealed class ProxyStreams : IDisposable
{
    private readonly ConcurrentDictionary<ProxyStream, byte> open = new();
    private readonly Options options;
    private readonly ServeMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<ProxyStreams> log;
    private int count;

    public ProxyStreams(Options options, WorldFeed feed, Translator translator, ProxylessView proxyless, RootsResource roots, TrustBundle bundle, ServeMetrics metrics, TimeProvider time, ILogger<ProxyStreams> log)
    {
        (this.options, this.metrics, this.time, this.log) = (options, metrics, time, log);
        Proxyless = proxyless;
        Roots = roots;
        bundle.Changed += () =>
        {
            foreach (var stream in open.Keys) stream.NewsOfRoots();
        };
        Pushes = new(feed, translator, metrics, time);
        feed.Published += _ =>
        {
            foreach (var stream in open.Keys) stream.News();
        };
    }

    public PushQueue Pushes { get; }
    public ProxylessView Proxyless { get; }
    public RootsResource Roots { get; }
    public NamePool Names { get; } = new();

    public IReadOnlyList<ProxyStream> All => [.. open.Keys.Where(s => s.Proxy is not null).OrderBy(s => s.Id, StringComparer.Ordinal)];

    /// <summary>Proxies that have not taken the mesh's roots as they are now.</summary>
    public IReadOnlyList<string> WithoutRoots => [.. All.Where(stream => stream.HasRoots == false).Select(stream => stream.Id)];

    public void Dispose() => Pushes.Dispose();

    /// <returns>Null when there is no room.</returns>
    public ProxyStream? TryOpen(ReplyWriter replies, string peer, CallerIdentity? who, CancellationTokenSource cut)
    {
        if (Interlocked.Increment(ref count) > options.StreamsMax)
        {
            Interlocked.Decrement(ref count);
            metrics.TurnedAway.Inc();
            log.LogWarning("stream from {Peer} turned away: {Max} are open", peer, options.StreamsMax);
            return null;
        }

        var stream = new ProxyStream(replies, peer, who, cut, this, time);
        open[stream] = 0;
        metrics.Streams.Inc();
        return stream;
    }

    public void Close(ProxyStream stream)
    {
        if (!open.TryRemove(stream, out _)) return;
        Interlocked.Decrement(ref count);
        metrics.Streams.Dec();
    }

    public void Note(ProxyStream stream, string typeUrl, DeltaRequestKind kind, string? error)
    {
        if (kind == DeltaRequestKind.First) log.LogDebug("{Proxy} asks for {Type}", stream.Id, TypeUrl.ShortName(typeUrl));
        if (kind != DeltaRequestKind.Nack) return;

        metrics.Refused(typeUrl, stream.Id);
        log.LogWarning("{Proxy} refuses {Type}: {Error}", stream.Id, TypeUrl.ShortName(typeUrl), Shortened(error ?? ""));
    }

    /// <summary>Envoy quotes whole messages; what matters is who (at the beginning) and why (at the end).</summary>
    private static string Shortened(string error) => error.Length <= 600 ? error : $"{error[..150]} … {error[^430..]}";

    public void Slow(ProxyStream stream, DiscoveryReply reply, TimeSpan waited)
    {
        metrics.WriteTimeouts.Inc();
        log.LogWarning("{Proxy} did not take its {Type} in {Seconds} s; its stream is cut", stream.Id, TypeUrl.ShortName(reply.TypeUrl), waited.TotalSeconds);
    }
}
