using System.Net;

namespace Mesh.Net;

/// <summary>
/// One byte stream, owned by one loop from birth to death. Ordinary endings are statuses, not exceptions. Loop thread only.
/// Peeking is free: bytes stay in <see cref="Input"/> until consumed. Back-pressure is waiting for <see cref="FlushAsync"/> before filling the other side.
/// </summary>
public abstract class Connection
{
    /// <summary>More than one head (60 KiB) fits, so that a codec never has to give up for want of room.</summary>
    public const int InputBytesMax = 128 * 1024;

    /// <summary>More is sent at once: the memory it lies in is wanted again.</summary>
    private const int BatchedBytesMax = BufferPool.UsualBytes;

    private bool _flushIsDue;

    protected Connection(Loop loop)
    {
        Loop = loop;
        Input = new ByteQueue(loop.Buffers, InputBytesMax);
        Output = new ByteQueue(loop.Buffers, int.MaxValue);
    }

    public Loop Loop { get; }

    /// <summary>Received and not yet consumed.</summary>
    public ByteQueue Input { get; }

    /// <summary>
    /// Written and not yet sent. Codecs write here (it is an <see cref="System.Buffers.IBufferWriter{T}"/>), then somebody flushes.
    /// Unbounded by itself: whoever writes for others checks <see cref="ByteQueue.Length"/> and waits for <see cref="FlushAsync"/>.
    /// </summary>
    public ByteQueue Output { get; }

    public abstract ConnectionAddresses Addresses { get; }

    /// <summary>False once either side ended it for good: Reset, Aborted, closed.</summary>
    public abstract bool IsOpen { get; }

    /// <summary>
    /// True when, as far as is known without a system call, the peer has neither sent unread bytes nor closed:
    /// what a pool asks before it gives an idle connection out again.
    /// </summary>
    public abstract bool IsQuiet { get; }

    /// <summary>Reads what is there. Ok means that <see cref="Input"/> grew; WouldBlock that nothing has come.</summary>
    public abstract IoStatus TryFill();

    /// <summary>Waits until <see cref="Input"/> holds at least one byte more. One caller at a time. Completes inline when bytes are there.</summary>
    public abstract ValueTask<IoStatus> FillAsync(Deadline deadline);

    /// <summary>Sends <see cref="Output"/> as far as the peer takes it. Ok: all sent. WouldBlock: the rest goes by itself as room comes.</summary>
    public abstract IoStatus TryFlush();

    /// <summary>Waits until <see cref="Output"/> is empty. Several may wait at once. TimedOut leaves the bytes in the queue.</summary>
    public abstract ValueTask<IoStatus> FlushAsync(Deadline deadline);

    /// <summary>
    /// After <see cref="Output"/>, these bytes. On return all is sent, or the status says why not; the memory is free for reuse either way.
    /// </summary>
    public abstract ValueTask<IoStatus> WriteAsync(ReadOnlyMemory<byte> bytes, Deadline deadline);

    /// <summary>Sends <see cref="Output"/> once, at the end of this batch of events, however often it is asked: many small frames, one write.</summary>
    public void FlushSoon()
    {
        if (_flushIsDue) return;

        _flushIsDue = true;
        Loop.FlushAtEndOfBatch(this);
    }

    /// <summary>As <see cref="FlushAsync"/>, but little leaves with everybody else's at the end of this batch of events: then sending runs in one go, and so does what computes.</summary>
    public ValueTask<IoStatus> FlushWithBatchAsync(Deadline deadline)
    {
        if (Output.Length > BatchedBytesMax || !IsOpen) return FlushAsync(deadline);

        FlushSoon();
        return new(IoStatus.Ok);
    }

    /// <summary>Half-close: after <see cref="Output"/> is sent the peer reads the end (FIN; over TLS, close_notify first). Reading goes on.</summary>
    public abstract void ShutdownWrite();

    /// <summary>Ends it now, with RST where the transport can. Unsent and unread bytes are dropped; waits end with Aborted. Twice is harmless.</summary>
    public abstract void Abort();

    /// <summary>Ends it now in good order: one try to send <see cref="Output"/>, FIN, descriptor given back. Twice is harmless.</summary>
    public abstract void Close();

    /// <summary>
    /// Ends it so that the peer can still read our last bytes: flush, half-close, throw away what still comes until the peer's end or the deadline, close.
    /// (A close with unread input makes the kernel send RST, which destroys an answer the peer has not read yet.)
    /// </summary>
    public async ValueTask CloseGentlyAsync(Deadline deadline)
    {
        if (IsOpen && await FlushAsync(deadline) == IoStatus.Ok)
        {
            ShutdownWrite();
            do Input.Consume(Input.Length);
            while (IsOpen && await FillAsync(deadline) == IoStatus.Ok);
        }

        Close();
    }

    /// <summary>
    /// Calls back once, on the loop, when the peer closed or broke the connection while nobody fills. Null stops watching.
    /// For idle pooled connections, and for a caller that may give up while we wait for somebody else.
    /// </summary>
    /// <param name="bytesToo">Also when the peer sent bytes: on an idle connection that is as bad as its end.</param>
    public abstract void WatchPeer(Action<Connection, PeerNews>? callback, bool bytesToo = false);

    /// <summary>A way for bulk from here to there that does not pass through our memory; null when there is none.</summary>
    internal virtual IBulkPipe? BulkPipeTo(Connection other) => null;

    internal void FlushNow()
    {
        _flushIsDue = false;
        if (IsOpen) TryFlush();
    }
}

/// <summary>What an idle connection's peer did.</summary>
public enum PeerNews
{
    SentBytes,
    Closed,
    Reset,
}
