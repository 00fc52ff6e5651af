using System.Globalization;
using System.Numerics;

namespace Mesh.Injector;

/// <summary>A Kubernetes quantity such as 100m, 1.5Gi or 1e3, and the one way Kubernetes itself writes it.</summary>
internal static class Quantity
{
    public const string Syntax = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    private const int DigitsMax = 64; // more digits are no quantity anyone means, and a bound keeps the arithmetic small

    private static readonly string[] Decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    private static readonly string[] Binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

    /// <returns>Null when the text is no quantity.</returns>
    public static string? Canonical(string text)
    {
        if (!TrySplit(text, out var negative, out var digits, out var fraction, out var suffix)) return null;

        // The amount in billionths, so that "n" is a whole number.
        var scale = BigInteger.Pow(10, fraction);
        if (Array.IndexOf(Binary, suffix) is > 0 and var power)
        {
            var amount = digits * BigInteger.Pow(1024, power);
            if (amount % scale == 0) return Write(amount / scale, negative, Binary, 1024, 0);
            return Write(RoundUp(amount * 1_000_000_000, scale), negative, Decimal, 1000, 0);
        }
        if (Array.IndexOf(Decimal, suffix) is >= 0 and var step)
            return Write(RoundUp(digits * BigInteger.Pow(1000, step), scale), negative, Decimal, 1000, 0);
        return Exponent(suffix) is { } exponent
            ? WithExponent(RoundUp(digits * 1_000_000_000 * BigInteger.Pow(10, Math.Max(exponent, 0)), scale * BigInteger.Pow(10, Math.Max(-exponent, 0))), negative)
            : null;
    }

    private static string Write(BigInteger amount, bool negative, string[] suffixes, int stepSize, int step)
    {
        if (amount.IsZero) return "0";
        while (step + 1 < suffixes.Length && amount % stepSize == 0)
        {
            amount /= stepSize;
            step++;
        }
        return (negative ? "-" : "") + amount.ToString(CultureInfo.InvariantCulture) + suffixes[step];
    }

    private static string WithExponent(BigInteger billionths, bool negative)
    {
        if (billionths.IsZero) return "0";
        var exponent = -9;
        while (billionths % 1000 == 0)
        {
            billionths /= 1000;
            exponent += 3;
        }
        return (negative ? "-" : "") + billionths.ToString(CultureInfo.InvariantCulture) + (exponent == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"e{exponent}"));
    }

    private static BigInteger RoundUp(BigInteger amount, BigInteger scale) => (amount + scale - 1) / scale;

    private static int? Exponent(string suffix) =>
        suffix.Length > 1 && suffix[0] is 'e' or 'E'
        && int.TryParse(suffix.AsSpan(1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent)
        && Math.Abs(exponent) <= 18 ? exponent : null;

    private static bool TrySplit(string text, out bool negative, out BigInteger digits, out int fraction, out string suffix)
    {
        negative = text.StartsWith('-');
        digits = default;
        fraction = 0;
        suffix = "";
        var at = negative || text.StartsWith('+') ? 1 : 0;
        var start = at;
        while (at < text.Length && (char.IsAsciiDigit(text[at]) || text[at] == '.')) at++;

        var number = text[start..at];
        suffix = text[at..];
        var point = number.IndexOf('.', StringComparison.Ordinal);
        if (number.Length == 0 || number.Length > DigitsMax || number == "." || point != number.LastIndexOf('.')) return false;

        fraction = point < 0 ? 0 : number.Length - point - 1;
        digits = BigInteger.Parse(number.Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
        return true;
    }
}
