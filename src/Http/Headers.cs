using System.Diagnostics;
using System.Text;

namespace Mesh.Http;

/// <summary>
/// Ordered fields of one message. Names and values are slices of one arena that is kept between messages, so a reused instance allocates
/// nothing. Names keep the case they arrived in and are compared without it. A span handed out is valid until the next change.
/// </summary>
public sealed class Headers
{
    private const int ArenaBytesMax = 64 * 1024 * 1024; // far above every parser limit: reaching it is a bug, not bad input

    private byte[] _arena = [];
    private int _used;
    private Field[] _fields = [];
    private int _count;
    private readonly short[] _first = new short[KnownHeaders.Count]; // 1 + index of the first live field with that id; 0 = none

    /// <summary>Fields present, counting each of several with one name.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of all names and values plus 32 each, as HTTP/2 counts a header list (RFC 9113 §6.5.2).</summary>
    public int ListBytes
    {
        get
        {
            var sum = 0;
            foreach (var one in this) sum += one.Name.Length + one.Value.Length + 32;
            return sum;
        }
    }

    public void Clear()
    {
        _used = 0;
        if (_count == 0) return;

        // Fewer fields than names: only their places are to be cleared.
        if (_count > _first.Length / 4) Array.Clear(_first);
        else
            for (var i = 0; i < _count; i++) _first[(int)_fields[i].Known] = 0;
        _count = 0;
        Count = 0;
    }

    /// <summary>Gives back memory above what an ordinary message needs; for objects that go to a pool.</summary>
    public void Trim(int keepBytesMax = 16 * 1024)
    {
        Clear();
        if (_arena.Length > keepBytesMax) _arena = [];
        if (_fields.Length > 256) _fields = [];
    }

    public bool Has(KnownHeader id) => _first[(int)id] != 0;

    public bool Has(ReadOnlySpan<byte> name) => IndexOf(name) >= 0;

    public bool Has(HeaderName name) => IndexOf(name) >= 0;

    /// <summary>The first value; empty when there is none.</summary>
    public ReadOnlySpan<byte> Get(KnownHeader id) => TryGet(id, out var value) ? value : default;

    public bool TryGet(KnownHeader id, out ReadOnlySpan<byte> value)
    {
        var index = _first[(int)id] - 1;
        value = index < 0 ? default : ValueAt(index);
        return index >= 0;
    }

    public bool TryGet(ReadOnlySpan<byte> name, out ReadOnlySpan<byte> value)
    {
        var index = IndexOf(name);
        value = index < 0 ? default : ValueAt(index);
        return index >= 0;
    }

    public bool TryGet(HeaderName name, out ReadOnlySpan<byte> value)
    {
        var index = IndexOf(name);
        value = index < 0 ? default : ValueAt(index);
        return index >= 0;
    }

    /// <summary>The first value as text (Latin-1, so that no byte is lost); null when there is none. Cold paths only.</summary>
    public string? GetText(KnownHeader id) => TryGet(id, out var value) ? Encoding.Latin1.GetString(value) : null;

    /// <inheritdoc cref="GetText(KnownHeader)"/>
    public string? GetText(string name) => HeaderName.TryParse(name) is { } parsed && TryGet(parsed, out var value) ? Encoding.Latin1.GetString(value) : null;

    /// <summary>How many fields bear the name.</summary>
    public int CountOf(KnownHeader id)
    {
        var sum = 0;
        for (var i = _first[(int)id] - 1; i >= 0; i = NextKnown(id, i + 1)) sum++;
        return sum;
    }

    /// <summary>All values of a name, in order: <c>foreach (var value in headers.Values(id))</c>.</summary>
    public HeaderValues Values(KnownHeader id) => new(this, id, []);

    /// <inheritdoc cref="Values(KnownHeader)"/>
    public HeaderValues Values(HeaderName name) => new(this, name.Known, name.Bytes);

    /// <summary>All values joined with commas, as RFC 9110 §5.2 reads repeated fields. Cold paths only; null when there is none.</summary>
    public string? GetJoined(HeaderName name)
    {
        StringBuilder? text = null;
        foreach (var value in Values(name)) (text is null ? text = new() : text.Append(',')).Append(Encoding.Latin1.GetString(value));
        return text?.ToString();
    }

    public void Append(KnownHeader id, ReadOnlySpan<byte> value, bool neverIndexed = false)
    {
        Debug.Assert(id != KnownHeader.None);
        var (offset, length) = StoreValue(value);
        AddField(new(-1, KnownHeaders.Name(id).Length, offset, length, id, neverIndexed ? FieldFlags.NeverIndexed : 0));
    }

