namespace Mesh.Injector.GoTemplates;

internal enum TokenKind { Text, Open, Close, Word, Field, Variable, String, Number, Pipe, Declare, Assign, Comma, LeftParen, RightParen, Dot, End }

internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Line, bool SpaceBefore = false);

/// <summary>Text and actions to tokens; trim markers are carried out here.</summary>
internal static class TemplateLexer
{
    public static List<TemplateToken> Read(string text)
    {
        var tokens = new List<TemplateToken>();
        var (at, line, trimNext) = (0, 1, false);
        while (at < text.Length)
        {
            var open = text.IndexOf("{{", at, StringComparison.Ordinal);
            var literal = open < 0 ? text[at..] : text[at..open];
            var trimsLeft = open >= 0 && open + 3 < text.Length && text[open + 2] == '-' && char.IsWhiteSpace(text[open + 3]);
            var shown = trimNext ? literal.TrimStart() : literal;
            if (trimsLeft) shown = shown.TrimEnd();
            if (shown.Length > 0) tokens.Add(new(TokenKind.Text, shown, line));
            line += literal.Count(c => c == '\n');
            if (open < 0) break;

            at = open + (trimsLeft ? 4 : 2);
            var comment = CommentEnd(text, at);
            if (comment is not null)
            {
                line += text[open..comment.Value].Count(c => c == '\n');
                (at, trimNext) = Closed(text, comment.Value, line);
                continue;
            }

            tokens.Add(new(TokenKind.Open, "{{", line));
            (at, line) = Action(text, at, line, tokens);
            (at, trimNext) = Closed(text, at, line);
            tokens.Add(new(TokenKind.Close, "}}", line));
        }
        tokens.Add(new(TokenKind.End, "", line));
        return tokens;
    }

    private static int? CommentEnd(string text, int at)
    {
        var start = at;
        while (start < text.Length && char.IsWhiteSpace(text[start])) start++;
        if (!text.AsSpan(start).StartsWith("/*")) return null;

        var end = text.IndexOf("*/", start, StringComparison.Ordinal);
        return end < 0 ? throw new FormatException("a comment is not closed") : end + 2;
    }

    private static (int At, bool Trim) Closed(string text, int at, int line)
    {
        var space = at;
        while (space < text.Length && char.IsWhiteSpace(text[space])) space++;
        if (text.AsSpan(space).StartsWith("-}}")) return (space + 3, true);
        if (text.AsSpan(space).StartsWith("}}")) return (space + 2, false);
        throw new FormatException($"line {line}: an action is not closed");
    }

    private static (int At, int Line) Action(string text, int at, int line, List<TemplateToken> tokens)
    {
        while (true)
        {
            var space = at;
            while (at < text.Length && char.IsWhiteSpace(text[at]))
                if (text[at++] == '\n') line++;
            if (at >= text.Length) throw new FormatException($"line {line}: an action is not closed");
            if (text.AsSpan(at).StartsWith("}}") || text.AsSpan(at).StartsWith("-}}")) return (at, line);

            var (kind, length, value) = Next(text, at, line);
            tokens.Add(new(kind, value, line, space != at));
            line += text.AsSpan(at, length).Count('\n');
            at += length;
        }
    }

    private static (TokenKind Kind, int Length, string Value) Next(string text, int at, int line)
    {
        var c = text[at];
        switch (c)
        {
            case '|': return (TokenKind.Pipe, 1, "|");
            case '(': return (TokenKind.LeftParen, 1, "(");
            case ')': return (TokenKind.RightParen, 1, ")");
            case ',': return (TokenKind.Comma, 1, ",");
            case ':' when text.AsSpan(at).StartsWith(":="): return (TokenKind.Declare, 2, ":=");
            case '=': return (TokenKind.Assign, 1, "=");
            case '"': return Quoted(text, at, line);
            case '`':
                var end = text.IndexOf('`', at + 1);
                return end < 0 ? throw new FormatException($"line {line}: a raw string is not closed") : (TokenKind.String, end - at + 1, text[(at + 1)..end]);
            case '$':
                var name = Name(text, at + 1);
                return (TokenKind.Variable, name.Length + 1, "$" + name);
            case '.':
                var field = Name(text, at + 1);
                return field.Length == 0 ? (TokenKind.Dot, 1, ".") : (TokenKind.Field, field.Length + 1, field);
        }
        if (char.IsAsciiDigit(c) || c is '-' or '+' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]))
        {
            var length = 1;
            while (at + length < text.Length && (char.IsAsciiLetterOrDigit(text[at + length]) || text[at + length] == '.')) length++;
            return (TokenKind.Number, length, text.Substring(at, length));
        }
        var word = Name(text, at);
        return word.Length > 0 ? (TokenKind.Word, word.Length, word) : throw new FormatException($"line {line}: unexpected character '{c}'");
    }

    private static (TokenKind, int, string) Quoted(string text, int at, int line)
    {
        var value = new System.Text.StringBuilder();
        for (var i = at + 1; i < text.Length && text[i] != '\n'; i++)
        {
            if (text[i] == '"') return (TokenKind.String, i - at + 1, value.ToString());
            if (text[i] != '\\' || i + 1 >= text.Length)
            {
                value.Append(text[i]);
                continue;
            }
            value.Append(text[++i] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', var other => other });
        }
        throw new FormatException($"line {line}: a string is not closed");
    }

    private static string Name(string text, int at)
    {
        var end = at;
        while (end < text.Length && (char.IsLetterOrDigit(text[end]) || text[end] == '_')) end++;
        return text[at..end];
    }
}
