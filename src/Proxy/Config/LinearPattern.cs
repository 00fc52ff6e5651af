using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Mesh.Proxy.Config;

/// <summary>
/// A regular expression in the field's syntax (RE2) that takes time linear in its input, whatever a tenant wrote.
/// Bytes are read as UTF-8 where they are well-formed and otherwise never match: a bad byte must not slip past a rule.
/// </summary>
internal sealed class LinearPattern
{
    public const int PatternCharsMax = 1024;

    private readonly Regex whole;
    private readonly Regex search;

    private LinearPattern(string text, Regex whole, Regex search) => (Text, this.whole, this.search) = (text, whole, search);

    public string Text { get; }

    /// <exception cref="ArgumentException">The pattern is too long, or not in the syntax; the message says where.</exception>
    public static LinearPattern Compile(string text)
    {
        if (text.Length > PatternCharsMax) throw new ArgumentException($"regular expression has {text.Length} characters, {PatternCharsMax} are allowed");

        const RegexOptions options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;
        var translated = Translate(text);
        try
        {
            return new(text, new(@"\A(?:" + translated + @")\z", options), new(translated, options));
        }
        catch (NotSupportedException e)
        {
            throw new ArgumentException($"regular expression '{text}' needs backtracking: {e.Message}", e);
        }
    }

    public bool IsFullMatch(ReadOnlySpan<byte> value)
    {
        char[]? rented = null;
        var chars = value.Length <= 512 ? stackalloc char[512] : rented = ArrayPool<char>.Shared.Rent(value.Length);
        var matches = TryDecode(value, chars, out var count) && whole.IsMatch(chars[..count]);
        if (rented is not null) ArrayPool<char>.Shared.Return(rented);
        return matches;
    }

    /// <summary>Whether it occurs anywhere in the text.</summary>
    public bool IsSearchMatch(string value) => search.IsMatch(value);

    /// <summary>Replaces every match; <paramref name="substitution"/> refers to groups as \1 to \9.</summary>
    public string ReplaceAll(string value, string substitution) =>
        search.Replace(value, match => Expand(substitution, match));

    private static bool TryDecode(ReadOnlySpan<byte> value, Span<char> chars, out int count)
    {
        if (Ascii.IsValid(value)) return Encoding.ASCII.TryGetChars(value, chars, out count);
        return System.Text.Unicode.Utf8.ToUtf16(value, chars, out _, out count, replaceInvalidSequences: false) == OperationStatus.Done;
    }

    private static string Expand(string substitution, Match match)
    {
        var text = new StringBuilder();
        for (var i = 0; i < substitution.Length; i++)
        {
            if (substitution[i] == '\\' && i + 1 < substitution.Length)
            {
                var next = substitution[++i];
                if (char.IsAsciiDigit(next)) text.Append(match.Groups[(next - '0').ToString(CultureInfo.InvariantCulture)].Value);
                else text.Append(next);
            }
            else
            {
                text.Append(substitution[i]);
            }
        }
        return text.ToString();
    }

    // RE2 and .NET agree on nearly everything; what differs is rewritten, so that no pattern silently means something else.
    private static string Translate(string text)
    {
        var result = new StringBuilder(text.Length + 8);
        var inClass = false;
        for (var i = 0; i < text.Length; i++)
        {
            var rest = text.AsSpan(i);
            if (rest[0] == '\\' && rest.Length > 1) i += TranslateEscape(rest, inClass, result) - 1;
            else if (!inClass && rest.StartsWith("(?P<")) { result.Append("(?<"); i += 3; }
            else if (!inClass && IsLookaround(rest)) throw new ArgumentException($"regular expression '{text}' uses lookaround, which has no linear form");
            else if (inClass && rest.StartsWith("[:") && PosixClass(rest, out var posix, out var length)) { result.Append(posix); i += length - 1; }
            // .NET reads "[a-z-[aeiou]]" as a subtraction and RE2 does not.
            else if (inClass && rest[0] == '[') result.Append(@"\[");
            else if (!inClass && rest[0] == '[')
            {
                inClass = true;
                result.Append('[');
                if (rest.Length > 1 && rest[1] == '^') { result.Append('^'); i++; }
                if (i + 1 < text.Length && text[i + 1] == ']') { result.Append(@"\]"); i++; }
            }
            else
            {
                if (rest[0] == ']') inClass = false;
                // RE2's $ is the very end unless (?m); .NET's also allows a newline after it.
                result.Append(!inClass && rest[0] == '$' ? @"\z" : rest[..1]);
            }
        }
        return result.ToString();
    }

    private static bool IsLookaround(ReadOnlySpan<char> rest) =>
        rest.StartsWith("(?=") || rest.StartsWith("(?!") || rest.StartsWith("(?<=") || rest.StartsWith("(?<!") || rest.StartsWith("(?>");

    /// <returns>How many characters of the pattern were used.</returns>
    private static int TranslateEscape(ReadOnlySpan<char> rest, bool inClass, StringBuilder result)
    {
        switch (rest[1])
        {
            // Perl's classes are ASCII in RE2.
            case 'd': result.Append(inClass ? "0-9" : "[0-9]"); return 2;
            case 'w': result.Append(inClass ? "0-9A-Za-z_" : "[0-9A-Za-z_]"); return 2;
            case 's': result.Append(inClass ? @"\t\n\f\r " : @"[\t\n\f\r ]"); return 2;
            case 'D' when !inClass: result.Append("[^0-9]"); return 2;
            case 'W' when !inClass: result.Append("[^0-9A-Za-z_]"); return 2;
            case 'S' when !inClass: result.Append(@"[^\t\n\f\r ]"); return 2;
            case 'Q' when !inClass:
                var end = rest.IndexOf(@"\E");
                var literal = end < 0 ? rest[2..] : rest[2..end];
                result.Append(System.Text.RegularExpressions.Regex.Escape(literal.ToString()));
                return end < 0 ? rest.Length : end + 2;
            case 'x' when rest.Length > 2 && rest[2] == '{' && rest.IndexOf('}') is > 3 and var close:
                if (!int.TryParse(rest[3..close], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var code) || code > 0xFFFF)
                    throw new ArgumentException($"regular expression has the escape '{rest[..(close + 1)]}', which names no character");
                result.Append(CultureInfo.InvariantCulture, $@"\u{code:X4}");
                return close + 1;
            case 'p' or 'P' when rest.Length > 2 && rest[2] != '{':
                result.Append(CultureInfo.InvariantCulture, $@"\{rest[1]}{{{rest[2]}}}");
                return 3;
            case 'C': throw new ArgumentException(@"regular expression uses \C, which does not work on text");
            case 'Z' or 'G': throw new ArgumentException($@"regular expression uses \{rest[1]}, which is not in the syntax");
            case >= '1' and <= '9': throw new ArgumentException("regular expression refers back to a group, which has no linear form");
            default: result.Append(rest[..2]); return 2;
        }
    }

    private static bool PosixClass(ReadOnlySpan<char> rest, out string set, out int length)
    {
        (set, length) = ("", 0);
        var end = rest.IndexOf(":]");
        if (end < 0) return false;

        length = end + 2;
        set = rest[2..end] switch
        {
            "alpha" => "A-Za-z",
            "digit" => "0-9",
            "alnum" => "0-9A-Za-z",
            "upper" => "A-Z",
            "lower" => "a-z",
            "space" => @"\t\n\v\f\r ",
            "xdigit" => "0-9A-Fa-f",
            "word" => "0-9A-Za-z_",
            "punct" => @"!-/:-@\[-`{-~",
            "blank" => @"\t ",
            _ => "",
        };
        return set.Length > 0;
    }
}
