namespace Mesh.Http.H2;

/// <summary>Events that one frame caused beyond its own: streams that may send again, streams that a GOAWAY ended. Bounded by the streams there are.</summary>
internal sealed class PendingEvents
{
    private readonly Queue<Entry> _queue = new();

    public void AddWritable(H2Stream stream) => _queue.Enqueue(new(H2EventKind.Writable, stream, stream.Id, default));

    public void AddReset(H2Stream stream, H2ErrorCode code) => _queue.Enqueue(new(H2EventKind.Reset, stream, stream.Id, code));

    /// <summary>Passes over what no longer holds: the stream was released, ended, or found no window after all.</summary>
    public bool TryTake(out H2Event next)
    {
        while (_queue.TryDequeue(out var entry))
        {
            var stream = entry.Stream;
            if (stream.Id != entry.StreamId || !stream.IsShown) continue;

            if (entry.Kind == H2EventKind.Writable)
            {
                if (!stream.WantsToSend || stream.LocalEnded) continue;

                stream.WantsToSend = false;
            }

            next = new() { Kind = entry.Kind, Stream = stream, Code = entry.Code };
            return true;
        }

        next = default;
        return false;
    }

    private readonly record struct Entry(H2EventKind Kind, H2Stream Stream, int StreamId, H2ErrorCode Code);
}
