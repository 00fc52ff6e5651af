using System.Buffers;
using System.Globalization;
using System.Text;

namespace Mesh.Proxy.Observe;

/// <summary>Text as UTF-8 in rented pieces: written, sent piece by piece, cleared, written on. A scrape of many megabytes takes two pieces and leaves nothing behind.</summary>
internal sealed class PooledText : IDisposable
{
    private const int PieceBytes = 64 * 1024;
    /// <summary>Of text at a time; each character may take three bytes.</summary>
    private const int CharsAtOnce = 1024;

    private readonly List<(byte[] Bytes, int Length)> _full = [];
    private byte[] _last = [];
    private int _used;

    public long Length { get; private set; }

    /// <summary>What was written, in its order. Valid until disposed.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Pieces
    {
        get
        {
            foreach (var (bytes, length) in _full) yield return bytes.AsMemory(0, length);
            if (_used > 0) yield return _last.AsMemory(0, _used);
        }
    }

    public PooledText Append(scoped ReadOnlySpan<byte> text)
    {
        while (!text.IsEmpty)
        {
            var room = Room(1);
            var taken = Math.Min(room.Length, text.Length);
            text[..taken].CopyTo(room);
            Advance(taken);
            text = text[taken..];
        }
        return this;
    }

    public PooledText Append(scoped ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            var taken = Math.Min(text.Length, CharsAtOnce);
            if (taken < text.Length && char.IsHighSurrogate(text[taken - 1])) taken--;
            Advance(Encoding.UTF8.GetBytes(text[..taken], Room(3 * CharsAtOnce)));
            text = text[taken..];
        }
        return this;
    }

    public PooledText Append(PooledText text)
    {
        foreach (var piece in text.Pieces) Append(piece.Span);
        return this;
    }

    public PooledText Append(long number) => AppendNumber(number);

    public PooledText Append(double number) => AppendNumber(number);

    public override string ToString() => string.Concat(Pieces.Select(piece => Encoding.UTF8.GetString(piece.Span)));

    /// <summary>Empty again; one piece is kept.</summary>
    public void Clear()
    {
        foreach (var (bytes, _) in _full) ArrayPool<byte>.Shared.Return(bytes);
        _full.Clear();
        (_used, Length) = (0, 0);
    }

    public void Dispose()
    {
        Clear();
        if (_last.Length > 0) ArrayPool<byte>.Shared.Return(_last);
        _last = [];
    }

    private PooledText AppendNumber<T>(T number) where T : IUtf8SpanFormattable
    {
        const int NumberBytesMax = 64; // a double has 24
        number.TryFormat(Room(NumberBytesMax), out var written, default, CultureInfo.InvariantCulture);
        Advance(written);
        return this;
    }

    private Span<byte> Room(int least)
    {
        if (_last.Length - _used < least)
        {
            if (_used > 0) _full.Add((_last, _used));
            (_last, _used) = (ArrayPool<byte>.Shared.Rent(PieceBytes), 0);
        }
        return _last.AsSpan(_used);
    }

    private void Advance(int written)
    {
        _used += written;
        Length += written;
    }
}
