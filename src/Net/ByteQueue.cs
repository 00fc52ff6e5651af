using System.Buffers;
using System.Diagnostics;

namespace Mesh.Net;

/// <summary>
/// Bytes in order, contiguous, added at the end and consumed at the front. Its memory is rented from the loop's pool while it holds bytes
/// and given back when it is empty and somebody waits (<see cref="Trim"/>), so an idle connection owns none. Loop thread only.
/// </summary>
/// <param name="roomMin">What is rented at first; for the many queues of one connection that mostly hold little, less than for the connection's own.</param>
public sealed class ByteQueue(BufferPool pool, int lengthMax = int.MaxValue, int roomMin = BufferPool.UsualBytes) : IBufferWriter<byte>
{
    private byte[] _buffer = [];
    private int _start;
    private int _end;

    public int Length => _end - _start;

    public bool IsEmpty => _end == _start;

    /// <summary>What a fill may bring it to; <see cref="IoStatus.Full"/> beyond.</summary>
    public int LengthMax { get; } = lengthMax;

    /// <summary>Valid until the next call that adds, consumes or waits.</summary>
    public ReadOnlySpan<byte> Span => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Valid as <see cref="Span"/> is.</summary>
    public ReadOnlyMemory<byte> Memory => _buffer.AsMemory(_start, _end - _start);

    /// <summary>For rewriting in place. Valid as <see cref="Span"/> is.</summary>
    public Span<byte> MutableSpan => _buffer.AsSpan(_start, _end - _start);

    public void Consume(int count)
    {
        Debug.Assert(count >= 0 && count <= Length, "consuming what is not there");
        _start += count;
        if (_start == _end) _start = _end = 0;
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        _end += bytes.Length;
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        var size = sizeHint > 0 ? sizeHint : 1;
        if (_buffer.Length - _end < size) MakeRoom(size);
        return _buffer.AsSpan(_end);
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        GetSpan(sizeHint);
        return _buffer.AsMemory(_end);
    }

    public void Advance(int count)
    {
        Debug.Assert(count >= 0 && count <= _buffer.Length - _end, "more than GetSpan gave");
        _end += count;
    }

    /// <summary>Takes back the last bytes added: for a writer that finds it must not send what it began.</summary>
    public void TruncateTo(int length)
    {
        Debug.Assert(length >= 0 && length <= Length, "truncating to more than is there");
        _end = _start + length;
        if (length == 0) _start = _end = 0;
    }

    /// <summary>Before a wait: gives an empty buffer back, and moves a small rest into a small one.</summary>
    public void Trim()
    {
        if (IsEmpty) Release();
        else if (_buffer.Length > BufferPool.SmallBytes && Length <= BufferPool.SmallBytes) MoveTo(pool.Rent(BufferPool.SmallBytes));
    }

    /// <summary>Drops all bytes and gives the memory back.</summary>
    public void Release()
    {
        _start = _end = 0;
        if (_buffer.Length == 0) return;

        pool.Return(_buffer);
        _buffer = [];
    }

    private void MakeRoom(int size)
    {
        var needed = Length + size;
        if (_buffer.Length >= needed && _start >= _buffer.Length / 2)
        {
            _buffer.AsSpan(_start, Length).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
            return;
        }

        MoveTo(pool.Rent(Math.Max(needed, Math.Max(roomMin, Math.Min(_buffer.Length * 2, BufferPool.UsualBytes)))));
    }

    private void MoveTo(byte[] target)
    {
        var length = Length;
        Span.CopyTo(target);
        if (_buffer.Length > 0) pool.Return(_buffer);
        _buffer = target;
        _start = 0;
        _end = length;
    }
}
