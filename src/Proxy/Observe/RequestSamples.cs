using Mesh.Proxy.Http;

namespace Mesh.Proxy.Observe;

/// <summary>
/// Requests of one loop that somebody wants to look at. The loop writes, the reporter reads; between them a ring of fixed size without locks.
/// While nobody looks a request costs one comparison.
/// </summary>
internal sealed class RequestSamples
{
    private const int Size = 512; // a power of two

    private readonly RequestSample?[] ring = new RequestSample?[Size];
    private long written, read, dropped;
    private long second;
    private int taken;
    private volatile int perSecond;

    /// <summary>At most so many a second; 0 for none. Any thread.</summary>
    public int PerSecond { get => perSecond; set => perSecond = value; }

    /// <summary>Wanted, but the reader was behind. Any thread.</summary>
    public long Dropped => Interlocked.Read(ref dropped);

    /// <summary>Loop thread only.</summary>
    public void Offer(Exchange exchange)
    {
        if (perSecond == 0) return;

        var now = exchange.EndedAt / 1_000_000_000;
        if (now != second) (second, taken) = (now, 0);
        if (taken >= perSecond) return;

        taken++;
        var at = written;
        if (at - Volatile.Read(ref read) >= Size)
        {
            Interlocked.Increment(ref dropped);
            return;
        }
        ring[at & (Size - 1)] = RequestSample.Of(exchange);
        Volatile.Write(ref written, at + 1);
    }

    /// <summary>One reader only.</summary>
    public void Drain(List<RequestSample> into)
    {
        var end = Volatile.Read(ref written);
        var at = read;
        for (; at < end; at++)
        {
            into.Add(ring[at & (Size - 1)]!);
            ring[at & (Size - 1)] = null;
        }
        Volatile.Write(ref read, at);
    }
}
