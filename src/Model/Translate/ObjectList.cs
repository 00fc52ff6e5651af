using System.Collections.Immutable;

namespace Mesh.Model.Translate;

/// <summary>Objects compared one by one: resources and what is made of them by reference, records by value.</summary>
internal sealed class ObjectList : IEquatable<ObjectList>
{
    private readonly ImmutableArray<object?> items;
    private readonly int hash;

    public ObjectList(ImmutableArray<object?> items)
    {
        this.items = items;
        var code = new HashCode();
        foreach (var item in items) code.Add(item);
        hash = code.ToHashCode();
    }

    public static ObjectList Empty { get; } = new([]);

    public bool Equals(ObjectList? other) =>
        ReferenceEquals(this, other) || other is not null && other.hash == hash && items.AsSpan().SequenceEqual(other.items.AsSpan());

    public override bool Equals(object? obj) => Equals(obj as ObjectList);

    public override int GetHashCode() => hash;
}
