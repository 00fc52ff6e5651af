using System.Collections.Immutable;

namespace Mesh.Proxy.Redirect;

/// <summary>One rule of one family.</summary>
/// <param name="Position">Null appends; a number inserts there.</param>
/// <param name="Both">The other family has the same rule, word for word.</param>
internal sealed record RedirectRule(string Table, string Chain, ImmutableArray<string> Words, int? Position = null, bool Both = false)
{
    public bool InBuiltIn => !Chain.StartsWith("ISTIO_", StringComparison.Ordinal);

    public string? Target => Words is [.., "-j", var target] ? target : null;

    public override string ToString() => $"{(Position is { } at ? $"-I {Chain} {at}" : $"-A {Chain}")} {string.Join(' ', Words)}";
}
