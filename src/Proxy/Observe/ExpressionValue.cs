using System.Globalization;

namespace Mesh.Proxy.Observe;

/// <summary>A value of an expression: text, number, truth, null, or the error that an absent attribute is.</summary>
internal readonly record struct ExpressionValue
{
    private enum ValueKind : byte { Error, Null, Text, Number, Flag }

    private ValueKind Kind { get; init; }

    public static ExpressionValue Error => default;
    public static ExpressionValue Null => new() { Kind = ValueKind.Null };

    public string? Text { get; private init; }
    public double Number { get; private init; }
    public bool Flag { get; private init; }

    public bool IsError => Kind == ValueKind.Error;
    public bool IsNumber => Kind == ValueKind.Number;
    public bool IsFlag => Kind == ValueKind.Flag;

    public static ExpressionValue Of(string? text) => text is null ? Error : new() { Kind = ValueKind.Text, Text = text };
    public static ExpressionValue Of(double number) => new() { Kind = ValueKind.Number, Number = number };
    public static ExpressionValue Of(bool flag) => new() { Kind = ValueKind.Flag, Flag = flag };

    /// <summary>"1.5s", "200ms", "1h30m": to seconds.</summary>
    public static bool TryDuration(string text, out double seconds)
    {
        seconds = 0;
        var rest = text.AsSpan();
        while (!rest.IsEmpty)
        {
            var digits = DigitsOf(rest);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return false;

            rest = rest[digits..];
            var (unit, length) = rest.StartsWith("ms") ? (0.001, 2) : rest.StartsWith("us") ? (1e-6, 2) : rest.StartsWith("ns") ? (1e-9, 2) : rest[0] switch
            {
                's' => (1, 1),
                'm' => (60, 1),
                'h' => (3600, 1),
                _ => (0, 0),
            };
            if (length == 0) return false;
            seconds += number * unit;
            rest = rest[length..];
        }
        return text.Length > 0;
    }

    private static int DigitsOf(ReadOnlySpan<char> text)
    {
        var count = 0;
        while (count < text.Length && (char.IsAsciiDigit(text[count]) || text[count] == '.')) count++;
        return count == text.Length ? -1 : count;
    }

    public bool TryWrite(ref ByteLine line)
    {
        line.Append(ToString());
        return true;
    }

    public override string ToString() => Kind switch
    {
        ValueKind.Text => Text!,
        ValueKind.Number => Number.ToString("R", CultureInfo.InvariantCulture),
        ValueKind.Flag => Flag ? "true" : "false",
        _ => "null",
    };
}
