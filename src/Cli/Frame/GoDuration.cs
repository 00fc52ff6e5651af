using System.Buffers;
using System.Globalization;

namespace Mesh.Cli.Frame;

/// <summary>Durations as flags take them: 300ms, 1.5h, 2h45m, 0.</summary>
internal static class GoDuration
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789.");

    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan span)
    {
        span = default;
        var negative = text.StartsWith("-");
        if (text.StartsWith("-") || text.StartsWith("+")) text = text[1..];
        if (text is "0") return true;
        if (text.IsEmpty) return false;

        var seconds = 0.0;
        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExcept(Digits);
            if (digits <= 0 || !double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;

            text = text[digits..];
            var letters = text.IndexOfAny(Digits);
            var unit = letters < 0 ? text : text[..letters];
            double? scale = unit switch { "ns" => 1e-9, "us" or "µs" => 1e-6, "ms" => 1e-3, "s" => 1, "m" => 60, "h" => 3600, _ => null };
            if (scale is null) return false;

            seconds += number * scale.Value;
            text = text[unit.Length..];
        }
        if (seconds > TimeSpan.MaxValue.TotalSeconds / 2) return false;

        span = TimeSpan.FromSeconds(negative ? -seconds : seconds);
        return true;
    }
}
