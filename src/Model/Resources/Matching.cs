namespace Mesh.Model.Resources;

public enum MatchKind { Exact, Prefix, Regex }

/// <summary>Istio's StringMatch. A null StringMatch, or one written as <c>{}</c>, asks for presence.</summary>
public sealed record StringMatch(MatchKind Kind, string Value)
{
    /// <summary>True for a regex that matches every value: then only presence counts.</summary>
    public bool MatchesAll => Kind == MatchKind.Regex && Value is "*";

    /// <returns>Null for <c>{}</c>.</returns>
    public static StringMatch? Read(Fields f)
    {
        if (f.TextOrNull("exact") is { } exact) return new(MatchKind.Exact, exact);
        if (f.TextOrNull("prefix") is { } prefix) return new(MatchKind.Prefix, prefix);
        if (f.TextOrNull("regex") is { } regex) return new(MatchKind.Regex, regex);
        return null;
    }
}
