using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Envoy.Config.Route.V3;
using Envoy.Type.Matcher.V3;
using static Mesh.Proxy.Config.ValuesFromXds;

namespace Mesh.Proxy.Config;

/// <summary>Predicates and edits.</summary>
internal static class MatchersFromXds
{
    // A rule that reads more would slow every request it is asked for.
    private const int EditsMax = 1000;

    public static StringMatch Text(StringMatcher? matcher) => matcher?.MatchPatternCase switch
    {
        StringMatcher.MatchPatternOneofCase.Exact => new(StringMatchKind.Exact, matcher.Exact, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.Prefix => new(StringMatchKind.Prefix, matcher.Prefix, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.Suffix => new(StringMatchKind.Suffix, matcher.Suffix, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.Contains => new(StringMatchKind.Contains, matcher.Contains, matcher.IgnoreCase),
        StringMatcher.MatchPatternOneofCase.SafeRegex => Regex(matcher.SafeRegex),
        null or StringMatcher.MatchPatternOneofCase.None => throw new ConfigRefusedException("a string match without a pattern"),
        var other => throw new ConfigRefusedException($"a string match of kind {other} is not supported"),
    };

    public static StringMatch Regex(RegexMatcher matcher) => In("regex", matcher.Regex, StringMatch.Regex);

    public static RegexRewrite? Rewrite(RegexMatchAndSubstitute? rewrite) => rewrite is null
        ? null
        : new(In("pattern.regex", rewrite.Pattern.Regex, LinearPattern.Compile), rewrite.Substitution);

    public static ImmutableArray<StringMatch> Texts(ListStringMatcher? list) => list is null ? [] : Each("patterns", list.Patterns, Text);

    public static HeaderMatch Header(HeaderMatcher matcher)
    {
        if (matcher.Name.Length == 0) throw new ConfigRefusedException("name", "is missing");

        var match = new HeaderMatch
        {
            Name = matcher.Name.ToLowerInvariant(),
            Invert = matcher.InvertMatch,
            TreatMissingAsEmpty = matcher.TreatMissingHeaderAsEmpty,
        };
        return matcher.HeaderMatchSpecifierCase switch
        {
            HeaderMatcher.HeaderMatchSpecifierOneofCase.None => match with { Kind = HeaderMatchKind.Present },
            HeaderMatcher.HeaderMatchSpecifierOneofCase.PresentMatch => match with { Kind = HeaderMatchKind.Present, PresentWanted = matcher.PresentMatch },
            HeaderMatcher.HeaderMatchSpecifierOneofCase.RangeMatch => match with { Kind = HeaderMatchKind.Range, Range = new(matcher.RangeMatch.Start, matcher.RangeMatch.End) },
            HeaderMatcher.HeaderMatchSpecifierOneofCase.ExactMatch => Valued(StringMatch.Exact(matcher.ExactMatch)),
            HeaderMatcher.HeaderMatchSpecifierOneofCase.PrefixMatch => Valued(StringMatch.Prefix(matcher.PrefixMatch)),
            HeaderMatcher.HeaderMatchSpecifierOneofCase.SuffixMatch => Valued(StringMatch.Suffix(matcher.SuffixMatch)),
            HeaderMatcher.HeaderMatchSpecifierOneofCase.ContainsMatch => Valued(new(StringMatchKind.Contains, matcher.ContainsMatch)),
            HeaderMatcher.HeaderMatchSpecifierOneofCase.SafeRegexMatch => Valued(In("safe_regex_match", matcher.SafeRegexMatch, Regex)),
            _ => Valued(In("string_match", matcher.StringMatch, Text)),
        };

        HeaderMatch Valued(StringMatch value) => match with { Kind = HeaderMatchKind.Value, Value = value };
    }

    public static QueryMatch Query(QueryParameterMatcher matcher) => new(
        matcher.Name,
        matcher.QueryParameterMatchSpecifierCase == QueryParameterMatcher.QueryParameterMatchSpecifierOneofCase.StringMatch
            ? In("string_match", matcher.StringMatch, Text)
            : null);

    public static MetadataMatch Metadata(MetadataMatcher matcher) => new(
        matcher.Filter, [.. matcher.Path.Select(segment => segment.Key)], In("value", matcher.Value, Value), matcher.Invert);

    public static ValueMatch Value(ValueMatcher matcher) => matcher.MatchPatternCase switch
    {
        ValueMatcher.MatchPatternOneofCase.NullMatch => new(ValueMatchKind.Null),
        ValueMatcher.MatchPatternOneofCase.DoubleMatch when matcher.DoubleMatch.Range is { } range =>
            new(ValueMatchKind.NumberRange) { Number = range.Start, NumberEnd = range.End },
        ValueMatcher.MatchPatternOneofCase.DoubleMatch => new(ValueMatchKind.Number) { Number = matcher.DoubleMatch.Exact },
        ValueMatcher.MatchPatternOneofCase.StringMatch => new(ValueMatchKind.Text) { Text = In("string_match", matcher.StringMatch, Text) },
        ValueMatcher.MatchPatternOneofCase.BoolMatch => new(ValueMatchKind.Flag) { Flag = matcher.BoolMatch },
        ValueMatcher.MatchPatternOneofCase.PresentMatch => new(ValueMatchKind.Present) { Flag = matcher.PresentMatch },
        ValueMatcher.MatchPatternOneofCase.ListMatch => new(ValueMatchKind.AnyInList) { Inner = [In("list_match.one_of", matcher.ListMatch.OneOf, Value)] },
        ValueMatcher.MatchPatternOneofCase.OrMatch => new(ValueMatchKind.Or) { Inner = Each("or_match.value_matchers", matcher.OrMatch.ValueMatchers, Value) },
        _ => throw new ConfigRefusedException("a value match without a pattern"),
    };

    /// <summary>Removals come first in the result, as they are applied first.</summary>
    public static ImmutableArray<HeaderEdit> Edits(IReadOnlyList<HeaderValueOption> toAdd, IReadOnlyList<string> toRemove)
    {
        if (toAdd.Count + toRemove.Count == 0) return [];
        if (toAdd.Count + toRemove.Count > EditsMax) throw new ConfigRefusedException($"{toAdd.Count + toRemove.Count} header edits, {EditsMax} are allowed");
        foreach (var name in toRemove)
            if (name.StartsWith(':') || name.Equals("host", StringComparison.OrdinalIgnoreCase)) throw new ConfigRefusedException($"header '{name}' may not be removed");

        return [.. toRemove.Select(name => HeaderEdit.Remove(name.ToLowerInvariant())), .. Each("headers_to_add", toAdd, Edit)];
    }

    public static HeaderEdit Edit(HeaderValueOption option)
    {
        var name = option.Header?.Key.ToLowerInvariant() ?? "";
        if (name.Length == 0) throw new ConfigRefusedException("header.key", "is missing");

        var kind = option.Append is { } append
            ? append ? HeaderEditKind.AppendIfExistsOrAdd : HeaderEditKind.OverwriteIfExistsOrAdd
            : option.AppendAction switch
            {
                HeaderValueOption.Types.HeaderAppendAction.AddIfAbsent => HeaderEditKind.AddIfAbsent,
                HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExistsOrAdd => HeaderEditKind.OverwriteIfExistsOrAdd,
                HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExists => HeaderEditKind.OverwriteIfExists,
                _ => HeaderEditKind.AppendIfExistsOrAdd,
            };
        var value = option.Header!.RawValue.IsEmpty ? option.Header.Value : option.Header.RawValue.ToStringUtf8();
        if (value.AsSpan().IndexOfAny('\r', '\n', '\0') >= 0) throw new ConfigRefusedException("header.value", $"of '{name}' holds a line break or NUL");
        return new(name, new(value), kind, option.KeepEmptyValue);
    }
}
