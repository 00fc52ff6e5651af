using System.Globalization;

namespace Mesh.Http.Text;

/// <summary>RE2's classes and escapes, as members of a .NET class or as one character.</summary>
internal static class Re2Classes
{
    private const string Digits = "0-9";
    private const string Word = "0-9A-Z_a-z";
    private const string Space = @"\t\n\f\r ";

    // What is left of all characters when the ASCII class is taken away.
    private const string NotDigits = @"\x00-/:-\uFFFF";
    private const string NotWord = @"\x00-/:-@\[-\^`\{-\uFFFF";
    private const string NotSpace = @"\x00-\x08\x0B\x0E-\x1F!-\uFFFF";

    private static readonly (string Name, string Members, string Complement)[] Posix =
    [
        ("alnum", "0-9A-Za-z", @"\x00-/:-@\[-`\{-\uFFFF"),
        ("alpha", "A-Za-z", @"\x00-@\[-`\{-\uFFFF"),
        ("ascii", @"\x00-\x7F", @"\x80-\uFFFF"),
        ("blank", @"\t ", @"\x00-\x08\x0A-\x1F!-\uFFFF"),
        ("cntrl", @"\x00-\x1F\x7F", @" -~\x80-\uFFFF"),
        ("digit", Digits, NotDigits),
        ("graph", "!-~", @"\x00- \x7F-\uFFFF"),
        ("lower", "a-z", @"\x00-`\{-\uFFFF"),
        ("print", " -~", @"\x00-\x1F\x7F-\uFFFF"),
        ("punct", @"!-/:-@\[-`\{-~", @"\x00- 0-9A-Za-z\x7F-\uFFFF"),
        ("space", @"\t\n\v\f\r ", @"\x00-\x08\x0E-\x1F!-\uFFFF"),
        ("upper", "A-Z", @"\x00-@\[-\uFFFF"),
        ("word", Word, NotWord),
        ("xdigit", "0-9A-Fa-f", @"\x00-/:-@G-`g-\uFFFF"),
    ];

    // Unicode scripts have no counterpart in .NET (its blocks are not the same); general categories do.
    private static readonly HashSet<string> Categories = new(
        "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cs Co".Split(' '), StringComparer.Ordinal);

    /// <summary>Reads \d, \pL, \p{Lu}, [:alpha:] and their like.</summary>
    /// <returns>False and no problem when there is no class here.</returns>
    public static bool TryRead(string pattern, int at, out string members, out int length, out string problem)
    {
        members = problem = "";
        length = 2;
        var rest = pattern.AsSpan(at);
        if (rest.StartsWith("[:")) return TryPosix(rest, out members, out length, out problem);
        if (rest.Length < 2 || rest[0] != '\\') return false;

        switch (rest[1])
        {
            case 'd': members = Digits; return true;
            case 'D': members = NotDigits; return true;
            case 'w': members = Word; return true;
            case 'W': members = NotWord; return true;
            case 's': members = Space; return true;
            case 'S': members = NotSpace; return true;
            case 'p' or 'P': return TryCategory(rest, out members, out length, out problem);
            default: return false;
        }
    }

    /// <summary>Reads one escaped character.</summary>
    public static bool TryReadChar(string pattern, int at, out string text, out int length, out string problem)
    {
        text = problem = "";
        length = 2;
        var rest = pattern.AsSpan(at);
        if (rest.Length < 2)
        {
            problem = "a backslash at the end";
            return false;
        }

        var c = rest[1];
        switch (c)
        {
            case 'a': text = @"\x07"; return true;
            case 'f': text = @"\x0C"; return true;
            case 't': text = @"\x09"; return true;
            case 'n': text = @"\x0A"; return true;
            case 'r': text = @"\x0D"; return true;
            case 'v': text = @"\x0B"; return true;
            case 'x': return TryHex(rest, out text, out length, out problem);
            case >= '0' and <= '7': return TryOctal(rest, out text, out length, out problem);
        }

        if (char.IsAsciiLetterOrDigit(c) || c > 0x7E)
        {
            problem = char.IsAsciiDigit(c) ? "back-references are not in RE2" : $@"\{c} is not in RE2";
            return false;
        }

        text = Literal(c);
        return true;
    }

    /// <summary>One character that stands for itself, inside a class or out of one.</summary>
    public static string Literal(char c) => char.IsAsciiLetterOrDigit(c) || c > 0x7E ? c.ToString() : $@"\x{(int)c:X2}";

    /// <summary>What <see cref="Literal"/> or an escape of ours stands for.</summary>
    public static char Value(string text) => text[0] == '\\' ? (char)int.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture) : text[0];

    private static bool TryPosix(ReadOnlySpan<char> rest, out string members, out int length, out string problem)
    {
        members = problem = "";
        length = 0;
        var end = rest[2..].IndexOf(":]") + 2;
        if (end < 2) return false;

        var name = rest[2..end];
        var isNegative = name.StartsWith("^");
        if (isNegative) name = name[1..];
        foreach (var row in Posix)
        {
            if (!name.SequenceEqual(row.Name)) continue;

            members = isNegative ? row.Complement : row.Members;
            length = end + 2;
            return true;
        }

        problem = $"[:{name}:] is no class";
        return false;
    }

    private static bool TryCategory(ReadOnlySpan<char> rest, out string members, out int length, out string problem)
    {
        members = problem = "";
        length = 3;
        var isNegative = rest[1] == 'P';
        var name = rest.Length > 2 ? rest.Slice(2, 1) : [];
        if (name is "{")
        {
            var end = rest.IndexOf('}');
            if (end < 0)
            {
                problem = "a brace is not closed";
                return false;
            }

            name = rest[3..end];
            length = end + 1;
            if (name.StartsWith("^"))
            {
                isNegative = !isNegative;
                name = name[1..];
            }
        }

        if (!Categories.Contains(name.ToString()))
        {
            problem = $"the Unicode class {name} is not supported";
            return false;
        }

        members = $@"\{(isNegative ? 'P' : 'p')}{{{name}}}";
        return true;
    }

    private static bool TryHex(ReadOnlySpan<char> rest, out string text, out int length, out string problem)
    {
        text = problem = "";
        length = 4;
        var digits = rest.Length >= 4 ? rest.Slice(2, 2) : [];
        if (rest.Length > 2 && rest[2] == '{')
        {
            var end = rest.IndexOf('}');
            digits = end > 3 ? rest[3..end] : [];
            length = end + 1;
        }

        if (digits.IsEmpty || digits.Length > 6 || !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) || value > 0x10FFFF)
        {
            problem = @"\x is followed by two hexadecimal digits or by a code point in braces";
            return false;
        }

        text = OfCodePoint(value);
        return true;
    }

    // \0, \012, \123; a single \1 to \7 would be a back-reference.
    private static bool TryOctal(ReadOnlySpan<char> rest, out string text, out int length, out string problem)
    {
        text = problem = "";
        length = 2;
        while (length < rest.Length && length < 4 && rest[length] is >= '0' and <= '7') length++;
        if (rest[1] != '0' && length == 2)
        {
            problem = "back-references are not in RE2";
            return false;
        }

        var value = 0;
        foreach (var digit in rest[1..length]) value = value * 8 + (digit - '0');
        text = OfCodePoint(value);
        return true;
    }

    private static string OfCodePoint(int value) =>
        value <= 0xFFFF ? $@"\u{value:X4}" : $@"(?:\u{char.ConvertFromUtf32(value)[0] - 0:X4}\u{char.ConvertFromUtf32(value)[1] - 0:X4})";
}
