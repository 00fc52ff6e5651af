using Mesh.Http.Text;

namespace Mesh.Proxy.Config;

/// <summary>A regular expression of the configuration, in RE2's syntax: time linear in its input, whatever a tenant wrote.</summary>
internal sealed class LinearPattern
{
    private readonly LinearRegex _regex;

    private LinearPattern(LinearRegex regex) => _regex = regex;

    public string Text => _regex.Pattern;

    /// <exception cref="ArgumentException">The pattern is too long, or not in the syntax; the message says where.</exception>
    public static LinearPattern Compile(string text) =>
        LinearRegex.TryParse(text, out var regex, out var error) ? new(regex) : throw new ArgumentException($"regular expression '{text}': {error}");

    public bool IsFullMatch(ReadOnlySpan<byte> value) => _regex.IsFullMatch(value);

    /// <summary>Whether it occurs anywhere in the text.</summary>
    public bool IsSearchMatch(string value) => _regex.IsPartialMatch(value);

    /// <summary>Replaces every match; <paramref name="substitution"/> refers to groups as \1 to \9.</summary>
    public string ReplaceAll(string value, string substitution) => _regex.Replace(value, substitution);
}
