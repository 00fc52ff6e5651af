using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.RegularExpressions;

namespace Mesh.Http.Text;

/// <summary>
/// A regular expression as Istio's users write it (RE2's syntax), matched in time linear in the input. What RE2 refuses is refused with a sentence;
/// what .NET reads differently is translated. Prepared once, when configuration is read.
/// </summary>
public sealed class LinearRegex
{
    public const int PatternCharsMax = 1024;

    private const RegexOptions Options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;
    private const int StackChars = 512;

    private readonly Regex _full;
    private readonly string _translated;
    private Regex? _anywhere;

    private LinearRegex(string pattern, string translated)
    {
        Pattern = pattern;
        _translated = translated;
        _full = new($@"\A(?:{translated})\z", Options);
    }

    /// <summary>As it was written.</summary>
    public string Pattern { get; }

    /// <param name="error">A clause that names the place: "at 7: lookahead is not in RE2".</param>
    public static bool TryParse(string pattern, [NotNullWhen(true)] out LinearRegex? regex, out string error)
    {
        regex = null;
        if (pattern.Length > PatternCharsMax)
        {
            error = $"the expression has {pattern.Length} characters; {PatternCharsMax} are the most";
            return false;
        }

        if (!new Re2Translation(pattern).TryRun(out var translated, out error)) return false;

        try
        {
            regex = new(pattern, translated);
            return true;
        }
        catch (ArgumentException problem)
        {
            error = problem.Message;
            return false;
        }
        catch (NotSupportedException problem) // the automaton would be too large
        {
            error = problem.Message;
            return false;
        }
    }

    /// <summary>
    /// Does the whole text match? Header values and paths are read as UTF-8; what is not well-formed never matches, as in RE2: a bad byte must not
    /// slip past a rule.
    /// </summary>
    public bool IsFullMatch(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length <= StackChars)
        {
            Span<char> chars = stackalloc char[StackChars];
            return TryDecode(utf8, chars, out var length) && _full.IsMatch(chars[..length]);
        }

        var rented = ArrayPool<char>.Shared.Rent(utf8.Length);
        var isMatch = TryDecode(utf8, rented, out var count) && _full.IsMatch(rented.AsSpan(0, count));
        ArrayPool<char>.Shared.Return(rented);
        return isMatch;
    }

    private static bool TryDecode(ReadOnlySpan<byte> utf8, Span<char> chars, out int length) =>
        System.Text.Unicode.Utf8.ToUtf16(utf8, chars, out _, out length, replaceInvalidSequences: false) == OperationStatus.Done;

    public bool IsFullMatch(string text) => _full.IsMatch(text);

    /// <summary>Does any part of the text match?</summary>
    public bool IsPartialMatch(ReadOnlySpan<char> text) => Anywhere.IsMatch(text);

    /// <summary>Every match replaced, as uriRegexRewrite does: <c>\1</c> to <c>\9</c> are groups, <c>\0</c> the match, <c>\\</c> a backslash.</summary>
    public string Replace(string text, string rewrite) => Anywhere.Replace(text, ToNetReplacement(rewrite));

    /// <returns>Null when the rewrite is fine; otherwise what is wrong with it.</returns>
    public string? CheckRewrite(string rewrite)
    {
        var groups = Anywhere.GetGroupNumbers().Length - 1;
        for (var i = 0; i < rewrite.Length; i++)
        {
            if (rewrite[i] != '\\') continue;
            if (++i == rewrite.Length || (!char.IsAsciiDigit(rewrite[i]) && rewrite[i] != '\\')) return $"at {i - 1}: a backslash is followed by a digit or another backslash";
            if (char.IsAsciiDigit(rewrite[i]) && rewrite[i] - '0' > groups) return $@"at {i - 1}: \{rewrite[i]} is a group that the expression does not have";
        }

        return null;
    }

    private Regex Anywhere => _anywhere ??= new(_translated, Options);

    private static string ToNetReplacement(string rewrite)
    {
        var text = new StringBuilder();
        for (var i = 0; i < rewrite.Length; i++)
        {
            if (rewrite[i] == '$') text.Append("$$");
            else if (rewrite[i] != '\\' || i + 1 == rewrite.Length) text.Append(rewrite[i]);
            else if (char.IsAsciiDigit(rewrite[++i])) text.Append("${").Append(rewrite[i]).Append('}');
            else text.Append(rewrite[i]);
        }

        return text.ToString();
    }
}
