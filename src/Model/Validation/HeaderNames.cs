using System.Buffers;

namespace Mesh.Model.Validation;

/// <summary>What may stand in header matches and manipulations.</summary>
public static class HeaderNames
{
    private const string Empty = "header name cannot be empty";
    private const string Alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    private static readonly SearchValues<char> Token = SearchValues.Create(Alphanumeric + "!#$%&'*+-.^_`|~");
    private static readonly SearchValues<char> Strict = SearchValues.Create(Alphanumeric + "-_");
    private static readonly SearchValues<char> Probe = SearchValues.Create(Alphanumeric + "-");

    public static string? ForCors(string name) => name == "*" ? null : Only(name, Token);
    public static string? ForClaims(string name) => Only(name, Strict);
    public static string? ForProbes(string name) => Only(name, Probe);

    /// <summary>A header, a pseudo header, or <c>@request.auth.claims.…</c>.</summary>
    public static string? ForMatch(string name) =>
        name.Length > 0 && (IsJwtClaim(name) || name is ":method" or ":scheme" or ":authority" or ":path" or ":status") ? null : Only(name, Token);

    /// <summary>Set or add on a request, where the authority may be changed.</summary>
    public static string? ForRequestChange(string name)
    {
        if (name.Length == 0) return Empty;
        return name[0] == ':' && !IsAuthority(name) ? $"invalid header \"{name}\": header cannot have \":\" prefix" : null;
    }

    public static string? ForOtherChange(string name)
    {
        if (name.Length == 0) return Empty;
        if (name.Equals("host", StringComparison.OrdinalIgnoreCase)) return $"invalid header \"{name}\": cannot set Host header";
        return name[0] == ':' ? $"invalid header \"{name}\": header cannot have \":\" prefix" : null;
    }

    public static bool IsAuthority(string name) =>
        name.Equals(":authority", StringComparison.OrdinalIgnoreCase) || name.Equals("host", StringComparison.OrdinalIgnoreCase);

    /// <summary>Routing by a claim of the JWT: <c>@request.auth.claims.a.b</c> or <c>@request.auth.claims[a][b]</c>.</summary>
    public static bool IsJwtClaim(string name)
    {
        const string Prefix = "@request.auth.claims";
        if (!name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) || name.Length < Prefix.Length + 2) return false;

        var rest = name[Prefix.Length..];
        if (rest[0] == '.') return true;
        return rest[0] == '[' && rest[^1] == ']' && rest.Length > 2;
    }

    /// <summary>A value with Envoy's %OPERATORS%: only their form is checked, not what they mean.</summary>
    public static string? Value(string value)
    {
        foreach (var c in value)
            if (c < ' ' && c != '\t' || c == '\x7f') return $"header value configuration {value} is invalid";
        return Operators(value) is { } problem ? $"header value configuration: {problem}" : null;
    }

    private enum State { Literal, Name, Arguments, Text, Quote, CommaOrBracket, Parenthesis, Percent }

    private static string? Operators(string value)
    {
        var state = State.Literal;
        for (var i = 0; i < value.Length; i++)
        {
            var c = value[i];
            var isLast = i + 1 == value.Length;
            switch (state)
            {
                case State.Literal when c == '%':
                    if (isLast) return "invalid header configuration. Un-escaped %";
                    if (value[i + 1] == '%') i++;
                    else state = State.Name;
                    break;
                case State.Name when c == '%': state = State.Literal; break;
                case State.Name when c == '(': state = State.Arguments; break;
                case State.Arguments when c == '[': state = State.Quote; break;
                case State.Arguments when c != ' ': state = State.Text; break;
                case State.CommaOrBracket when c == ',': state = State.Quote; break;
                case State.CommaOrBracket when c == ']': state = State.Parenthesis; break;
                case State.CommaOrBracket when c != ' ': return "invalid header configuration. Expecting ',', ']', or whitespace";
                case State.Quote when c == '"': state = State.Text; break;
                case State.Quote when c != ' ': return "invalid header configuration. Expecting '\"'";
                case State.Text when c == '\\':
                    if (isLast) return "invalid header configuration. Un-terminated backslash in JSON string";
                    i++;
                    break;
                case State.Text when c == ')': state = State.Percent; break;
                case State.Text when c == '"': state = State.CommaOrBracket; break;
                case State.Parenthesis when c == ')': state = State.Percent; break;
                case State.Parenthesis when c != ' ': return "invalid header configuration. Expecting ')' or whitespace after '{}', but found '{}'";
                case State.Percent when c == '%': state = State.Literal; break;
                case State.Percent when c != ' ': return "invalid header configuration. Expecting '%' or whitespace after";
                default: break;
            }
        }
        return state == State.Literal ? null : $"invalid header configuration. Un-terminated variable expression '{value}'";
    }

    private static string? Only(string name, SearchValues<char> allowed)
    {
        if (name.Length == 0) return Empty;
        return name.AsSpan().IndexOfAnyExcept(allowed) >= 0 ? $"header name {name} is not a valid header name" : null;
    }
}
