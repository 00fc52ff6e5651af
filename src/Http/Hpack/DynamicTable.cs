using System.Diagnostics;

namespace Mesh.Http.Hpack;

/// <summary>
/// The fields both ends remember (RFC 7541 §2.3.2, §4). Bytes lie one behind the other in a buffer twice as long as the table may be, so that
/// making room is an occasional move and never a search. Nothing is allocated before the first entry.
/// </summary>
internal sealed class DynamicTable
{
    private const int EntryOverhead = 32; // §4.1

    private readonly int _bytesMax;
    private byte[] _bytes = [];
    private Entry[] _entries = [];
    private int _oldest; // slot of the oldest entry
    private int _head;   // where its bytes begin
    private int _tail;

    public DynamicTable(int bytesMax)
    {
        _bytesMax = bytesMax;
        SizeMax = bytesMax;
    }

    public int Count { get; private set; }

    /// <summary>Size as the RFC counts it.</summary>
    public int Size { get; private set; }

    public int SizeMax { get; private set; }

    /// <summary>Entries ever inserted: the newest one's number.</summary>
    public long Inserted { get; private set; }

    /// <param name="age">0 = the newest.</param>
    public ref readonly Entry this[int age]
    {
        get
        {
            Debug.Assert((uint)age < (uint)Count);
            return ref _entries[(_oldest + Count - 1 - age) & (_entries.Length - 1)];
        }
    }

    public ReadOnlySpan<byte> Name(in Entry entry) => _bytes.AsSpan(entry.Offset, entry.NameLength);

    public ReadOnlySpan<byte> Value(in Entry entry) => _bytes.AsSpan(entry.Offset + entry.NameLength, entry.ValueLength);

    public static int SizeOf(int nameLength, int valueLength) => nameLength + valueLength + EntryOverhead;

    public void Resize(int sizeMax)
    {
        Debug.Assert(sizeMax <= _bytesMax);
        SizeMax = sizeMax;
        while (Size > SizeMax) Evict();
    }

    /// <summary>An entry larger than the table empties it and is not kept (§4.4).</summary>
    public bool Insert(byte token, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint hash = 0, bool isBad = false)
    {
        var size = SizeOf(name.Length, value.Length);
        while (Count > 0 && Size + size > SizeMax) Evict();
        if (size > SizeMax) return false;

        if (_bytes.Length == 0) Allocate();
        var length = name.Length + value.Length;
        if (_tail + length > _bytes.Length) MoveToFront();
        name.CopyTo(_bytes.AsSpan(_tail));
        value.CopyTo(_bytes.AsSpan(_tail + name.Length));
        _entries[(_oldest + Count) & (_entries.Length - 1)] = new(_tail, name.Length, value.Length, hash, token, isBad);
        _tail += length;
        Count++;
        Size += size;
        Inserted++;
        return true;
    }

    private void Evict()
    {
        ref readonly var oldest = ref _entries[_oldest];
        _head = oldest.Offset + oldest.NameLength + oldest.ValueLength;
        Size -= SizeOf(oldest.NameLength, oldest.ValueLength);
        _oldest = (_oldest + 1) & (_entries.Length - 1);
        Count--;
        if (Count == 0) _head = _tail = 0;
    }

    private void MoveToFront()
    {
        _bytes.AsSpan(_head, _tail - _head).CopyTo(_bytes);
        for (var i = 0; i < Count; i++) _entries[(_oldest + i) & (_entries.Length - 1)].Offset -= _head;
        _tail -= _head;
        _head = 0;
    }

    private void Allocate()
    {
        _bytes = new byte[_bytesMax * 2];
        _entries = new Entry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(_bytesMax / EntryOverhead + 1))];
    }

    internal struct Entry(int offset, int nameLength, int valueLength, uint hash, byte token, bool isBad)
    {
        public int Offset = offset;
        public readonly int NameLength = nameLength;
        public readonly int ValueLength = valueLength;
        public readonly uint Hash = hash;
        public readonly byte Token = token;

        /// <summary>Its value or name is not allowed in a message; whoever refers to it is malformed too.</summary>
        public readonly bool IsBad = isBad;
    }
}
