namespace Mesh.Http.Hpack;

/// <summary>RFC 7541 §5.1. Nothing in HTTP/2 needs more than 28 bits: longer ones are refused before they overflow.</summary>
internal static class HpackInteger
{
    private const int BytesMax = 5; // the prefix and four more

    /// <returns>False when the block ends inside it or it is too large: both are COMPRESSION_ERROR.</returns>
    public static bool TryRead(ref ReadOnlySpan<byte> block, int prefixBits, out int value)
    {
        value = 0;
        if (block.IsEmpty) return false;

        var max = (1 << prefixBits) - 1;
        value = block[0] & max;
        if (value < max)
        {
            block = block[1..];
            return true;
        }

        for (var i = 1; i < BytesMax && i < block.Length; i++)
        {
            value += (block[i] & 0x7F) << (7 * (i - 1));
            if ((block[i] & 0x80) != 0) continue;

            block = block[(i + 1)..];
            return true;
        }

        return false;
    }

    /// <returns>Bytes written, at most 6.</returns>
    public static int Write(int value, int prefixBits, byte pattern, Span<byte> output)
    {
        var max = (1 << prefixBits) - 1;
        if (value < max)
        {
            output[0] = (byte)(pattern | value);
            return 1;
        }

        output[0] = (byte)(pattern | max);
        value -= max;
        var at = 1;
        for (; value >= 0x80; value >>= 7) output[at++] = (byte)(value | 0x80);
        output[at++] = (byte)value;
        return at;
    }
}
