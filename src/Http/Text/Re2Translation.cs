using System.Text;

namespace Mesh.Http.Text;

/// <summary>
/// Reads RE2's syntax and writes .NET's for the same language. Differences that matter: Perl classes are ASCII, "$" is the very end, no look-around,
/// no back-references, POSIX classes, \Q..\E, (?P&lt;name&gt;..), braces for code points; and nothing that would repeat itself into a huge automaton.
/// </summary>
internal sealed class Re2Translation(string pattern)
{
    private const int RepeatMax = 1000; // RE2's own
    private const int SizeMax = 10_000; // leaves after unrolling: RE2's default memory ends in this region too
    private const int DepthMax = 100;

    private readonly StringBuilder _output = new();
    private readonly Stack<Group> _groups = new();
    private string _error = "";
    private int _at;
    private long _size;     // of the group that is open
    private long _lastAtom; // of what a repetition would repeat; 0 = nothing to repeat
    private bool _isMultiline;

    private readonly record struct Group(long Size, bool IsMultiline);

    public bool TryRun(out string translated, out string error)
    {
        while (_at < pattern.Length && _error.Length == 0) Step();
        if (_error.Length == 0 && _groups.Count > 0) Fail("a parenthesis is not closed");
        translated = _output.ToString();
        error = _error;
        return error.Length == 0;
    }

    private void Step()
    {
        var c = pattern[_at];
        switch (c)
        {
            case '\\':
                Escape();
                break;
            case '[':
                CharacterClass();
                break;
            case '(':
                OpenGroup();
                break;
            case ')':
                CloseGroup();
                break;
            case '|':
                Take("|");
                _lastAtom = 0;
                break;
            case '*' or '+' or '?':
                Repeat(c == '?' ? 1 : 2, 1);
                break;
            case '{' when TryReadBraces(out var max, out var length):
                if (max > RepeatMax) Fail($"a repetition of more than {RepeatMax}");
                else Repeat(Math.Max(1, max), length);
                break;
            case '{':
                Atom(@"\{", 1);
                break;
            case '}' or ']':
                Atom("\\" + c, 1);
                break;
            case '$':
                Take(_isMultiline ? "$" : @"\z");
                _lastAtom = 1;
                break;
            case '^':
                Take("^");
                _lastAtom = 1;
                break;
            default:
                Atom(c.ToString(), 1);
                break;
        }
    }

    private void Atom(string text, int length)
    {
        _output.Append(text);
        _at += length;
        _lastAtom = 1;
        Grow(1);
    }

    private void Take(string text)
    {
        _output.Append(text);
        _at++;
    }

    private void Grow(long leaves)
    {
        _size += leaves;
        if (_size > SizeMax) Fail("the expression is too large once its repetitions are written out");
    }

    private void Repeat(int times, int length)
    {
        if (_lastAtom == 0)
        {
            Fail("a repetition of nothing");
            return;
        }

        _output.Append(pattern, _at, length);
        _at += length;
        if (_at < pattern.Length && pattern[_at] == '?') Take("?");
        Grow(_lastAtom * (times - 1));
        _lastAtom = 0; // "a**" is refused by RE2, and by this
    }

    private bool TryReadBraces(out int max, out int length)
    {
        max = length = 0;
        var end = pattern.IndexOf('}', _at);
        if (end < 0) return false;

        var inside = pattern.AsSpan(_at + 1, end - _at - 1);
        var comma = inside.IndexOf(',');
        var first = comma < 0 ? inside : inside[..comma];
        var second = comma < 0 ? first : inside[(comma + 1)..];
        if (!IsNumber(first) || (second.Length > 0 && !IsNumber(second))) return false;

        max = Math.Max(ToNumber(first), second.Length > 0 ? ToNumber(second) : ToNumber(first) + 1);
        length = end - _at + 1;
        return true;
    }

    private static bool IsName(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_') return false;
        }

