namespace Mesh.Model.Validation;

/// <summary>CEL expressions that filter access logs: does the text parse? Names and types are the proxy's business. One pass, bounded nesting.</summary>
public static class FilterExpressions
{
    private const int DepthMax = 250;
    private const int LengthMax = 100_000;

    public static string? Problem(string expression)
    {
        if (expression.Length > LengthMax) return $"must be a valid CEL expression, longer than {LengthMax} characters";
        var parser = new Parser(expression);
        return parser.Run() is { } problem ? $"must be a valid CEL expression, {problem}" : null;
    }

    /// <summary>Each method answers what is wrong, or null, and leaves the position behind what it took.</summary>
    private sealed class Parser(string text)
    {
        private int at;
        private int depth;

        public string? Run()
        {
            if (Expression() is { } problem) return problem;
            Blank();
            return at < text.Length ? Unexpected() : null;
        }

        private string? Expression()
        {
            if (++depth > DepthMax) return $"nested deeper than {DepthMax} levels";
            var problem = Binary(0);
            if (problem is null && Take("?")) problem = Binary(0) ?? (Take(":") ? Expression() : $"':' is missing at column {at + 1}");
            depth--;
            return problem;
        }

        /// <summary>Operators from the loosest to the tightest.</summary>
        private static readonly string[][] Levels = [["||"], ["&&"], ["<=", ">=", "==", "!=", "<", ">", "in"], ["+", "-"], ["*", "/", "%"]];

        private string? Binary(int level)
        {
            if (level == Levels.Length) return Unary();
            if (Binary(level + 1) is { } problem) return problem;
            while (Levels[level].Any(Take))
                if (Binary(level + 1) is { } next) return next;
            return null;
        }

        private string? Unary()
        {
            var first = true;
            while (Take("!") || first && Minus()) first = false;
            return Member();
        }

        /// <summary>A minus before a number belongs to the number.</summary>
        private bool Minus()
        {
            Blank();
            return at + 1 < text.Length && text[at] == '-' && !char.IsAsciiDigit(text[at + 1]) && Take("-");
        }

        private string? Member()
        {
            if (Primary() is { } problem) return problem;
            while (true)
            {
                if (Take("."))
                {
                    Take("?");
                    if (!Identifier()) return $"a name is missing at column {at + 1}";
                    if (Take("(") && List(")", Expression) is { } arguments) return arguments;
                }
                else if (Take("["))
                {
                    Take("?");
                    if (Expression() is { } index) return index;
                    if (!Take("]")) return $"']' is missing at column {at + 1}";
                }
                else if (at > 0 && Take("{"))
                {
                    if (List("}", Entry) is { } fields) return fields;
                }
                else
                {
                    return null;
                }
            }
        }

        private string? Primary()
        {
            Blank();
            if (at >= text.Length) return "the expression ends too early";
            if (Take("(")) return Expression() ?? (Take(")") ? null : $"')' is missing at column {at + 1}");
            if (Take("[")) return List("]", Expression);
            if (Take("{")) return List("}", Entry);
            if (char.IsAsciiDigit(text[at]) || text[at] is '-' or '.' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1])) return Number();
            if (Quote() is { } isFine) return isFine ? null : $"the string at column {at + 1} is not closed";

            Take(".");
            if (!Identifier()) return Unexpected();
            return Take("(") ? List(")", Expression) : null;
        }

        private string? Entry()
        {
            Take("?");
            return Expression() ?? (Take(":") ? Expression() : $"':' is missing at column {at + 1}");
        }

        private string? List(string close, Func<string?> item)
        {
            while (!Take(close))
            {
                if (item() is { } problem) return problem;
                if (Take(",")) continue;
                return Take(close) ? null : $"'{close}' is missing at column {at + 1}";
            }
            return null;
        }

        private string? Number()
        {
            var start = at;
            if (text[at] == '-') at++;
            if (text.AsSpan(at).StartsWith("0x", StringComparison.OrdinalIgnoreCase))
            {
                at += 2;
                while (at < text.Length && char.IsAsciiHexDigit(text[at])) at++;
            }
            else
            {
                Digits();
                if (at + 1 < text.Length && text[at] == '.' && char.IsAsciiDigit(text[at + 1]))
                {
                    at++;
                    Digits();
                }
                if (at < text.Length && text[at] is 'e' or 'E')
                {
                    at++;
                    if (at < text.Length && text[at] is '+' or '-') at++;
                    Digits();
                }
            }
            if (at < text.Length && text[at] is 'u' or 'U') at++;
            return at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] == '_') ? $"'{text[start..(at + 1)]}' is no number" : null;

            void Digits()
            {
                while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
            }
        }

        /// <returns>Null when no string begins here.</returns>
        private bool? Quote()
        {
            var quote = at;
            while (quote < text.Length && quote - at < 2 && text[quote] is 'r' or 'R' or 'b' or 'B') quote++;
            if (quote >= text.Length || text[quote] is not ('"' or '\'')) return null;

            var isRaw = text[at..quote].Contains('r', StringComparison.OrdinalIgnoreCase);
            var mark = text[quote..].StartsWith(new string(text[quote], 3), StringComparison.Ordinal) ? new string(text[quote], 3) : text[quote].ToString();
            for (var i = quote + mark.Length; i < text.Length; i++)
            {
                if (text[i] == '\\' && !isRaw) i++;
                else if (text[i] == '\n' && mark.Length == 1) return false;
                else if (text.AsSpan(i).StartsWith(mark))
                {
                    at = i + mark.Length;
                    return true;
                }
            }
            return false;
        }

        private bool Identifier()
        {
            Blank();
            var start = at;
            while (at < text.Length && (char.IsAsciiLetter(text[at]) || text[at] == '_' || at > start && char.IsAsciiDigit(text[at]))) at++;
            return at > start;
        }

        private bool Take(string token)
        {
            Blank();
            if (!text.AsSpan(at).StartsWith(token)) return false;
            var after = at + token.Length;
            if (token == "in" && after < text.Length && (char.IsLetterOrDigit(text[after]) || text[after] == '_')) return false;
            at = after;
            return true;
        }

        private void Blank()
        {
            while (at < text.Length)
            {
                if (char.IsWhiteSpace(text[at])) at++;
                else if (text.AsSpan(at).StartsWith("//")) at = text.IndexOf('\n', at) is var end and >= 0 ? end : text.Length;
                else return;
            }
        }

        private string Unexpected() => at < text.Length ? $"'{text[at]}' at column {at + 1} is not expected" : "the expression ends too early";
    }
}
