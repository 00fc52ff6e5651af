using System.Globalization;

namespace Mesh.Model.Schema;

/// <summary>Durations as Kubernetes and Istio write them: 300ms, 1.5h, 2h45m, 0. Counted in nanoseconds.</summary>
public static class GoDuration
{
    public const long Millisecond = 1_000_000;
    public const long Second = 1000 * Millisecond;

    /// <param name="problem">Why not, in the words Go's parser uses; null when it parses.</param>
    public static bool TryParse(string text, out long nanoseconds, out string? problem)
    {
        nanoseconds = 0;
        problem = null;
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        if (rest.StartsWith("-") || rest.StartsWith("+")) rest = rest[1..];
        if (rest is "0") return true;
        if (rest.IsEmpty) return Invalid(text, out problem);

        decimal total = 0;
        while (!rest.IsEmpty)
        {
            var digits = CountDigits(rest);
            if (digits == 0 || rest[..digits] is "." || rest[..digits].Count('.') > 1
                || digits > 28 || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
                return Invalid(text, out problem);

            rest = rest[digits..];
            var letters = 0;
            while (letters < rest.Length && rest[letters] != '.' && !char.IsAsciiDigit(rest[letters])) letters++;
            if (letters == 0)
            {
                problem = $"time: missing unit in duration {Quote(text)}";
                return false;
            }
            if (Scale(rest[..letters]) is not { } scale)
            {
                problem = $"time: unknown unit {Quote(rest[..letters].ToString())} in duration {Quote(text)}";
                return false;
            }
            if (number > long.MaxValue / scale) return Invalid(text, out problem);

            total += number * scale;
            if (total > long.MaxValue) return Invalid(text, out problem);
            rest = rest[letters..];
        }
        nanoseconds = (long)(negative ? -total : total);
        return true;
    }

    private static int CountDigits(ReadOnlySpan<char> text)
    {
        var count = 0;
        while (count < text.Length && (text[count] == '.' || char.IsAsciiDigit(text[count]))) count++;
        return count;
    }

    private static long? Scale(ReadOnlySpan<char> unit) => unit switch
    {
        "ns" => 1,
        "us" or "µs" or "μs" => 1000,
        "ms" => Millisecond,
        "s" => Second,
        "m" => 60 * Second,
        "h" => 3600 * Second,
        _ => null,
    };

    private static bool Invalid(string text, out string problem)
    {
        problem = $"time: invalid duration {Quote(text)}";
        return false;
    }

    private static string Quote(string text) => $"\"{text}\"";
}
