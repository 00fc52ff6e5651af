using System.Numerics;
using System.Security.Cryptography;

namespace Mesh.Proxy.Security;

/// <summary>
/// Verification of Ed25519 signatures (RFC 8032 §5.1.7), which the class library lacks. Written to be read, not to be fast: a verified token is
/// remembered, so this runs once for each token. It handles public values only, so its timing tells nothing.
/// </summary>
internal static class Ed25519
{
    private static readonly BigInteger P = BigInteger.Pow(2, 255) - 19;
    private static readonly BigInteger Order = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", System.Globalization.CultureInfo.InvariantCulture);
    private static readonly BigInteger D = Mod(-121665 * Inverse(121666));
    private static readonly BigInteger RootOfMinusOne = BigInteger.ModPow(2, (P - 1) / 4, P);
    private static readonly Point Base = BasePoint();

    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != 32 || signature.Length != 64) return false;
        if (!TryDecode(publicKey, out var a) || !TryDecode(signature[..32], out var r)) return false;

        var s = Little(signature[32..]);
        // A larger s would make second signatures of one message.
        if (s >= Order) return false;

        byte[] hashed = [.. signature[..32], .. publicKey, .. message];
        var k = Little(SHA512.HashData(hashed)) % Order;
        return Same(Multiply(Base, s), Add(r, Multiply(a, k)));
    }

    private readonly record struct Point(BigInteger X, BigInteger Y, BigInteger Z, BigInteger T);

    private static Point BasePoint()
    {
        var y = Mod(4 * Inverse(5));
        TryX(y, false, out var x);
        return new(x, y, 1, Mod(x * y));
    }

    private static bool TryDecode(ReadOnlySpan<byte> bytes, out Point point)
    {
        point = default;
        var isOdd = (bytes[31] & 0x80) != 0;
        Span<byte> copy = stackalloc byte[32];
        bytes.CopyTo(copy);
        copy[31] &= 0x7F;
        var y = Little(copy);
        if (y >= P || !TryX(y, isOdd, out var x)) return false;

        point = new(x, y, 1, Mod(x * y));
        return true;
    }

    private static bool TryX(BigInteger y, bool isOdd, out BigInteger x)
    {
        var square = Mod((y * y - 1) * Inverse(D * y * y + 1));
        x = BigInteger.ModPow(square, (P + 3) / 8, P);
        if (Mod(x * x - square) != 0) x = Mod(x * RootOfMinusOne);
        if (Mod(x * x - square) != 0 || x.IsZero && isOdd) return false;
        if (!x.IsEven != isOdd) x = P - x;
        return true;
    }

    private static Point Add(in Point p, in Point q)
    {
        var a = Mod((p.Y - p.X) * (q.Y - q.X));
        var b = Mod((p.Y + p.X) * (q.Y + q.X));
        var c = Mod(2 * p.T * q.T * D);
        var d = Mod(2 * p.Z * q.Z);
        var (e, f, g, h) = (b - a, d - c, d + c, b + a);
        return new(Mod(e * f), Mod(g * h), Mod(f * g), Mod(e * h));
    }

    private static Point Multiply(Point p, BigInteger scalar)
    {
        var result = new Point(0, 1, 1, 0);
        for (; !scalar.IsZero; scalar >>= 1, p = Add(p, p))
            if (!scalar.IsEven) result = Add(result, p);
        return result;
    }

    private static bool Same(in Point p, in Point q) => Mod(p.X * q.Z - q.X * p.Z).IsZero && Mod(p.Y * q.Z - q.Y * p.Z).IsZero;

    private static BigInteger Little(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true);

    private static BigInteger Inverse(BigInteger value) => BigInteger.ModPow(Mod(value), P - 2, P);

    private static BigInteger Mod(BigInteger value)
    {
        var rest = value % P;
        return rest.Sign < 0 ? rest + P : rest;
    }
}
