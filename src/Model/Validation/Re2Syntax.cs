using System.Globalization;

namespace Mesh.Model.Validation;

/// <summary>Is this a pattern that RE2 takes (no look-around, no back references)? One pass, no backtracking, bounded nesting.</summary>
public static class Re2Syntax
{
    public const int LengthMax = 1024;
    private const int RepeatMax = 1000;
    private const int DepthMax = 1000;

    /// <returns>What is wrong, in the words of Go's parser, or null.</returns>
    public static string? Problem(string pattern)
    {
        var parser = new Parser(pattern);
        return parser.Run() is { } problem ? $"error parsing regexp: {problem}" : null;
    }

    private sealed class Parser(string text)
    {
        // How often what stands in each open group may be repeated at most, all repetitions within it counted together.
        private readonly Stack<long> inside = new([1]);
        private long atom = 1;
        private int at;
        private int depth;

        public string? Run()
        {
            var canRepeat = false;
            var afterRepeat = -1;
            while (at < text.Length)
            {
                var start = at;
                var c = text[at];
                switch (c)
                {
                    case '(':
                        if (++depth > DepthMax) return "expression nests too deeply: `" + text + "`";
                        var opened = Group(out var isFlagsOnly);
                        if (opened is not null) return opened;
                        if (isFlagsOnly) depth--;
                        else inside.Push(1);
                        (canRepeat, afterRepeat) = (false, -1);
                        continue;
                    case ')':
                        if (--depth < 0) return "unexpected ): `" + text + "`";
                        at++;
                        atom = inside.Pop();
                        inside.Push(Math.Max(inside.Pop(), atom));
                        (canRepeat, afterRepeat) = (true, -1);
                        continue;
                    case '|':
                        at++;
                        (canRepeat, afterRepeat) = (false, -1);
                        continue;
                    case '[':
                        if (Class() is { } badClass) return badClass;
                        atom = 1;
                        (canRepeat, afterRepeat) = (true, -1);
                        continue;
                    case '\\':
                        if (Escape() is { } badEscape) return badEscape;
                        atom = 1;
                        (canRepeat, afterRepeat) = (true, -1);
                        continue;
                    case '*' or '+' or '?':
                        at++;
                        break;
                    case '{' when Repeat(out var tooMany):
                        if (tooMany || !Nests(text[(start + 1)..(at - 1)])) return $"invalid repeat count: `{text[start..at]}`";
                        break;
                    default:
                        at++;
                        atom = 1;
                        (canRepeat, afterRepeat) = (true, -1);
                        continue;
                }

                // A repetition operator, perhaps lazy.
                if (at < text.Length && text[at] == '?') at++;
                if (afterRepeat >= 0) return $"invalid nested repetition operator: `{text[afterRepeat..at]}`";
                if (!canRepeat) return $"missing argument to repetition operator: `{text[start..at]}`";
                afterRepeat = start;
            }
            return depth > 0 ? $"missing closing ): `{text}`" : null;
        }

        /// <summary>Repetitions within repetitions multiply: together they may be no more than one alone.</summary>
        private bool Nests(string counts)
        {
            var most = counts.Split(',') is [.., { Length: > 0 } max] ? max : counts.Split(',')[0];
            atom *= Math.Max(1, int.Parse(most, CultureInfo.InvariantCulture));
            inside.Push(Math.Max(inside.Pop(), atom));
            return atom <= RepeatMax;
        }

        private string? Group(out bool isFlagsOnly)
        {
            isFlagsOnly = false;
            at++;
            if (at >= text.Length || text[at] != '?') return null;

            var start = at - 1;
            var named = text.AsSpan(at).StartsWith("?P<") ? 3 : text.AsSpan(at).StartsWith("?<") && !text.AsSpan(at).StartsWith("?<=") && !text.AsSpan(at).StartsWith("?<!") ? 2 : 0;
            if (named > 0)
            {
                var close = text.IndexOf('>', at);
                if (close < 0) return $"invalid named capture: `{text[start..]}`";
                var name = text.AsSpan(at + named, close - at - named);
                foreach (var c in name)
                    if (!char.IsAsciiLetterOrDigit(c) && c != '_') return $"invalid named capture: `{text[start..(close + 1)]}`";
                if (name.IsEmpty) return $"invalid named capture: `{text[start..(close + 1)]}`";
                at = close + 1;
                return null;
            }

            var (anyFlag, negated) = (false, false);
            for (at++; at < text.Length; at++)
            {
                switch (text[at])
                {
                    case 'i' or 'm' or 's' or 'U':
                        anyFlag = true;
                        continue;
                    case '-' when !negated:
                        (negated, anyFlag) = (true, false);
                        continue;
                    case ':' or ')' when !negated || anyFlag:
                        isFlagsOnly = text[at] == ')';
                        at++;
                        return null;
                    default:
                        return $"invalid or unsupported Perl syntax: `{text[start..Math.Min(at + 1, text.Length)]}`";
                }
            }
            return $"missing closing ): `{text}`";
        }

