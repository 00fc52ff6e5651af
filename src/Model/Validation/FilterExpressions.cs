namespace Mesh.Model.Validation;

/// <summary>CEL expressions that filter access logs: only their form is checked (brackets and quotes close, nothing is left over).</summary>
public static class FilterExpressions
{
    private const int DepthMax = 250;

    public static string? Problem(string expression)
    {
        if (expression.Trim().Length == 0) return "must be a valid CEL expression, it is empty";

        var open = new Stack<char>();
        for (var i = 0; i < expression.Length; i++)
        {
            var c = expression[i];
            switch (c)
            {
                case '\'' or '"':
                    var end = End(expression, i);
                    if (end < 0) return $"must be a valid CEL expression, the quote at column {i + 1} is not closed";
                    i = end;
                    break;
                case '(' or '[' or '{':
                    if (open.Count == DepthMax) return $"must be a valid CEL expression, more than {DepthMax} brackets open";
                    open.Push(c switch { '(' => ')', '[' => ']', _ => '}' });
                    break;
                case ')' or ']' or '}':
                    if (open.Count == 0 || open.Pop() != c) return $"must be a valid CEL expression, '{c}' at column {i + 1} closes nothing";
                    break;
                default:
                    break;
            }
        }
        if (open.Count > 0) return $"must be a valid CEL expression, '{open.Peek()}' is missing";
        var trimmed = expression.TrimEnd();
        return trimmed[^1] is '&' or '|' or '=' or '<' or '>' or '+' or '*' or '/' or '!' or '.' or ','
            ? $"must be a valid CEL expression, nothing follows '{trimmed[^1]}'"
            : null;
    }

    private static int End(string text, int at)
    {
        for (var i = at + 1; i < text.Length; i++)
        {
            if (text[i] == '\\') i++;
            else if (text[i] == text[at]) return i;
        }
        return -1;
    }
}