    public void Append(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool neverIndexed = false)
    {
        var id = KnownHeaders.Find(name);
        if (id != KnownHeader.None)
        {
            Append(id, value, neverIndexed);
            return;
        }

        Debug.Assert(HttpChars.IsToken(name));
        var nameOffset = Store(name);
        var (offset, length) = StoreValue(value);
        AddField(new(nameOffset, name.Length, offset, length, id, neverIndexed ? FieldFlags.NeverIndexed : 0));
    }

    public void Append(HeaderName name, ReadOnlySpan<byte> value)
    {
        if (name.Known != KnownHeader.None) Append(name.Known, value);
        else Append(name.Bytes, value);
    }

    /// <summary>One field of the name with this value: the first is overwritten in its place, the others go.</summary>
    public void Set(KnownHeader id, ReadOnlySpan<byte> value)
    {
        var index = _first[(int)id] - 1;
        if (index < 0) Append(id, value);
        else Replace(index, value, id, []);
    }

    /// <inheritdoc cref="Set(KnownHeader, ReadOnlySpan{byte})"/>
    public void Set(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        var index = IndexOf(name);
        if (index < 0) Append(name, value);
        else Replace(index, value, _fields[index].Known, name);
    }

    /// <inheritdoc cref="Set(KnownHeader, ReadOnlySpan{byte})"/>
    public void Set(HeaderName name, ReadOnlySpan<byte> value)
    {
        if (name.Known != KnownHeader.None) Set(name.Known, value);
        else Set(name.Bytes, value);
    }

    /// <summary>A number, written without a string.</summary>
    public void Set(KnownHeader id, long value)
    {
        Span<byte> digits = stackalloc byte[20];
        value.TryFormat(digits, out var written);
        Set(id, digits[..written]);
    }

    /// <summary>Removes every field of the name.</summary>
    public bool Remove(KnownHeader id)
    {
        var index = _first[(int)id] - 1;
        if (index < 0) return false;

        for (; index >= 0; index = NextKnown(id, index + 1)) Drop(index);
        _first[(int)id] = 0;
        return true;
    }

    /// <inheritdoc cref="Remove(KnownHeader)"/>
    public bool Remove(ReadOnlySpan<byte> name)
    {
        var id = KnownHeaders.Find(name);
        if (id != KnownHeader.None) return Remove(id);

        var any = false;
        for (var index = NextNamed(name, 0); index >= 0; index = NextNamed(name, index + 1))
        {
            Drop(index);
            any = true;
        }

        return any;
    }

    /// <inheritdoc cref="Remove(KnownHeader)"/>
    public bool Remove(HeaderName name) => name.Known != KnownHeader.None ? Remove(name.Known) : Remove(name.Bytes);

    /// <summary>Appends every field of the other in its order.</summary>
    public void AppendAll(Headers other)
    {
        foreach (var field in other)
        {
            if (field.Known != KnownHeader.None) Append(field.Known, field.Value, field.NeverIndexed);
            else Append(field.Name, field.Value, field.NeverIndexed);
        }
    }

    public Enumerator GetEnumerator() => new(this);

