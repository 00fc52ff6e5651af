using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace Mesh.Proxy.Observe;

/// <summary>
/// Takes finished lines off the loops and writes them to a file or pipe on a thread of its own, because a reader that stopped reading must never stop traffic.
/// Bounded: what does not fit is dropped and counted.
/// </summary>
internal sealed class LineWriter : IDisposable
{
    /// <summary>A chunk is handed over when it is full or a flush is asked for; 64 KiB is what Envoy buffers per log file too.</summary>
    public const int ChunkBytes = 64 * 1024;
    private const int QueuedChunksMax = 64;

    private readonly BlockingCollection<(byte[] Bytes, int Length)> _queue = new(QueuedChunksMax);
    private readonly ConcurrentBag<byte[]> _spare = [];
    private readonly FileStream _file;
    private readonly Thread _thread;
    private long _droppedBytes, _chunksMade;

    public LineWriter(string path)
    {
        _file = path switch
        {
            "/dev/stdout" => new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0),
            "/dev/stderr" => new(new SafeFileHandle(2, ownsHandle: false), FileAccess.Write, bufferSize: 0),
            _ => new(path, new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.ReadWrite, BufferSize = 0 }),
        };
        _thread = new(WriteAll) { IsBackground = true, Name = "log " + path };
        _thread.Start();
    }

    public long DroppedBytes => Interlocked.Read(ref _droppedBytes);

    /// <summary>Made because all others were full or being written. By how much the writer lags, nothing else, decides how many that are.</summary>
    public long ChunksMade => Interlocked.Read(ref _chunksMade);

    public byte[] RentChunk()
    {
        if (_spare.TryTake(out var chunk)) return chunk;

        Interlocked.Increment(ref _chunksMade);
        return new byte[ChunkBytes];
    }

    /// <summary>Takes the chunk over; the caller rents another one for its next lines.</summary>
    public void Hand(byte[] chunk, int length)
    {
        if (length > 0 && !_queue.IsAddingCompleted && _queue.TryAdd((chunk, length))) return;

        Interlocked.Add(ref _droppedBytes, length);
        Return(chunk);
    }

    /// <summary>Writes what is queued, then closes; used at the end of the process.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join(TimeSpan.FromSeconds(2));
        _file.Dispose();
        _queue.Dispose();
    }

    private void WriteAll()
    {
        foreach (var (bytes, length) in _queue.GetConsumingEnumerable())
        {
            try
            {
                _file.Write(bytes, 0, length);
            }
            catch (IOException)
            {
                // The disk is full or the reader has gone: the lines are lost, the traffic is not.
                Interlocked.Add(ref _droppedBytes, length);
            }
            Return(bytes);
        }
    }

    private void Return(byte[] chunk)
    {
        if (_spare.Count < QueuedChunksMax / 4) _spare.Add(chunk);
    }
}

/// <summary>One loop's end of a <see cref="LineWriter"/>. Loop thread only.</summary>
internal sealed class LineBuffer(LineWriter writer)
{
    private byte[]? _chunk;
    private int _length;

    public bool IsEmpty => _length == 0;

    /// <summary>Room for one line of at most <paramref name="bytesMax"/> bytes; <see cref="Commit"/> says how many it took.</summary>
    public Span<byte> Room(int bytesMax)
    {
        if (_chunk is not null && _chunk.Length - _length < bytesMax) Flush();
        _chunk ??= writer.RentChunk();
        return _chunk.AsSpan(_length);
    }

    public void Commit(int bytes) => _length += bytes;

    public void Flush()
    {
        if (_chunk is null || _length == 0) return;

        writer.Hand(_chunk, _length);
        (_chunk, _length) = (null, 0);
    }
}
