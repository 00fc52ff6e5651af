using System.Buffers.Binary;
using System.Numerics;

namespace Mesh.Http.Hpack;

/// <summary>RFC 7541 appendix B. The code is canonical: ordered by length, then by symbol; so the lengths are all there is to know.</summary>
internal static class Huffman
{
    private const int FastBits = 10; // every letter and digit has at most 8
    private const int SymbolsPerRefill = 5; // 56 bits hold so many of them for certain
    private const int EndOfString = 256;

    private static ReadOnlySpan<byte> Lengths =>
    [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
        13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
        20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
        22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
        20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
        30,
    ];

    private static readonly uint[] Codes = new uint[257];
    private static readonly ushort[] Fast = new ushort[1 << FastBits]; // symbol << 4 | length; 0 = longer than FastBits
    private static readonly uint[] FirstCode = new uint[32];           // of each length, left-aligned in 32 bits
    private static readonly ushort[] FirstRank = new ushort[32];
    private static readonly ushort[] ByRank = new ushort[257];

    static Huffman()
    {
        uint code = 0;
        var rank = 0;
        for (var length = 1; length <= 30; length++)
        {
            FirstCode[length] = code << (32 - length);
            FirstRank[length] = (ushort)rank;
            for (var symbol = 0; symbol < Lengths.Length; symbol++)
            {
                if (Lengths[symbol] != length) continue;

                ByRank[rank++] = (ushort)symbol;
                Codes[symbol] = code;
                if (length <= FastBits) Array.Fill(Fast, (ushort)(symbol << 4 | length), (int)(code << (FastBits - length)), 1 << (FastBits - length));
                code++;
            }

            code <<= 1;
        }
    }

    /// <summary>Bytes that a string of this many coded bytes can become at most: the shortest code has 5 bits.</summary>
    public static int DecodedBytesMax(int coded) => (int)((long)coded * 8 / 5) + 1;

    /// <returns>Bytes written, or -1: padding of more than seven bits or not of ones, or the end-of-string code inside (RFC 7541 §5.2).</returns>
    public static int Decode(ReadOnlySpan<byte> coded, Span<byte> output)
    {
        ulong bits = 0; // left-aligned
        var held = 0;
        var at = 0;
        var written = 0;
        while (true)
        {
            if (at + sizeof(ulong) <= coded.Length && DecodeFast(coded, output, ref bits, ref held, ref at, ref written)) continue;

            while (held <= 56 && at < coded.Length)
            {
                bits |= (ulong)coded[at++] << (56 - held);
                held += 8;
            }

            var entry = Fast[bits >> (64 - FastBits)];
            var length = entry & 15;
            if (length != 0 && length <= held)
            {
                output[written++] = (byte)(entry >> 4);
                bits <<= length;
                held -= length;
                continue;
            }

            if (held < 8 && at == coded.Length && IsPadding(bits, held)) return written;
            if (length != 0) return -1;

            var symbol = DecodeLong((uint)(bits >> 32), out length);
            if (symbol is EndOfString or < 0 || length > held) return -1;

            output[written++] = (byte)symbol;
            bits <<= length;
            held -= length;
        }
    }

    /// <summary>Takes eight bytes at once. Bits that stand behind those counted are the stream's own: they come again, the same, with the next bytes.</summary>
    /// <returns>False at a symbol with a long code.</returns>
    private static bool DecodeFast(ReadOnlySpan<byte> coded, Span<byte> output, ref ulong bits, ref int held, ref int at, ref int written)
    {
        bits |= BinaryPrimitives.ReadUInt64BigEndian(coded[at..]) >> held;
        at += (63 - held) >> 3;
        held |= 56;
        var room = output.Slice(written, SymbolsPerRefill);
        for (var i = 0; i < room.Length; i++)
        {
            var entry = Fast[bits >> (64 - FastBits)];
            var length = entry & 15;
            if (length == 0) return false;

            room[i] = (byte)(entry >> 4);
            written++;
            bits <<= length;
            held -= length;
        }

        return true;
    }

    public static int CodedBytes(ReadOnlySpan<byte> text)
    {
        long bits = 0;
        foreach (var symbol in text) bits += Lengths[symbol];
        return (int)((bits + 7) / 8);
    }

    /// <returns>Bytes written: <see cref="CodedBytes"/>.</returns>
    public static int Encode(ReadOnlySpan<byte> text, Span<byte> output)
    {
        ulong bits = 0;
        var held = 0;
        var written = 0;
        foreach (var symbol in text)
        {
            var length = Lengths[symbol];
            bits = bits << length | Codes[symbol];
            held += length;
            while (held >= 8)
            {
                held -= 8;
                output[written++] = (byte)(bits >> held);
            }
        }

        if (held > 0) output[written++] = (byte)((bits << (8 - held)) | (0xFFu >> held));
        return written;
    }

    private static bool IsPadding(ulong bits, int held) => held == 0 || BitOperations.LeadingZeroCount(~bits) >= held;

    private static int DecodeLong(uint bits, out int length)
    {
        for (length = FastBits + 1; length <= 30; length++)
        {
            var isLast = length == 30 || bits < FirstCode[length + 1];
            if (!isLast) continue;

            var rank = FirstRank[length] + ((bits - FirstCode[length]) >> (32 - length));
            return rank < ByRank.Length ? ByRank[rank] : -1;
        }

        return -1;
    }
}
