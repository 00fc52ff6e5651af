using System.Text;

namespace Mesh.Proxy.Config;

internal enum StringMatchKind { Exact, Prefix, Suffix, Contains, Regex }

/// <summary>A predicate on a string, compiled once and asked for bytes. ASCII case only, as header bytes have no other.</summary>
internal sealed class StringMatch : IEquatable<StringMatch>
{
    private readonly byte[] bytes;
    private readonly LinearPattern? pattern;

    public StringMatch(StringMatchKind kind, string text, bool ignoreCase = false)
    {
        (Kind, Text, IgnoreCase) = (kind, text, ignoreCase);
        bytes = Encoding.UTF8.GetBytes(text);
        if (kind == StringMatchKind.Regex) pattern = LinearPattern.Compile(text);
    }

    public StringMatchKind Kind { get; }
    public string Text { get; }
    public bool IgnoreCase { get; }

    public bool IsMatch(ReadOnlySpan<byte> value) => Kind switch
    {
        StringMatchKind.Exact => value.Length == bytes.Length && Same(value),
        StringMatchKind.Prefix => value.Length >= bytes.Length && Same(value[..bytes.Length]),
        StringMatchKind.Suffix => value.Length >= bytes.Length && Same(value[^bytes.Length..]),
        StringMatchKind.Contains => Contains(value),
        _ => pattern!.IsFullMatch(value),
    };

    public bool IsMatch(string value)
    {
        Span<byte> small = stackalloc byte[256];
        return Encoding.UTF8.TryGetBytes(value, small, out var written)
            ? IsMatch(small[..written])
            : IsMatch(Encoding.UTF8.GetBytes(value));
    }

    public static StringMatch Exact(string text) => new(StringMatchKind.Exact, text);
    public static StringMatch Prefix(string text) => new(StringMatchKind.Prefix, text);
    public static StringMatch Suffix(string text) => new(StringMatchKind.Suffix, text);
    public static StringMatch Regex(string text) => new(StringMatchKind.Regex, text);

    public bool Equals(StringMatch? other) =>
        other is not null && (Kind, Text, IgnoreCase) == (other.Kind, other.Text, other.IgnoreCase);

    public override bool Equals(object? obj) => Equals(obj as StringMatch);
    public override int GetHashCode() => HashCode.Combine(Kind, Text, IgnoreCase);
    public override string ToString() => $"{Kind} {Text}";

    private bool Same(ReadOnlySpan<byte> value) =>
        IgnoreCase ? Ascii.EqualsIgnoreCase(value, bytes) : value.SequenceEqual(bytes);

    private bool Contains(ReadOnlySpan<byte> value)
    {
        if (!IgnoreCase) return value.IndexOf(bytes) >= 0;
        for (var at = 0; at + bytes.Length <= value.Length; at++)
            if (Ascii.EqualsIgnoreCase(value.Slice(at, bytes.Length), bytes)) return true;
        return false;
    }
}
