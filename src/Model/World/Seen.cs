using System.Collections.Immutable;

namespace Mesh.Model.World;

/// <summary>Services and the rule for each, as callers see them. Compared by what it holds, so that equal views become one object.</summary>
public sealed class Seen : IEquatable<Seen>
{
    private readonly int hash;

    public Seen(ImmutableArray<MeshService> services, ImmutableArray<MergedRule?> rules)
    {
        (Services, Rules) = (services, rules);
        var code = new HashCode();
        foreach (var service in services) code.Add(service);
        foreach (var rule in rules) code.Add(rule);
        hash = code.ToHashCode();
    }

    public ImmutableArray<MeshService> Services { get; }

    public ImmutableArray<MergedRule?> Rules { get; }

    public bool Equals(Seen? other) => ReferenceEquals(this, other)
        || other is not null && other.hash == hash && Services.AsSpan().SequenceEqual(other.Services.AsSpan()) && Rules.AsSpan().SequenceEqual(other.Rules.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as Seen);

    public override int GetHashCode() => hash;
}
