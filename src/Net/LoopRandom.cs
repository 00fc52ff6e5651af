using System.Buffers.Binary;
using System.Numerics;

namespace Mesh.Net;

/// <summary>
/// Chance for one loop: the same numbers for the same seed, and a fraction of the cost of the runtime's seeded generator, whose sequence is that of 2002.
/// xoshiro256** (Blackman, Vigna), seeded by splitmix64. For spreading and sampling, never for secrets.
/// </summary>
internal sealed class LoopRandom : Random
{
    private ulong _a, _b, _c, _d;

    public LoopRandom(int seed)
        : base(seed)
    {
        var state = (ulong)seed;
        (_a, _b, _c, _d) = (Mix(ref state), Mix(ref state), Mix(ref state), Mix(ref state));
    }

    public override int Next() => (int)(Draw() >> 33) is var drawn && drawn < int.MaxValue ? drawn : Next();

    public override int Next(int maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxValue);
        return (int)Below((uint)maxValue);
    }

    public override int Next(int minValue, int maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minValue, maxValue);
        return (int)(minValue + (long)Below((ulong)((long)maxValue - minValue)));
    }

    public override long NextInt64() => (long)(Draw() >> 1) is var drawn && drawn < long.MaxValue ? drawn : NextInt64();

    public override long NextInt64(long maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxValue);
        return (long)Below((ulong)maxValue);
    }

    public override long NextInt64(long minValue, long maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minValue, maxValue);
        return (long)((ulong)minValue + Below((ulong)(maxValue - minValue)));
    }

    public override double NextDouble() => (Draw() >> 11) * (1.0 / (1UL << 53));

    public override float NextSingle() => (Draw() >> 40) * (1.0f / (1 << 24));

    public override void NextBytes(byte[] buffer) => NextBytes(buffer.AsSpan());

    public override void NextBytes(Span<byte> buffer)
    {
        for (; buffer.Length >= sizeof(ulong); buffer = buffer[sizeof(ulong)..]) BinaryPrimitives.WriteUInt64LittleEndian(buffer, Draw());
        if (buffer.IsEmpty) return;

        var rest = Draw();
        for (var i = 0; i < buffer.Length; i++) buffer[i] = (byte)(rest >> (8 * i));
    }

    protected override double Sample() => NextDouble();

    /// <summary>The high half of a product is below the bound; what would favour some numbers is drawn again (Lemire).</summary>
    private ulong Below(ulong bound)
    {
        if (bound == 0) return 0;

        var high = Math.BigMul(Draw(), bound, out var low);
        if (low >= bound) return high;

        for (var least = (0 - bound) % bound; low < least;) high = Math.BigMul(Draw(), bound, out low);
        return high;
    }

    private ulong Draw()
    {
        var drawn = BitOperations.RotateLeft(_b * 5, 7) * 9;
        var shifted = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= shifted;
        _d = BitOperations.RotateLeft(_d, 45);
        return drawn;
    }

    private static ulong Mix(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
