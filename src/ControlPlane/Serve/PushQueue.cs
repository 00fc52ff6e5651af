using Mesh.Model.Translate;

namespace Mesh.ControlPlane.Serve;

/// <summary>
/// How many proxies are worked for at a time. A proxy is in the queue once, however much news there is: it takes what is newest when its
/// turn comes. A slow reader gives its turn back while it reads.
/// </summary>
internal sealed class PushQueue(WorldFeed feed, Translator translator, ServeMetrics metrics, TimeProvider time) : IDisposable
{
    // Translating is processor work; more at a time than processors only adds memory.
    private static readonly int ConcurrentMax = Math.Max(2, Environment.ProcessorCount);

    // Responses of this size are few at a time: those that are being read at once share what memory the buffers of so many readers take.
    private const int LargeBytes = 256 * 1024;
    private const int LargeAtOnceMax = 16;
    private static readonly TimeSpan WriteMax = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim turns = new(ConcurrentMax);
    private readonly SemaphoreSlim large = new(LargeAtOnceMax);

    public void Dispose()
    {
        turns.Dispose();
        large.Dispose();
    }

    public async Task RunAsync(ProxyStream stream, CancellationToken cancellation)
    {
        IReadOnlyList<Xds.DiscoveryReply> replies;
        PublishedWorld? now;
        await turns.WaitAsync(cancellation);
        try
        {
            now = feed.Current; // what is newest when the turn comes, not when it was asked for
            if (now is null) return;

            var began = time.GetTimestamp();
            replies = stream.Replies(now, translator);
            if (replies.Count > 0) metrics.PushTime.Observe(time.GetElapsedTime(began).TotalSeconds);
        }
        finally
        {
            turns.Release();
        }

        foreach (var reply in replies)
        {
            var bytes = reply.CalculateSize();
            metrics.Sent(reply, bytes);
            if (bytes < LargeBytes)
            {
                await stream.WriteAsync(reply, bytes, WriteMax, cancellation);
                continue;
            }

            await large.WaitAsync(cancellation);
            try
            {
                await stream.WriteAsync(reply, bytes, WriteMax, cancellation);
            }
            finally
            {
                large.Release();
            }
        }
        if (replies.Count > 0) metrics.Convergence.Observe((time.GetUtcNow() - now.ChangedAt).TotalSeconds);
    }
}