        private string? Class()
        {
            var start = at++;
            if (at < text.Length && text[at] == '^') at++;
            for (var first = true; ; first = false)
            {
                if (at >= text.Length) return $"missing closing ]: `{text[start..]}`";
                if (text[at] == ']' && !first)
                {
                    at++;
                    return null;
                }
                if (text.AsSpan(at).StartsWith("[:") && text.IndexOf(":]", at + 2, StringComparison.Ordinal) is var close and > 0)
                {
                    var name = text[at..(close + 2)];
                    if (!Posix.Contains(name[2..^2].TrimStart('^'))) return $"invalid character class range: `{name}`";
                    at = close + 2;
                    continue;
                }

                var from = at;
                if (Single(out var low, out var isSet) is { } bad) return bad;
                if (isSet || at + 1 >= text.Length || text[at] != '-' || text[at + 1] == ']') continue;

                at++;
                if (Single(out var high, out var highIsSet) is { } badHigh) return badHigh;
                if (highIsSet || high < low) return $"invalid character class range: `{text[from..at]}`";
            }
        }

        /// <summary>One member of a class: a character, or an escape that is a set of its own.</summary>
        private string? Single(out int code, out bool isSet)
        {
            (code, isSet) = (text[at], false);
            if (text[at] != '\\')
            {
                if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1])) code = char.ConvertToUtf32(text[at], text[++at]);
                at++;
                return null;
            }
            var letter = at + 1 < text.Length ? text[at + 1] : '\0';
            isSet = letter is 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'p' or 'P';
            if (letter is 'b' or 'B' or 'A' or 'z' or 'C' or 'Q' or 'E') return $"invalid escape sequence: `\\{letter}`";
            code = letter switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'f' => '\f', 'v' => '\v', 'a' => '\a', _ => letter };
            return Escape();
        }

        private string? Escape()
        {
            var start = at++;
            if (at >= text.Length) return "trailing backslash at end of expression: ``";

            var c = text[at++];
            switch (c)
            {
                case 'd' or 'D' or 's' or 'S' or 'w' or 'W' or 'b' or 'B' or 'A' or 'z' or 'a' or 'f' or 'n' or 'r' or 't' or 'v' or 'C' or 'E':
                    return null;
                case 'Q':
                    var end = text.IndexOf("\\E", at, StringComparison.Ordinal);
                    at = end < 0 ? text.Length : end + 2;
                    return null;
                case '0':
                    while (at < text.Length && at - start < 4 && text[at] is >= '0' and <= '7') at++;
                    return null;
                case >= '1' and <= '7' when at < text.Length && text[at] is >= '0' and <= '7':
                    while (at < text.Length && at - start < 4 && text[at] is >= '0' and <= '7') at++;
                    return null;
                case 'x':
                    return Hex(start);
                case 'p' or 'P':
                    return Unicode(start);
                default:
                    return c < 128 && !char.IsAsciiLetterOrDigit(c) && c != '_' || c == '_' ? null : $"invalid escape sequence: `{text[start..at]}`";
            }
        }

        private string? Hex(int start)
        {
            if (at < text.Length && text[at] == '{')
            {
                var close = text.IndexOf('}', at);
                if (close > at + 1 && uint.TryParse(text.AsSpan(at + 1, close - at - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && code <= 0x10FFFF)
                {
                    at = close + 1;
                    return null;
                }
            }
            else if (at + 1 < text.Length && char.IsAsciiHexDigit(text[at]) && char.IsAsciiHexDigit(text[at + 1]))
            {
                at += 2;
                return null;
            }
            return $"invalid escape sequence: `{text[start..Math.Min(at + 1, text.Length)]}`";
        }

        private string? Unicode(int start)
        {
            if (at >= text.Length) return $"invalid character class range: `{text[start..]}`";
            if (text[at] != '{')
            {
                at++;
                return null;
            }
            var close = text.IndexOf('}', at);
            if (close < 0) return $"invalid character class range: `{text[start..]}`";
            at = close + 1;
            return null;
        }

        /// <summary>{n}, {n,} or {n,m}; anything else in braces is plain text.</summary>
        private bool Repeat(out bool tooMany)
        {
            tooMany = false;
            var close = text.IndexOf('}', at);
            if (close < 0) return false;

            var parts = text[(at + 1)..close].Split(',');
            if (parts.Length > 2 || !IsCount(parts[0]) || parts.Length == 2 && parts[1].Length > 0 && !IsCount(parts[1])) return false;

            var low = Count(parts[0]);
            var high = parts.Length == 2 && parts[1].Length > 0 ? Count(parts[1]) : low;
            tooMany = low > RepeatMax || high > RepeatMax || high < low;
            at = close + 1;
            return true;
        }

        private static bool IsCount(string digits) => digits.Length > 0 && digits.All(char.IsAsciiDigit) && (digits.Length == 1 || digits[0] != '0');
        private static int Count(string digits) => digits.Length > 4 ? RepeatMax + 1 : int.Parse(digits, CultureInfo.InvariantCulture);

        private static readonly HashSet<string> Posix =
            ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];
    }
}