    /// <summary>All fields, one a line. Cold paths only.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var field in this) text.Append(field.ToString()).Append('\n');
        return text.ToString();
    }

    // ---- for the codecs ----

    internal int FieldSlots => _count;

    /// <summary>No head needs more for its fields: every arena byte once, every known name, separators.</summary>
    internal int WriteBytesMax => _used + _count * (4 + 48);

    internal int ArenaUsed => _used;

    internal ref readonly Field FieldAt(int slot) => ref _fields[slot];

    internal ReadOnlySpan<byte> Bytes(int offset, int length) => _arena.AsSpan(offset, length);

    internal ReadOnlySpan<byte> NameAt(int slot)
    {
        ref readonly var field = ref _fields[slot];
        return field.NameOffset < 0 ? KnownHeaders.Name(field.Known) : _arena.AsSpan(field.NameOffset, field.NameLength);
    }

    internal ReadOnlySpan<byte> ValueAt(int slot) => _arena.AsSpan(_fields[slot].ValueOffset, _fields[slot].ValueLength);

    /// <summary>The whole head at once: fields that were added before this point into it by offset.</summary>
    internal void TakeArena(ReadOnlySpan<byte> head)
    {
        _used = 0;
        Store(head);
    }

    /// <summary>Copies bytes into the arena as they are and says where they went.</summary>
    internal int Store(ReadOnlySpan<byte> bytes)
    {
        var offset = _used;
        bytes.CopyTo(Reserve(bytes.Length));
        return offset;
    }

    /// <summary>Room for bytes that the caller writes itself; already counted as used.</summary>
    internal Span<byte> Reserve(int length)
    {
        if (length > _arena.Length - _used) GrowArena(length);
        var room = _arena.AsSpan(_used, length);
        _used += length;
        return room;
    }

    /// <summary>Gives back the end of what was last reserved.</summary>
    internal void Unreserve(int length) => _used -= length;

    internal void AddField(in Field field)
    {
        if (_count == _fields.Length) Array.Resize(ref _fields, Math.Max(16, _fields.Length * 2));
        _fields[_count++] = field;
        Count++;
        if (field.Known != KnownHeader.None && _first[(int)field.Known] == 0) _first[(int)field.Known] = (short)_count;
    }

    /// <summary>One field of the name, with a value that is in the arena already.</summary>
    internal void ReplaceFirst(KnownHeader id, Slice value)
    {
        var index = _first[(int)id] - 1;
        _fields[index].ValueOffset = value.Offset;
        _fields[index].ValueLength = value.Length;
        _fields[index].Flags &= ~FieldFlags.Canonical;
        for (var other = NextKnown(id, index + 1); other >= 0; other = NextKnown(id, other + 1)) Drop(other);
    }

    private (int Offset, int Length) StoreValue(ReadOnlySpan<byte> value)
    {
        var offset = Store(value);
        if (value.ContainsAny(HttpChars.BadValueBytes))
        {
            // No filter, formatter or certificate field may ever split a message: what cannot be in a value becomes a space.
            foreach (ref var b in _arena.AsSpan(offset, value.Length))
            {
                if (HttpChars.BadValueBytes.Contains(b)) b = (byte)' ';
            }
        }

        return (offset, value.Length);
    }

    private void Replace(int index, ReadOnlySpan<byte> value, KnownHeader id, ReadOnlySpan<byte> name)
    {
        var (offset, length) = StoreValue(value);
        ref var field = ref _fields[index];
        field.ValueOffset = offset;
        field.ValueLength = length;
        field.Flags &= ~FieldFlags.Canonical;

        for (var other = Next(id, name, index + 1); other >= 0; other = Next(id, name, other + 1)) Drop(other);
    }

    private void Drop(int index)
    {
        _fields[index].Flags |= FieldFlags.Removed;
        Count--;
    }

    private int IndexOf(ReadOnlySpan<byte> name)
    {
        var id = KnownHeaders.Find(name);
        return id != KnownHeader.None ? _first[(int)id] - 1 : NextNamed(name, 0);
    }

    private int IndexOf(HeaderName name) => name.Known != KnownHeader.None ? _first[(int)name.Known] - 1 : NextNamed(name.Bytes, 0);

    internal int Next(KnownHeader id, ReadOnlySpan<byte> name, int from) => id != KnownHeader.None ? NextKnown(id, from) : NextNamed(name, from);

    private int NextKnown(KnownHeader id, int from)
    {
        for (var i = from; i < _count; i++)
        {
            if (_fields[i].Known == id && (_fields[i].Flags & FieldFlags.Removed) == 0) return i;
        }

        return -1;
    }

    private int NextNamed(ReadOnlySpan<byte> name, int from)
    {
        for (var i = from; i < _count; i++)
        {
            ref readonly var field = ref _fields[i];
            if (field.Known != KnownHeader.None || field.NameLength != name.Length || (field.Flags & FieldFlags.Removed) != 0) continue;
            if (Ascii.EqualsIgnoreCase(_arena.AsSpan(field.NameOffset, field.NameLength), name)) return i;
        }

        return -1;
    }

    private void GrowArena(int more)
    {
        var needed = _used + more;
        if (needed > ArenaBytesMax) throw new InvalidOperationException("a message's header fields passed 64 MiB: some parser has no limit");

        Array.Resize(ref _arena, Math.Max(1024, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)needed)));
    }

    [Flags]
    internal enum FieldFlags : byte
    {
        None = 0,
        Removed = 1,
        NeverIndexed = 2,

        /// <summary>The arena holds it as "name: value CRLF", so a writer may copy whole runs of lines.</summary>
        Canonical = 4,
    }

    internal struct Field(int nameOffset, int nameLength, int valueOffset, int valueLength, KnownHeader known, FieldFlags flags)
    {
        public int NameOffset = nameOffset; // -1: the name is the known one's, in lower case
        public int ValueOffset = valueOffset;
        public int ValueLength = valueLength;
        public ushort NameLength = (ushort)nameLength;
        public KnownHeader Known = known;
        public FieldFlags Flags = flags;
    }

    public ref struct Enumerator(Headers headers)
    {
        private int _slot = -1;

        public readonly HeaderField Current =>
            new(headers._fields[_slot].Known, headers.NameAt(_slot), headers.ValueAt(_slot), (headers._fields[_slot].Flags & FieldFlags.NeverIndexed) != 0);

        public bool MoveNext()
        {
            while (++_slot < headers._count)
            {
                if ((headers._fields[_slot].Flags & FieldFlags.Removed) == 0) return true;
            }

            return false;
        }
    }
}