        return true;
    }

    private static bool IsNumber(ReadOnlySpan<char> text) => text.Length > 0 && !text.ContainsAnyExceptInRange('0', '9');

    private static int ToNumber(ReadOnlySpan<char> digits) => digits.Length > 6 ? 1_000_000 : int.Parse(digits, System.Globalization.CultureInfo.InvariantCulture);

    private void OpenGroup()
    {
        if (_groups.Count == DepthMax)
        {
            Fail($"more than {DepthMax} groups in each other");
            return;
        }

        var isMultilineOutside = _isMultiline;
        if (pattern.AsSpan(_at).StartsWith("(?"))
        {
            if (!TryOpenSpecial(out var isOpen) || !isOpen) return;
        }
        else
        {
            Take("(");
        }

        _groups.Push(new(_size, isMultilineOutside));
        _size = 0;
        _lastAtom = 0;
    }

    // (?:…), (?P<name>…), (?<name>…), (?flags:…) open a group; (?flags) changes the one that is open.
    private bool TryOpenSpecial(out bool isOpen)
    {
        isOpen = true;
        var rest = pattern.AsSpan(_at);
        if (rest.StartsWith("(?P<") || (rest.StartsWith("(?<") && rest.Length > 3 && rest[3] is not ('=' or '!')))
        {
            var start = rest[2] == 'P' ? 4 : 3;
            var end = rest.IndexOf('>');
            if (end <= start || !IsName(rest[start..end])) return Fail("a group's name is not valid");

            _output.Append('('); // names are nobody's here, and .NET would number named groups behind the others
            _at += end + 1;
            return true;
        }

        var i = 2;
        var isOn = true;
        var flags = new StringBuilder();
        for (; i < rest.Length && rest[i] is not (')' or ':'); i++)
        {
            switch (rest[i])
            {
                case 'i' or 's' or '-':
                    flags.Append(rest[i]);
                    isOn &= rest[i] != '-';
                    break;
                case 'm':
                    flags.Append('m');
                    _isMultiline = isOn;
                    break;
                case 'U':
                    return Fail("the flag U is not supported");
                case '=' or '!':
                    return Fail("look-ahead is not in RE2");
                case '<':
                    return Fail("look-behind is not in RE2");
                default:
                    return Fail("a group begins with what RE2 does not know");
            }
        }

        if (i == rest.Length) return Fail("a parenthesis is not closed");

        isOpen = rest[i] == ':';
        _output.Append("(?").Append(flags).Append(rest[i]);
        _at += i + 1;
        return true;
    }

    private void CloseGroup()
    {
        if (!_groups.TryPop(out var outside))
        {
            Fail("a parenthesis was not opened");
            return;
        }

        Take(")");
        _lastAtom = Math.Max(1, _size);
        _size = outside.Size;
        _isMultiline = outside.IsMultiline;
        Grow(_lastAtom);
    }

    private void Escape()
    {
        if (_at + 1 == pattern.Length)
        {
            Fail("a backslash at the end");
            return;
        }

        var c = pattern[_at + 1];
        switch (c)
        {
            case 'Q':
                Quote();
                break;
            case 'A' or 'z' or 'b' or 'B':
                _output.Append('\\').Append(c);
                _at += 2;
                _lastAtom = 1;
                break;
            case 'C':
                Fail(@"\C is not supported");
                break;
            default:
                if (Re2Classes.TryRead(pattern, _at, out var members, out var length, out var problem)) Atom(members.Length > 0 ? $"[{members}]" : "", length);
                else if (problem.Length > 0) Fail(problem);
                else if (Re2Classes.TryReadChar(pattern, _at, out var text, out length, out problem)) Atom(text, length);
                else Fail(problem);
                break;
        }
    }

    private void Quote()
    {
        var end = pattern.IndexOf(@"\E", _at + 2, StringComparison.Ordinal);
        var literal = end < 0 ? pattern[(_at + 2)..] : pattern[(_at + 2)..end];
        foreach (var c in literal) Atom(Re2Classes.Literal(c), 0);
        _at = end < 0 ? pattern.Length : end + 2;
    }

    private void CharacterClass()
    {
        var start = _at;
        _at++;
        var text = new StringBuilder("[");
        if (_at < pattern.Length && pattern[_at] == '^')
        {
            text.Append('^');
            _at++;
        }

        for (var isFirst = true; ; isFirst = false)
        {
            if (_at == pattern.Length)
            {
                _at = start;
                Fail("a bracket is not closed");
                return;
            }

            if (pattern[_at] == ']' && !isFirst) break;
            if (!TakeMember(text)) return;
        }

        _at++;
        _output.Append(text).Append(']');
        _lastAtom = 1;
        Grow(1);
    }

    private bool TakeMember(StringBuilder text)
    {
        if (Re2Classes.TryRead(pattern, _at, out var members, out var length, out var problem))
        {
            text.Append(members);
            _at += length;
            return true;
        }

        if (problem.Length > 0) return Fail(problem);
        if (!TakeClassChar(out var low, out var lowText)) return false;

        text.Append(lowText);
        if (_at + 1 >= pattern.Length || pattern[_at] != '-' || pattern[_at + 1] == ']') return true;

        _at++;
        if (!TakeClassChar(out var high, out var highText)) return false;
        if (high < low) return Fail("a range of characters is the wrong way round");

        text.Append('-').Append(highText);
        return true;
    }

    private bool TakeClassChar(out char value, out string text)
    {
        value = pattern[_at];
        text = Re2Classes.Literal(value);
        if (value != '\\')
        {
            _at++;
            return true;
        }

        if (!Re2Classes.TryReadChar(pattern, _at, out text, out var length, out var problem)) return Fail(problem);
        if (text.Length > 6) return Fail("a character beyond U+FFFF in a class is not supported");

        value = Re2Classes.Value(text);
        _at += length;
        return true;
    }

    private bool Fail(string problem)
    {
        if (_error.Length == 0) _error = $"at {_at}: {problem}";
        return false;
    }
}
