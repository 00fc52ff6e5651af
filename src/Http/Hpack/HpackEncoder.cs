using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Mesh.Http.Hpack;

/// <summary>
/// Encodes field blocks for the least CPU: what was sent before is one byte; what is seen for the second time enters the table; what is new (ids,
/// times, queries) is copied as it is. No Huffman coding: between sidecars bytes are cheaper than cycles.
/// </summary>
internal sealed class HpackEncoder
{
    /// <summary>What our half of the table may hold, whatever the peer offers.</summary>
    public const int TableBytesMax = 4096;

    // What one field takes besides its name and value: a pattern and two lengths.
    public const int FieldOverheadMax = 12;

    private const int NeverIndexedPattern = 0x10;
    private readonly DynamicTable _table = new(TableBytesMax);
    private long[] _byField = []; // hash -> entry number; colliding ones overwrite, which costs compression only
    private long[] _byName = [];
    private uint[] _seenOnce = [];
    private int _announcedMax = TableBytesMax; // what the decoder believes
    private int _wantedMax = TableBytesMax;
    private int _leastMax = TableBytesMax;     // since the last block: a shrink must be announced even if it was taken back (§4.2)

    /// <summary>The peer's SETTINGS_HEADER_TABLE_SIZE; takes effect with the next block.</summary>
    public void SetPeerMax(uint bytes)
    {
        _wantedMax = (int)Math.Min(bytes, TableBytesMax);
        _leastMax = Math.Min(_leastMax, _wantedMax);
    }

    /// <summary>Stands before the first field of every block.</summary>
    /// <returns>Bytes written, at most 12.</returns>
    public int Begin(Span<byte> output)
    {
        var at = 0;
        if (_leastMax < _announcedMax && _leastMax < _wantedMax) at += WriteMax(_leastMax, output);
        if (_wantedMax != _announcedMax || at > 0) at += WriteMax(_wantedMax, output[at..]);
        _leastMax = _announcedMax = _wantedMax;
        return at;
    }

    /// <summary>A pseudo-header that is a row of the static table, or any other row of it.</summary>
    public static int StaticField(int index, Span<byte> output)
    {
        output[0] = (byte)(0x80 | index);
        return 1;
    }

    /// <param name="name">Used when the token stands for no name; any case.</param>
    /// <returns>Bytes written: at most the lengths of name and value and <see cref="FieldOverheadMax"/>.</returns>
    public int Field(byte token, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool neverIndexed, Span<byte> output)
    {
        if (token != FieldToken.Other) name = FieldToken.Name(token);
        if (neverIndexed || IsSecret(token)) return Literal(token, name, value, NeverIndexedPattern, 4, output);

        if (_byField.Length == 0) Allocate();
        var hash = Hash(token, name, value);
        ref var slot = ref _byField[hash & 255];
        if (IsLive(slot))
        {
            ref readonly var entry = ref _table[(int)(_table.Inserted - slot)];
            if (entry.Hash == hash && entry.Token == token && _table.Value(entry).SequenceEqual(value)
                && (token != FieldToken.Other || Ascii.EqualsIgnoreCase(_table.Name(entry), name)))
            {
                return HpackInteger.Write(StaticTable.Count + 1 + (int)(_table.Inserted - slot), 7, 0x80, output);
            }
        }

        ref var seen = ref _seenOnce[(hash >> 8) & 127];
        if (seen != hash || DynamicTable.SizeOf(name.Length, value.Length) > _table.SizeMax / 2)
        {
            seen = hash;
            return Literal(token, name, value, 0x00, 4, output);
        }

        var written = Literal(token, name, value, 0x40, 6, output);
        if (!_table.Insert(token, name, value, hash)) return written;

        slot = _table.Inserted;
        if (StaticTable.NameIndex(token) == 0) _byName[NameSlot(token, name)] = _table.Inserted;
        return written;
    }

    // Connections that never send a head, and those that send one, are many.
    private void Allocate()
    {
        _byField = new long[256];
        _byName = new long[64];
        _seenOnce = new uint[128];
    }

    private int WriteMax(int max, Span<byte> output)
    {
        _table.Resize(max);
        return HpackInteger.Write(max, 5, 0x20, output);
    }

    private int Literal(byte token, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, byte pattern, int prefixBits, Span<byte> output)
    {
        var index = NameIndex(token, name);
        var at = HpackInteger.Write(index, prefixBits, pattern, output);
        if (index == 0)
        {
            at += HpackInteger.Write(name.Length, 7, 0, output[at..]);
            var room = output.Slice(at, name.Length);
            if (name.ContainsAny(HttpChars.UpperBytes)) Ascii.ToLower(name, room, out _);
            else name.CopyTo(room);
            at += name.Length;
        }

        at += HpackInteger.Write(value.Length, 7, 0, output[at..]);
        value.CopyTo(output[at..]);
        return at + value.Length;
    }

    private int NameIndex(byte token, ReadOnlySpan<byte> name)
    {
        var index = StaticTable.NameIndex(token);
        if (index != 0) return index;

        if (_byName.Length == 0) return 0;

        var number = _byName[NameSlot(token, name)];
        if (!IsLive(number)) return 0;

        var age = (int)(_table.Inserted - number);
        ref readonly var entry = ref _table[age];
        var isSame = entry.Token == token && (token != FieldToken.Other || Ascii.EqualsIgnoreCase(_table.Name(entry), name));
        return isSame ? StaticTable.Count + 1 + age : 0;
    }

    private bool IsLive(long number) => number > _table.Inserted - _table.Count;

    // Connections between sidecars carry many callers' requests: what proves who somebody is must not be guessable by its compressed size.
    private static bool IsSecret(byte token) => (KnownHeader)token is KnownHeader.Authorization or KnownHeader.ProxyAuthorization;

    private static int NameSlot(byte token, ReadOnlySpan<byte> name) =>
        token != FieldToken.Other ? token & 63 : (name.Length * 7 + (name[0] | 0x20) + (name[^1] | 0x20) * 5) & 63;

    // Looks at both ends and the middle only; whoever collides on purpose makes his own fields longer and nothing else.
    private static uint Hash(byte token, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        ulong hash = (uint)value.Length * 0x9E3779B1u + token;
        if (token == FieldToken.Other) hash += (ulong)(name[0] | 0x20) << 32 | (ulong)(name[^1] | 0x20) << 40 | (ulong)(uint)name.Length << 48;
        hash *= 0xFF51AFD7ED558CCDul;
        if (value.Length >= 8)
        {
            hash ^= BinaryPrimitives.ReadUInt64LittleEndian(value);
            hash *= 0xC4CEB9FE1A85EC53ul;
            hash ^= BinaryPrimitives.ReadUInt64LittleEndian(value[(value.Length / 2 - 4)..]);
            hash *= 0x9FB21C651E98DF25ul;
            hash ^= BinaryPrimitives.ReadUInt64LittleEndian(value[^8..]);
        }
        else
        {
            foreach (var b in value) hash = BitOperations.RotateLeft(hash, 8) ^ b;
        }

        hash *= 0xFF51AFD7ED558CCDul;
        return (uint)(hash >> 32);
    }
}
