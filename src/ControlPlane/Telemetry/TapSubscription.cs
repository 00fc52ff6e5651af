using System.Threading.Channels;

namespace Mesh.ControlPlane.Telemetry;

/// <summary>One reader of live requests.</summary>
internal sealed class TapSubscription : IDisposable
{
    private const int WaitingMax = 1_000;

    private readonly Channel<RequestRecord> waiting;
    private readonly Func<RequestRecord, bool> filter;
    private readonly Action<TapSubscription> remove;
    private long dropped;

    public TapSubscription(Func<RequestRecord, bool> filter, Action<TapSubscription> remove)
    {
        (this.filter, this.remove) = (filter, remove);
        waiting = Channel.CreateBounded<RequestRecord>(
            new BoundedChannelOptions(WaitingMax) { FullMode = BoundedChannelFullMode.DropOldest }, _ => Interlocked.Increment(ref dropped));
    }

    /// <summary>Matching records that this reader was too slow for.</summary>
    public long Dropped => Interlocked.Read(ref dropped);

    public IAsyncEnumerable<RequestRecord> ReadAllAsync(CancellationToken cancel) => waiting.Reader.ReadAllAsync(cancel);

    public void Offer(RequestRecord record)
    {
        if (filter(record)) waiting.Writer.TryWrite(record);
    }

    public void Dispose()
    {
        remove(this);
        waiting.Writer.TryComplete();
    }
}
