using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Mesh.Proxy.Security;

/// <summary>Protocol-buffer fields written one after the other, for the few messages that the data path sends itself.</summary>
internal sealed class FieldWriter
{
    private readonly ArrayBufferWriter<byte> bytes = new();

    public byte[] ToArray() => bytes.WrittenSpan.ToArray();

    public FieldWriter Text(int field, string? text) => string.IsNullOrEmpty(text) ? this : Bytes(field, Encoding.UTF8.GetBytes(text));

    public FieldWriter Bytes(int field, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty) return this;
        Number((ulong)(field << 3 | 2));
        Number((ulong)value.Length);
        bytes.Write(value);
        return this;
    }

    public FieldWriter Varint(int field, ulong value)
    {
        if (value == 0) return this;
        Number((ulong)(field << 3));
        Number(value);
        return this;
    }

    /// <summary>An integer of eight bytes, written though it be zero.</summary>
    public FieldWriter Fixed64(int field, ulong value)
    {
        Number((ulong)(field << 3 | 1));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.GetSpan(8), value);
        bytes.Advance(8);
        return this;
    }

    /// <summary>An integer of four bytes, written though it be zero.</summary>
    public FieldWriter Fixed32(int field, uint value)
    {
        Number((ulong)(field << 3 | 5));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.GetSpan(4), value);
        bytes.Advance(4);
        return this;
    }

    public FieldWriter Message(int field, FieldWriter inner)
    {
        var content = inner.ToArray();
        Number((ulong)(field << 3 | 2));
        Number((ulong)content.Length);
        bytes.Write(content);
        return this;
    }

    public FieldWriter Entry(int field, string key, string value) => Message(field, new FieldWriter().Text(1, key).Text(2, value));

    private void Number(ulong value)
    {
        for (; value >= 0x80; value >>= 7) bytes.Write([(byte)(value | 0x80)]);
        bytes.Write([(byte)value]);
    }
}

/// <summary>Protocol-buffer fields read one after the other. Malformed input ends the reading; nothing throws.</summary>
internal ref struct FieldReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> rest = bytes;

    public int Field { get; private set; }
    public ulong Value { get; private set; }
    public ReadOnlySpan<byte> Content { get; private set; }
    public bool IsBroken { get; private set; }

    public readonly string Text => Encoding.UTF8.GetString(Content);

    public bool Next()
    {
        Value = 0;
        Content = default;
        if (rest.IsEmpty) return false;
        if (!TryNumber(out var tag)) return Break();

        Field = (int)(tag >> 3);
        switch (tag & 7)
        {
            case 0:
                if (!TryNumber(out var value)) return Break();
                Value = value;
                return true;
            case 1 when rest.Length >= 8:
                Value = BinaryPrimitives.ReadUInt64LittleEndian(rest);
                rest = rest[8..];
                return true;
            case 2:
                if (!TryNumber(out var length) || length > (ulong)rest.Length) return Break();
                Content = rest[..(int)length];
                rest = rest[(int)length..];
                return true;
            case 5 when rest.Length >= 4:
                Value = BinaryPrimitives.ReadUInt32LittleEndian(rest);
                rest = rest[4..];
                return true;
            default:
                return Break();
        }
    }

    private bool TryNumber(out ulong value)
    {
        value = 0;
        for (var shift = 0; shift < 64 && !rest.IsEmpty; shift += 7)
        {
            var b = rest[0];
            rest = rest[1..];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80) return true;
        }
        return false;
    }

    private bool Break()
    {
        IsBroken = true;
        rest = default;
        return false;
    }
}
