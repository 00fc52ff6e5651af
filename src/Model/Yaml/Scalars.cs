using System.Globalization;

namespace Mesh.Model.Yaml;

public enum ScalarKind { Null, Bool, Integer, Float, Text }

/// <summary>What a plain scalar means once YAML is turned into JSON, as Kubernetes' tools do it (YAML 1.1: yes and on are booleans).</summary>
public static class Scalars
{
    public static ScalarKind KindOf(ScalarNode scalar)
    {
        if (scalar.IsQuoted) return ScalarKind.Text;
        if (scalar.IsNull) return ScalarKind.Null;

        return scalar.Text switch
        {
            "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => ScalarKind.Bool,
            "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => ScalarKind.Bool,
            _ => TryInteger(scalar.Text, out _) ? ScalarKind.Integer : IsFloat(scalar.Text) ? ScalarKind.Float : ScalarKind.Text,
        };
    }

    /// <summary>Meaningful only where <see cref="KindOf"/> says Bool.</summary>
    public static bool IsTrue(ScalarNode scalar) => scalar.Text[0] is 't' or 'T' or 'y' or 'Y' || scalar.Text is "on" or "On" or "ON";

    /// <summary>Decimal, 0x, 0o and 0b, with _ between digits and a sign in front.</summary>
    public static bool TryInteger(string text, out decimal value)
    {
        value = 0;
        if (text.Length is 0 or > 40) return false;

        var digits = text.AsSpan();
        var negative = digits[0] == '-';
        if (digits[0] is '-' or '+') digits = digits[1..];
        if (digits.IsEmpty || !char.IsAsciiDigit(digits[0])) return false;

        Span<char> plain = stackalloc char[digits.Length];
        var length = 0;
        foreach (var c in digits)
            if (c != '_') plain[length++] = c;
        plain = plain[..length];

        var known = plain switch
        {
            ['0', 'x' or 'X', .. var hex] => FromBase(hex, 16, out value),
            ['0', 'o' or 'O', .. var octal] => FromBase(octal, 8, out value),
            ['0', 'b' or 'B', .. var binary] => FromBase(binary, 2, out value),
            ['0', _, ..] => FromBase(plain[1..], 8, out value),
            _ => decimal.TryParse(plain, NumberStyles.None, CultureInfo.InvariantCulture, out value),
        };
        if (negative) value = -value;
        return known;
    }

    private static bool IsFloat(string text)
    {
        if (text is ".inf" or ".Inf" or ".INF" or "-.inf" or "-.Inf" or "-.INF" or "+.inf" or ".nan" or ".NaN" or ".NAN") return true;
        return text[0] is '-' or '+' or '.' or (>= '0' and <= '9')
            && text.AsSpan().IndexOfAnyInRange('0', '9') >= 0
            && double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out _);
    }

    private static bool FromBase(ReadOnlySpan<char> digits, int radix, out decimal value)
    {
        value = 0;
        if (digits.Length is 0 or > 24) return false;
        foreach (var c in digits)
        {
            var digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : radix;
            if (digit >= radix) return false;
            value = value * radix + digit;
        }
        return true;
    }
}
