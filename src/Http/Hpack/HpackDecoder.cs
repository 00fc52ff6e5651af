namespace Mesh.Http.Hpack;

/// <summary>
/// Decodes field blocks (RFC 7541 §6). Copies each name and value once, into the arena of the head that is being read. What passes the head's
/// limits is still decoded, since the table must stay that of the peer, but no longer stored: a small block cannot become a large head.
/// </summary>
internal sealed class HpackDecoder(int tableBytesMax)
{
    private readonly DynamicTable _table = new(tableBytesMax);

    /// <returns>False: COMPRESSION_ERROR, and the connection cannot go on.</returns>
    public bool TryDecode<TSink>(ReadOnlySpan<byte> block, ref TSink sink)
        where TSink : IFieldSink, allows ref struct
    {
        // §4.2: size updates stand at the beginning of a block and nowhere else; two suffice for every change of settings.
        for (var updates = 0; !block.IsEmpty && (block[0] & 0xE0) == 0x20; updates++)
        {
            if (updates == 2 || !HpackInteger.TryRead(ref block, 5, out var size) || size > tableBytesMax) return false;

            _table.Resize(size);
        }

        while (!block.IsEmpty)
        {
            var first = block[0];
            bool ok;
            if ((first & 0x80) != 0) ok = TryIndexed(ref block, ref sink);
            else if ((first & 0x40) != 0) ok = TryLiteral(ref block, 6, isIndexed: true, neverIndexed: false, ref sink);
            else if ((first & 0x20) != 0) return false;
            else ok = TryLiteral(ref block, 4, isIndexed: false, neverIndexed: (first & 0x10) != 0, ref sink);
            if (!ok) return false;
        }

        return true;
    }

    private bool TryIndexed<TSink>(ref ReadOnlySpan<byte> block, ref TSink sink)
        where TSink : IFieldSink, allows ref struct
    {
        if (!HpackInteger.TryRead(ref block, 7, out var index) || index == 0) return false;

        var arena = sink.Arena;
        if (index <= StaticTable.Count)
        {
            var token = StaticTable.Token(index);
            var value = StaticTable.Value(index);
            if (sink.Admit(FieldToken.Name(token).Length, value.Length)) sink.Add(token, default, new(arena.Store(value), value.Length), false, false);
            return true;
        }

        if (index - StaticTable.Count > _table.Count) return false;

        ref readonly var entry = ref _table[index - StaticTable.Count - 1];
        if (!sink.Admit(entry.NameLength, entry.ValueLength)) return true;

        var name = IsNameStored(entry.Token) ? new Slice(arena.Store(_table.Name(entry)), entry.NameLength) : default;
        sink.Add(entry.Token, name, new(arena.Store(_table.Value(entry)), entry.ValueLength), false, entry.IsBad);
        return true;
    }

    private bool TryLiteral<TSink>(ref ReadOnlySpan<byte> block, int prefixBits, bool isIndexed, bool neverIndexed, ref TSink sink)
        where TSink : IFieldSink, allows ref struct
    {
        var arena = sink.Arena;
        var mark = arena.ArenaUsed;
        if (!TryReadName(ref block, prefixBits, arena, out var token, out var name) || !TryReadString(ref block, arena, out var value)) return false;

        var nameBytes = IsNameStored(token) ? arena.Bytes(name.Offset, name.Length) : FieldToken.Name(token);
        var valueBytes = arena.Bytes(value.Offset, value.Length);
        var isBad = token == FieldToken.Bad || valueBytes.ContainsAny(HttpChars.BadValueBytes);
        if (isIndexed) _table.Insert(token, nameBytes, valueBytes, isBad: isBad);
        if (sink.Admit(nameBytes.Length, value.Length)) sink.Add(token, name, value, neverIndexed, isBad);
        else arena.Unreserve(arena.ArenaUsed - mark);
        return true;
    }

    private bool TryReadName(ref ReadOnlySpan<byte> block, int prefixBits, Headers arena, out byte token, out Slice name)
    {
        token = FieldToken.Bad;
        name = default;
        if (!HpackInteger.TryRead(ref block, prefixBits, out var index)) return false;

        if (index == 0)
        {
            if (!TryReadString(ref block, arena, out name)) return false;

            token = FieldToken.Find(arena.Bytes(name.Offset, name.Length));
            if (IsNameStored(token)) return true;

            arena.Unreserve(name.Length);
            name = default;
            return true;
        }

        if (index <= StaticTable.Count)
        {
            token = StaticTable.Token(index);
            return true;
        }

        if (index - StaticTable.Count > _table.Count) return false;

        ref readonly var entry = ref _table[index - StaticTable.Count - 1];
        token = entry.Token;
        if (IsNameStored(token)) name = new(arena.Store(_table.Name(entry)), entry.NameLength);
        return true;
    }

    private static bool TryReadString(ref ReadOnlySpan<byte> block, Headers arena, out Slice text)
    {
        text = default;
        if (block.IsEmpty) return false;

        var isHuffman = (block[0] & 0x80) != 0;
        if (!HpackInteger.TryRead(ref block, 7, out var length) || length > block.Length) return false;

        var coded = block[..length];
        block = block[length..];
        if (!isHuffman)
        {
            text = new(arena.Store(coded), length);
            return true;
        }

        var offset = arena.ArenaUsed;
        var room = arena.Reserve(Huffman.DecodedBytesMax(length));
        var decoded = Huffman.Decode(coded, room);
        if (decoded < 0) return false;

        arena.Unreserve(room.Length - decoded);
        text = new(offset, decoded);
        return true;
    }

    private static bool IsNameStored(byte token) => token is FieldToken.Other or FieldToken.Bad or FieldToken.UnknownPseudo;
}
